package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/linearizability/jepsen"
	"github.com/lockproof/lockproof/report"
)

func checkCommand() *cobra.Command {
	var o outputFlags
	var set []string
	cmd := &cobra.Command{
		Use:   "check HISTORY|DIR",
		Short: "Judge a recorded history",
		Long: "HISTORY is a history.jsonl, from whatever program and language, or - for\n" +
			"standard input; docs/histories.md says what stands in it. Jepsen's history.edn\n" +
			"of a mutex workload is read too, and either may be compressed with gzip. Of a\n" +
			"run folder the history is judged again, whatever verdict was recorded with it.",
		Example: "  locksim check history.jsonl --html report.html\n" +
			"  zcat history.edn.gz | locksim check - --set ttl=10s",
		Args: takes("HISTORY|DIR"),
		RunE: func(cmd *cobra.Command, args []string) error { return check(cmd, args[0], set, o) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&set, "set", nil, "`NAME=VALUE` in the place of what the header says, such as ttl=10s or promises.tokens=true; may be repeated")
	fl.StringVar(&o.html, "html", "", "write the report with its picture to this file, - for standard output")
	o.registerResults(fl)
	return cmd
}

func check(cmd *cobra.Command, path string, set []string, o outputFlags) error {
	out, err := o.open(cmd)
	if err != nil {
		return err
	}
	defer out.close()
	part, err := judged(cmd.Context(), path, set)
	if err != nil {
		return err
	}
	return out.finish([]report.Part{part})
}

// judged reads a history and judges it. What was interrupted is told only if it
// is a violation: that stays one, whatever else would have been found.
func judged(ctx context.Context, path string, set []string) (report.Part, error) {
	r, folder, err := readHistory(ctx, path)
	if err != nil {
		return report.Part{}, err
	}
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return report.Part{}, fmt.Errorf("--set %s: it must be NAME=VALUE", s)
		}
		if err := r.Params.Set(name, value); err != nil {
			return report.Part{}, fmt.Errorf("--set %w", err)
		}
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
		p, h, err := decodeHistory(f)
		return read{p, h}, err
	})
	if err != nil && !interrupted(ctx, err) {
		err = fmt.Errorf("%s: %w", path, err)
	}
	r.Params, r.History = got.p, got.h
	return r, folder, err
}

// decodeHistory reads a history in whichever of its forms it is: compressed or not,
// Jepsen's or ours. Ours begins with a JSON object, so with {"; no history of
// Jepsen's does, whose keys are keywords.
func decodeHistory(r io.Reader) (linearizability.Params, linearizability.History, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return linearizability.Params{}, nil, err
		}
		defer unpacked.Close()
		in = bufio.NewReaderSize(unpacked, 64<<10)
	}
	// As much as is buffered is enough: comments before the first map are short.
	begin, err := in.Peek(4 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return linearizability.Params{}, nil, err
	}
	if isEDN(begin) {
		return jepsen.Read(in)
	}
	return linearizability.Read(in)
}

// isEDN tells from its beginning whether a file is one of Jepsen's.
func isEDN(begin []byte) bool {
	begin = bytes.TrimLeft(begin, " \t\r\n,")
	switch {
	case len(begin) == 0:
		return false
	case begin[0] == '[', begin[0] == ';', begin[0] == '#':
		return true
	case begin[0] == '{':
		inside := bytes.TrimLeft(begin[1:], " \t\r\n,")
		return len(inside) > 0 && inside[0] == ':'
	}
	return false
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
