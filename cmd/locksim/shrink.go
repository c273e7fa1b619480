package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/report"
)

func shrinkCommand() *cobra.Command {
	var o outputFlags
	cmd := &cobra.Command{
		Use:   "shrink DIR|FILE",
		Short: "Find the smallest scenario that still fails",
		Args:  takes("DIR|FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, _, err := recording(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.Backend != harness.BackendSim {
				return errors.New("only a simulated run can be shrunk; a live one is never the same twice")
			}
			subject, err := known(s)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			out, err := o.open(cmd)
			if err != nil {
				return err
			}
			defer out.close()
			r, err := harness.Run(cmd.Context(), subject, s)
			if err != nil {
				return err
			}
			if r.Verdict.Verdict != linearizability.Violation {
				return fmt.Errorf("%s does not fail: its verdict is %s", args[0], r.Verdict.Verdict)
			}
			small, err := harness.Shrink(cmd.Context(), subject, r)
			if err != nil && small == r {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d faults became %d, %s became %s, %d clients became %d\n", len(s.Plan), len(small.Scenario.Plan),
				s.Duration, small.Scenario.Duration, s.Clients, small.Scenario.Clients)
			out.suffix = "-shrunk"
			return out.finish([]report.Part{{Summary: harness.Summarize(small)}})
		},
	}
	o.register(cmd.Flags())
	return cmd
}
