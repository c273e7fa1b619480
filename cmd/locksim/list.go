package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			list(cmd.OutOrStdout())
			return nil
		},
	}
}

func list(w io.Writer) {
	section := func(title string, header table.Row, rows func(t table.Writer)) {
		fmt.Fprintln(w, title)
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.Style().Options = table.OptionsNoBordersAndSeparators
		t.AppendHeader(header)
		rows(t)
		fmt.Fprintln(w, t.Render())
		fmt.Fprintln(w)
	}
	section("Subjects (--subject)", table.Row{"name", "what it is"}, func(t table.Writer) {
		for _, s := range subjects.All() {
			t.AppendRow(table.Row{s.Name, s.Summary})
		}
	})
	section("Backends (--backend)", table.Row{"name", "what it is"}, func(t table.Writer) {
		for _, b := range harness.Backends() {
			t.AppendRow(table.Row{b, harness.DescribeBackend(b)})
		}
	})
	section("Faults (--faults), and the worlds that can inject them", table.Row{"kind", "what goes wrong", "in all", "sim", "live"}, func(t table.Writer) {
		for _, k := range fault.Kinds() {
			t.AppendRow(table.Row{k, fault.Describe(k).Summary, yes(fault.Describe(k).Covered), injectable(k, fault.Sim), injectable(k, fault.LiveOneProcess)})
		}
	})
	section("Known races (locksim repro NAME)", table.Row{"name", "what it shows"}, func(t table.Writer) {
		for _, r := range harness.Repros() {
			t.AppendRow(table.Row{r.Name, r.Summary})
		}
	})
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
