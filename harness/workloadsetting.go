package harness

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// WorkloadSetting is a field of a Workload as text, for a flag.
type WorkloadSetting struct {
	// Name is what a flag is called; Usage says what it sets.
	Name, Usage string
	// One of these is the field.
	time   func(*Workload) *Duration
	chance func(*Workload) *uint64 // per mille
}

// WorkloadSettings are all fields of a Workload. A new field is one line here.
func WorkloadSettings() []WorkloadSetting {
	return []WorkloadSetting{
		{"hold", "longest time for which a client keeps a lock", func(w *Workload) *Duration { return &w.HoldMax }, nil},
		{"think", "longest time between a release and the next acquire", func(w *Workload) *Duration { return &w.ThinkMax }, nil},
		{"effect-every", "time from one use of the protected resource to the next", func(w *Workload) *Duration { return &w.EffectEvery }, nil},
		{"try", "share of acquires that do not wait", nil, func(w *Workload) *uint64 { return &w.Try }},
		{"give-up", "share of waiting acquires that are cancelled after a while", nil, func(w *Workload) *uint64 { return &w.GiveUp }},
		{"abandon", "share of grants that are not renewed, and held past their end", nil, func(w *Workload) *uint64 { return &w.Abandon }},
		{"die", "share of grants whose holder crashes", nil, func(w *Workload) *uint64 { return &w.Die }},
		{"wait-limit", "share of waiting acquires with a wait limit", nil, func(w *Workload) *uint64 { return &w.WaitLimit }},
		{"ask", "share of accesses at which a holder asks its lease how long it stands", nil, func(w *Workload) *uint64 { return &w.Ask }},
		{"renew-by-hand", "share of accesses at which a holder renews by itself", nil, func(w *Workload) *uint64 { return &w.Renew }},
		{"another", "share of accesses at which a holder acquires a second lock", nil, func(w *Workload) *uint64 { return &w.Another }},
		{"do", "share of turns that run a function under the lock", nil, func(w *Workload) *uint64 { return &w.Do }},
		{"inspect", "share of turns that first ask who holds the lock", nil, func(w *Workload) *uint64 { return &w.Inspect }},
		{"close", "share of turns that close the client and open another", nil, func(w *Workload) *uint64 { return &w.Close }},
		{"parallel", "share of processes that use their client from several goroutines", nil, func(w *Workload) *uint64 { return &w.Parallel }},
		{"spread", "share of runs whose clients have lease settings of their own", nil, func(w *Workload) *uint64 { return &w.Spread }},
	}
}

// ChangedWorkload are the settings in which the workload is not the default one
// of such a scenario.
func (s Scenario) ChangedWorkload() []WorkloadSetting {
	standard := s
	standard.Workload = Workload{}
	standard = standard.WithDefaults()
	var changed []WorkloadSetting
	for _, setting := range WorkloadSettings() {
		if setting.Text(&s.Workload) != setting.Text(&standard.Workload) {
			changed = append(changed, setting)
		}
	}
	return changed
}

// Kind is what the values are called in a usage text.
func (s WorkloadSetting) Kind() string {
	if s.time != nil {
		return "duration"
	}
	return "percent"
}

// Text is the field's value as Set reads it: "2.5s" or "0.5%".
func (s WorkloadSetting) Text(w *Workload) string {
	if s.time != nil {
		return s.time(w).String()
	}
	permille := *s.chance(w)
	text := strconv.FormatUint(permille/10, 10)
	if permille%10 > 0 {
		text += "." + strconv.FormatUint(permille%10, 10)
	}
	return text + "%"
}

// Set reads a value: a time above 0, or a share of 0% to 100% in tenths.
func (s WorkloadSetting) Set(w *Workload, text string) error {
	if s.time != nil {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is no duration such as 2.5s", text)
		}
		if d <= 0 || d > longest {
			return fmt.Errorf("%s must be more than 0 and at most 720h", text)
		}
		*s.time(w) = Duration(d)
		return nil
	}
	share, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if !strings.HasSuffix(text, "%") || err != nil || !(share >= 0 && share <= 100) {
		return fmt.Errorf("%q is no share between 0%% and 100%%", text)
	}
	permille := math.Round(10 * share)
	if math.Abs(permille-10*share) > 1e-9 {
		return fmt.Errorf("%s is finer than a tenth of a percent", text)
	}
	*s.chance(w) = uint64(permille)
	return nil
}
