package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/subjects"
)

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List subjects, backends, faults and known races",
		Args:  takes(),
		RunE:  func(cmd *cobra.Command, _ []string) error { return list(cmd.OutOrStdout()) },
	}
}

func list(w io.Writer) error {
	locks := columns{header: []string{"name", "what it is"}, wrapped: 1}
	for _, s := range subjects.All() {
		locks.add(s.Name, s.Summary)
	}
	stores := columns{header: []string{"name", "what it is"}, wrapped: 1}
	for _, b := range backends() {
		stores.add(b, describeBackend(b))
	}
	faults := columns{header: []string{"kind", "what goes wrong", "in all", "sim", "live"}, wrapped: 1}
	for _, k := range fault.Kinds() {
		d := fault.Describe(k)
		faults.add(string(k), d.Summary, yes(d.Covered), injectable(k, fault.Sim), injectable(k, fault.LiveOneProcess))
	}
	races := columns{header: []string{"name", "what it shows"}, wrapped: 1}
	for _, r := range harness.Repros() {
		races.add(r.Name, r.Summary)
	}
	for i, section := range []struct {
		title string
		table *columns
	}{
		{"Subjects (--subject)", &locks}, {"Backends (--backend)", &stores},
		{"Faults (--faults), and the worlds that can inject them", &faults}, {"Known races (locksim repro NAME)", &races},
	} {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, section.title)
		if err := section.table.print(w); err != nil {
			return err
		}
	}
	return nil
}

func injectable(k fault.Kind, w fault.World) string {
	ok, _ := fault.Injectable(k, w)
	return yes(ok)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}
