package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/lockproof/lockproof/harness"
)

// workloadFlag is a setting of the workload, and what was given for it.
type workloadFlag struct {
	harness.WorkloadSetting
	text *string
}

// registerWorkload makes a flag of each setting of the workload.
func registerWorkload(fl *pflag.FlagSet) []workloadFlag {
	var all []workloadFlag
	for _, s := range harness.WorkloadSettings() {
		f := workloadFlag{WorkloadSetting: s, text: new(string)}
		fl.Var(&textValue{f.text, s.Kind()}, s.Name, "workload: "+s.Usage)
		all = append(all, f)
	}
	return all
}

// textValue is a text that a usage line calls by what it stands for.
type textValue struct {
	text *string
	kind string
}

func (v *textValue) String() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}
func (v *textValue) Set(text string) error { *v.text = text; return nil }
func (v *textValue) Type() string          { return v.kind }

// apply sets what was given and checked.
func (w workloadFlag) apply(to *harness.Workload) {
	if *w.text != "" {
		_ = w.Set(to, *w.text)
	}
}

func (f *runFlags) checkWorkload(given func(flag string) bool) error {
	for _, w := range f.workload {
		if !given(w.Name) {
			continue
		}
		if err := w.Set(&harness.Workload{}, *w.text); err != nil {
			return fmt.Errorf("--%s: %w", w.Name, err)
		}
	}
	return nil
}
