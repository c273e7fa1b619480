package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/report"
)

func reproCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "repro NAME",
		Short: "Show a known race, simulated and on a real server (locksim list)",
		Args:  takes("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := harness.FindRepro(args[0])
			if err != nil {
				return err
			}
			return showRace(cmd, r, dir)
		},
	}
	cmd.ValidArgsFunction = oneOf(races())
	cmd.Flags().StringVar(&dir, "out", "runs", "folder in which the run folders are put")
	return cmd
}

// showRace shows a race twice. It is a violation from the first time on, whatever
// else fails.
func showRace(cmd *cobra.Command, r harness.Repro, dir string) error {
	w := cmd.OutOrStdout()
	said := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "locksim: %s%s\n", what, oneLine(err))
		}
	}
	fmt.Fprintf(w, "%s: %s\n", r.Name, r.Summary)
	simulated, err := r.Simulate(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nIn the simulator (seed %d, %d clients, no faults; trace hash %016x)\n", simulated.Result.Scenario.Seed,
		simulated.Result.Scenario.Clients, simulated.Result.TraceHash)
	said("", printShown(w, simulated, filepath.Join(dir, r.Name+"-sim")))
	live, err := r.RunLive(cmd.Context(), targets.All()...)
	switch {
	case err != nil && interrupted(cmd.Context(), err):
		fmt.Fprintln(w, "\nInterrupted before the race showed on a real server.")
	case err != nil:
		said("on a real server: ", err)
	case live == nil:
		fmt.Fprintln(w, "\nOn a real server the race did not show this time. Run it again.")
	default:
		fmt.Fprintf(w, "\nOn %s (%d clients, 5 ms of latency each way)\n", live.Result.Server, live.Result.Scenario.Clients)
		said("", printShown(w, live, filepath.Join(dir, r.Name+"-live")))
	}
	fmt.Fprintf(w, "\n%s\n", r.Explain)
	return ended(exitViolation)
}

func printShown(w io.Writer, s *harness.Shown, dir string) error {
	p, _ := s.Result.Verdict.Property(linearizability.MutualExclusion)
	fmt.Fprintf(w, "  %s: %s\n\n", p.Verdict, p.Detail)
	for _, step := range s.Steps {
		fmt.Fprintf(w, "  %s\n", step)
	}
	folder, err := (&output{flags: outputFlags{dir: dir}}).keep(s.Result)
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	if folder.HasReport() {
		fmt.Fprintf(w, "\n  picture: %s\n", filepath.Join(folder.Dir, report.ReportFile))
	}
	fmt.Fprintf(w, "  replay:  %s\n", folder.Replay)
	return folder.Missing
}
