package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/report"
)

func replayCommand() *cobra.Command {
	var o outputFlags
	cmd := &cobra.Command{
		Use:   "replay DIR|FILE",
		Short: "Run a recorded scenario again",
		Long: "A simulated run is repeated exactly: the trace hash must be the recorded one, or replay says what\n" +
			"differed and exits 2. A live run is another run of the same scenario.",
		Args: takes("DIR|FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return replay(cmd, args[0], &o) },
	}
	o.register(cmd.Flags())
	return cmd
}

func replay(cmd *cobra.Command, path string, o *outputFlags) error {
	s, recorded, err := recording(path)
	if err != nil {
		return err
	}
	out, err := o.open(cmd)
	if err != nil {
		return err
	}
	defer out.close()
	r, err := harness.Run(cmd.Context(), s)
	if err != nil {
		return err
	}
	verdict := out.finish([]*harness.Summary{harness.Summarize(r)})
	w := cmd.ErrOrStderr()
	switch {
	case s.Backend != harness.BackendSim:
		fmt.Fprintln(w, "a live run has no trace hash; this was another run of the same scenario")
	case recorded != nil && recorded.Interrupted:
		fmt.Fprintf(w, "trace hash %016x; the recorded run was interrupted and has none\n", r.TraceHash)
	case r.Interrupted:
		fmt.Fprintln(w, "interrupted: there is no trace hash to compare")
	case recorded == nil:
		fmt.Fprintf(w, "trace hash %016x\n", r.TraceHash)
	case recorded.TraceHash == r.TraceHash:
		fmt.Fprintf(w, "trace hash %016x, as recorded\n", r.TraceHash)
	default:
		fmt.Fprintf(w, "trace hash %016x, but %016x was recorded: %s\n", r.TraceHash, recorded.TraceHash, difference(recorded.History, r.History))
		return verdictError{linearizability.Unknown}
	}
	return verdict
}

// recording reads a scenario file, or a run folder with what it recorded.
func recording(path string) (harness.Scenario, *harness.Result, error) {
	info, err := os.Stat(path)
	if err != nil {
		return harness.Scenario{}, nil, err
	}
	if !info.IsDir() {
		s, err := readScenario(path)
		return s, nil, err
	}
	folder, err := report.ReadFolder(path)
	if err != nil {
		return harness.Scenario{}, nil, err
	}
	return folder.Scenario, folder, nil
}

// difference names the first event at which two histories part.
func difference(a, b linearizability.History) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("the histories part at event %d: recorded %s of c%d at %d ns, now %s of c%d at %d ns",
				i, a[i].Op, a[i].Client, a[i].At, b[i].Op, b[i].Client, b[i].At)
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("the recorded history has %d events, this one %d", len(a), len(b))
	}
	return "the histories are the same; it was recorded by another version of locksim"
}

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check HISTORY",
		Short: "Judge a recorded history (a history.jsonl, or a run folder)",
		Args:  takes("HISTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				path = filepath.Join(path, "history.jsonl")
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			p, h, err := linearizability.Read(f)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			v := linearizability.Check(cmd.Context(), p, h)
			if v.Malformed != "" {
				return fmt.Errorf("%s: %s", path, v.Malformed)
			}
			r := &harness.Result{Params: p, History: h, Verdict: v, Coverage: linearizability.CoverageOf(p, h)}
			if err := report.Terminal(cmd.OutOrStdout(), report.TerminalOptions{}, report.Part{Result: r}); err != nil {
				return err
			}
			return conclude(v.Verdict)
		},
	}
}
