package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/benchreport"
	"github.com/lockproof/lockproof/cmd/internal/cli"
	"github.com/lockproof/lockproof/internal/resultfile"
)

// outputFlags say where results go.
type outputFlags struct {
	dir  string
	json string
}

func (f *outputFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.dir, "out", "", "folder for the result's files (default: none is written)")
	fl.StringVar(&f.json, "json", "", "write the result as JSON to this file, - for standard output")
}

// output is where the result of one command goes. Files are opened before
// anything is measured, so that minutes do not end in "permission denied".
type output struct {
	command string
	stdout  io.Writer
	stderr  io.Writer
	json    io.Writer // nil if nobody asked for it
	files   resultfile.Set
	dir     string // of --out
	folder  string // dir, if it was made by us: taken back if it stays empty
}

func (f outputFlags) open(cmd *cobra.Command) (*output, error) {
	o := &output{stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), command: commandLine(cmd), dir: f.dir}
	if f.dir != "" {
		if _, err := os.Stat(f.dir); errors.Is(err, os.ErrNotExist) {
			o.folder = f.dir
		}
		if err := os.MkdirAll(f.dir, 0o777); err != nil {
			return nil, fmt.Errorf("--out: %w", err)
		}
		if err := writable(f.dir); err != nil {
			o.close()
			return nil, fmt.Errorf("--out: %w", err)
		}
	}
	switch f.json {
	case "":
	case "-":
		o.json, o.stdout = o.stdout, o.stderr
	default:
		file, err := o.files.Create("--json", f.json)
		if err != nil {
			o.close()
			return nil, err
		}
		o.json = file
	}
	return o, nil
}

// writable tries to make a file in dir.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".lockbench-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// commandLine is what to type to measure the same again: the flags that were
// given, without those that say where the result goes.
func commandLine(cmd *cobra.Command) string {
	words := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "out" && f.Name != "json" {
			words = append(words, "--"+f.Name, quoted(f.Value.String()))
		}
	})
	return strings.Join(words, " ")
}

func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " '\"$") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// close takes back what nothing was written to.
func (o *output) close() {
	_ = o.files.Close()
	if o.folder != "" {
		_ = os.Remove(o.folder) // only if it is empty
	}
}

// finish tells what there is, and then what went wrong.
func (o *output) finish(r *bench.Result, errs ...error) error {
	if r != nil && len(r.Cells) > 0 {
		r.Command = o.command
		errs = append(errs, show(o.stdout, r))
		if o.json != nil {
			errs = append(errs, r.Write(o.json))
		}
		if o.dir != "" {
			errs = append(errs, benchreport.WriteFiles(o.dir, r))
			fmt.Fprintln(o.stdout, "\n"+filepath.Join(o.dir, benchreport.HTMLFile))
		}
	}
	if err := errors.Join(append(errs, o.files.Close())...); err != nil {
		return err
	}
	if r != nil && r.Incomplete {
		if len(r.Cells) == 0 {
			fmt.Fprintln(o.stderr, "lockbench: interrupted before there was a result")
		}
		return errIncomplete
	}
	return nil
}

// show prints a result. A sweep has a table of its own: a line for each setting.
func show(w io.Writer, r *bench.Result) error {
	if r.Kind == bench.Sweep {
		return showSweep(w, r)
	}
	return benchreport.Terminal(w, r, width(w))
}

// width is that of a terminal, within what can be read.
func width(w io.Writer) int {
	if f, ok := cli.Terminal(w); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			return min(max(columns, narrowest), widest)
		}
	}
	return usual
}

// Widths of a table, in columns.
const (
	narrowest = 72
	usual     = 100
	widest    = 160
)

// bar shows progress on a terminal; elsewhere nothing.
type bar struct {
	mu       sync.Mutex
	what     string
	out      *os.File // nil: not a terminal
	progress *mpb.Progress
	bar      *mpb.Bar
}

func (o *output) progress(what string) *bar {
	f, ok := cli.Terminal(o.stderr)
	if !ok || cli.Dumb() {
		return &bar{}
	}
	return &bar{what: what, out: f}
}

// set says how much of the time is over.
func (b *bar) set(done, total time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.out == nil {
		return
	}
	if b.progress == nil {
		b.progress = mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(48))
		b.bar = b.progress.AddBar(int64(total/time.Second)+1, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(b.what+" ")), mpb.AppendDecorators(decor.CountersNoUnit("%d/%d s")))
	}
	b.bar.SetCurrent(int64(done / time.Second))
}

// done takes the bar off the screen.
func (b *bar) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress != nil {
		b.bar.Abort(true)
		b.progress.Wait()
	}
}
