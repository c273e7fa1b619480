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

	"github.com/lockproof/lockproof/bench"
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

// resultName is the file in the folder of --out that keeps a result.
const resultName = "result.json"

// output is where the result of one command goes. Files are opened before
// anything is measured, so that minutes do not end in "permission denied".
type output struct {
	command string
	stdout  io.Writer
	stderr  io.Writer
	json    []io.Writer
	files   []*resultFile
	folder  string // made by us, and taken back if it stays empty
}

func (f outputFlags) open(cmd *cobra.Command) (*output, error) {
	o := &output{stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), command: commandLine(cmd)}
	if f.dir != "" {
		if _, err := os.Stat(f.dir); errors.Is(err, os.ErrNotExist) {
			o.folder = f.dir
		}
		if err := os.MkdirAll(f.dir, 0o777); err != nil {
			return nil, fmt.Errorf("--out: %w", err)
		}
		if err := o.create("--out", filepath.Join(f.dir, resultName)); err != nil {
			return nil, err
		}
	}
	switch f.json {
	case "":
	case "-":
		o.json = append(o.json, o.stdout)
		o.stdout = o.stderr
	default:
		if err := o.create("--json", f.json); err != nil {
			o.close()
			return nil, err
		}
	}
	return o, nil
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

// create opens a file without changing what is in it: until there is a result to
// write, an older one is worth more.
func (o *output) create(flag, path string) error {
	_, err := os.Lstat(path)
	created := errors.Is(err, os.ErrNotExist)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	f := &resultFile{File: file, created: created}
	o.files = append(o.files, f)
	o.json = append(o.json, f)
	return nil
}

// resultFile is emptied by the first write to it.
type resultFile struct {
	*os.File
	created bool // by us
	written bool
}

func (f *resultFile) Write(b []byte) (int, error) {
	if !f.written {
		f.written = true
		// A device or a pipe has nothing to empty.
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			if err := f.Truncate(0); err != nil {
				return 0, err
			}
		}
	}
	return f.File.Write(b)
}

// close takes back what nothing was written to.
func (o *output) close() {
	for _, f := range o.files {
		_ = f.Close()
		if f.created && !f.written {
			_ = os.Remove(f.Name())
		}
	}
	if o.folder != "" {
		_ = os.Remove(o.folder) // only if it is empty
	}
}

// finish tells what there is, and then what went wrong.
func (o *output) finish(r *bench.Result, errs ...error) error {
	if r != nil && len(r.Cells) > 0 {
		r.Command = o.command
		errs = append(errs, show(o.stdout, r))
		for _, w := range o.json {
			errs = append(errs, r.Write(w))
		}
	}
	if err := errors.Join(errs...); err != nil {
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

// bar shows progress on a terminal; elsewhere nothing.
type bar struct {
	mu       sync.Mutex
	what     string
	out      *os.File // nil: not a terminal
	progress *mpb.Progress
	bar      *mpb.Bar
}

func (o *output) progress(what string) *bar {
	f, ok := o.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
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
