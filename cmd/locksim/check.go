package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/report"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check HISTORY|DIR",
		Short: "Judge a recorded history",
		Long: "HISTORY is a history.jsonl, or - for standard input. Of a run folder the history\n" +
			"is judged again, whatever verdict was recorded with it.",
		Args: takes("HISTORY|DIR"),
		RunE: func(cmd *cobra.Command, args []string) error { return check(cmd, args[0]) },
	}
}

func check(cmd *cobra.Command, path string) error {
	part, err := judged(cmd.Context(), path)
	if err != nil {
		return err
	}
	var errs []string
	if err := report.Terminal(cmd.OutOrStdout(), terminalOptions(cmd.OutOrStdout()), part); err != nil {
		errs = append(errs, oneLine(err))
		fmt.Fprintln(cmd.ErrOrStderr(), "locksim:", errs[0])
	}
	return ended(report.ExitCode(errs, part))
}

// judged reads a history and judges it. What was interrupted is told only if it
// is a violation: that stays one, whatever else would have been found.
func judged(ctx context.Context, path string) (report.Part, error) {
	r, folder, err := readHistory(ctx, path)
	if err != nil {
		return report.Part{}, err
	}
	r.Verdict = linearizability.Check(ctx, r.Params, r.History)
	if r.Verdict.Malformed != "" {
		return report.Part{}, fmt.Errorf("%s: %s", path, inLines(r.Verdict.Malformed))
	}
	if ctx.Err() != nil {
		if r.Verdict.Verdict != linearizability.Violation {
			return report.Part{}, context.Cause(ctx)
		}
		for i := range r.Verdict.Properties {
			p := &r.Verdict.Properties[i]
			p.Detail = strings.Replace(p.Detail, "out of time", "interrupted", 1)
		}
	}
	r.Coverage = linearizability.CoverageOf(r.Params, r.History)
	part := report.Part{Result: r}
	if folder != "" {
		part.Folders = map[uint64]string{r.Scenario.Seed: folder}
	}
	return part, nil
}

// readHistory reads a history, and from a run folder the scenario that it is of.
func readHistory(ctx context.Context, path string) (r *harness.Result, folder string, err error) {
	r = &harness.Result{}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if r.Scenario, err = report.ReadScenario(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, "", err
		} else if err == nil {
			folder = path
		}
		path = filepath.Join(path, report.HistoryFile)
	}
	f, err := input(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	type read struct {
		p linearizability.Params
		h linearizability.History
	}
	got, err := interruptible(ctx, func() (read, error) {
		p, h, err := linearizability.Read(f)
		return read{p, h}, err
	})
	if err != nil && !interrupted(ctx, err) {
		err = fmt.Errorf("%s: %w", path, err)
	}
	r.Params, r.History = got.p, got.h
	return r, folder, err
}

// eventNumber is how a validation names an event: by its position, from 0 on.
var eventNumber = regexp.MustCompile(`\bevent (\d+)\b`)

// inLines names events by their lines in a file, as an editor does: the header is
// line 1.
func inLines(text string) string {
	return eventNumber.ReplaceAllStringFunc(text, func(found string) string {
		n, err := strconv.Atoi(strings.TrimPrefix(found, "event "))
		if err != nil {
			return found
		}
		return "line " + strconv.Itoa(n+2)
	})
}
