package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/report"
)

func replayCommand() *cobra.Command {
	var o outputFlags
	cmd := &cobra.Command{
		Use:   "replay DIR|FILE",
		Short: "Run a recorded scenario again",
		Long: "A simulated run is repeated exactly: the trace hash and the history must be\n" +
			"those that were recorded, or replay says what differs and exits 2. A live run is\n" +
			"another run of the same scenario. FILE is a scenario, - is standard input.",
		Args: takes("DIR|FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return replay(cmd, args[0], &o) },
	}
	o.register(cmd.Flags())
	return cmd
}

func replay(cmd *cobra.Command, path string, o *outputFlags) error {
	s, recorded, err := recording(cmd.Context(), path)
	if err != nil {
		return err
	}
	subject, err := known(s)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	out, err := o.open(cmd)
	if err != nil {
		return err
	}
	defer out.close()
	r, err := harness.Run(cmd.Context(), subject, s, targets.All()...)
	if err != nil {
		parts, err := stopped(cmd.Context(), s.Subject, s.Backend, err)
		if err != nil {
			return err
		}
		return out.finish(parts)
	}
	part := report.Part{Summary: harness.Summarize(r)}
	var note string
	note, part.Differs = compared(recorded, r)
	err = out.finish([]report.Part{part})
	fmt.Fprintln(cmd.ErrOrStderr(), note)
	return err
}

// compared says how a run compares with what was recorded of it, and in what it
// differs if it does.
func compared(recorded, r *harness.Result) (note, differs string) {
	hash := fmt.Sprintf("trace hash %016x", r.TraceHash)
	switch {
	case r.Scenario.Backend != harness.BackendSim:
		return "a live run has no trace hash; this was another run of the same scenario", ""
	case recorded != nil && recorded.Interrupted:
		return hash + "; the recorded run was interrupted and has none", ""
	case r.Interrupted:
		return "interrupted: there is no trace hash to compare", ""
	case recorded == nil:
		return hash, ""
	case recorded.TraceHash != r.TraceHash:
		differs = fmt.Sprintf("%016x was recorded: %s", recorded.TraceHash, difference(recorded.History, r.History))
		return hash + ", but " + differs, differs
	}
	if where := parting(recorded.History, r.History); where != "" {
		differs = report.HistoryFile + " was changed after it was recorded: " + where
	} else if !sameRun(recorded.Params, r.Params) {
		differs = report.HistoryFile + " was changed after it was recorded: line 1 is of another run"
	}
	if differs != "" {
		return hash + ", as recorded, but " + differs, differs
	}
	note = hash + ", as recorded"
	if was, is := recorded.Verdict.Verdict, r.Verdict.Verdict; was != is {
		note += fmt.Sprintf("; the recorded verdict is %s, this version of locksim says %s", was, is)
	}
	return note, ""
}

// sameRun compares what a header says of the run itself; what it says of the
// checks may be another version's.
func sameRun(a, b linearizability.Params) bool {
	return a.TTL == b.TTL && a.MaxClockDriftPPM == b.MaxClockDriftPPM && a.HealAt == b.HealAt && a.End == b.End && a.Clients == b.Clients
}

// recording reads a scenario file, or a run folder with what it recorded.
func recording(ctx context.Context, path string) (harness.Scenario, *harness.Result, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		s, err := readScenario(ctx, path)
		return s, nil, err
	}
	folder, err := report.ReadFolder(path)
	if err != nil {
		return harness.Scenario{}, nil, err
	}
	return folder.Scenario, folder, nil
}

// difference says why two trace hashes differ.
func difference(recorded, now linearizability.History) string {
	if where := parting(recorded, now); where != "" {
		return where
	}
	return "the histories are the same; it was recorded by another version of locksim"
}

// parting names the first line at which two histories part, "" if they do not.
// The header is line 1.
func parting(recorded, now linearizability.History) string {
	for i := range min(len(recorded), len(now)) {
		if a, b := recorded[i], now[i]; a != b {
			return fmt.Sprintf("the histories part at line %d: recorded %s of c%d at %d ns, now %s of c%d at %d ns",
				i+2, a.Op, a.Client, a.At, b.Op, b.Client, b.At)
		}
	}
	if len(recorded) != len(now) {
		return fmt.Sprintf("the recorded history has %d events, this one %d", len(recorded), len(now))
	}
	return ""
}
