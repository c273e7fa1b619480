package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/resultfile"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/report"
)

// outputFlags say where results go.
type outputFlags struct {
	dir   string
	json  string
	junit string
}

func (f *outputFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.dir, "out", "", "folder for the run (default runs/SUBJECT-BACKEND-SEED)")
	fl.StringVar(&f.json, "json", "", "write the result as JSON to this file, - for standard output")
	fl.StringVar(&f.junit, "junit", "", "write the result as JUnit XML to this file, - for standard output")
}

// output is where the results of one command go. Files are opened before
// anything is run, so that a long run does not end in "permission denied".
type output struct {
	flags  outputFlags
	stdout io.Writer
	stderr io.Writer
	json   io.Writer
	junit  io.Writer
	files  resultfile.Set
	suffix string
}

func (f outputFlags) open(cmd *cobra.Command) (*output, error) {
	o := &output{flags: f, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
	var err error
	if f.json == "-" && f.junit == "-" {
		return nil, errors.New("--json and --junit cannot both be written to standard output")
	}
	if err := checkFolder(f.dir); err != nil {
		return nil, err
	}
	if o.json, err = o.create("--json", f.json); err != nil {
		return nil, err
	}
	if o.junit, err = o.create("--junit", f.junit); err != nil {
		o.close()
		return nil, err
	}
	if f.json == "-" || f.junit == "-" {
		o.stdout = o.stderr
	}
	return o, nil
}

// checkFolder refuses a folder that could not be made because a file is in its
// way.
func checkFolder(dir string) error {
	for at := dir; at != ""; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("--out: %s cannot be a folder, for %s is a file", dir, at)
		case err == nil || at == filepath.Dir(at):
			return nil
		}
	}
	return nil
}

// create opens a file without changing what is in it: until there is a result to
// write, an older one is worth more.
func (o *output) create(flag, path string) (io.Writer, error) {
	switch path {
	case "":
		return nil, nil
	case "-":
		return o.stdout, nil
	}
	return o.files.Create(flag, path)
}

// close takes back the files that nothing was written to.
func (o *output) close() { _ = o.files.Close() }

// finish keeps the run folders, prints the parts of a run, writes what was asked
// for, and returns the verdict as an error. What can be told is told before an
// error ends it.
func (o *output) finish(summaries []*harness.Summary) error {
	var parts []report.Part
	var errs []error
	interrupted := false
	for _, s := range summaries {
		part := report.Part{Summary: s}
		if r := keepWorthy(s); r != nil {
			folder, err := o.keep(r)
			errs = append(errs, err)
			if err == nil {
				part.Folders = map[uint64]string{r.Scenario.Seed: folder.Dir}
			}
		}
		parts = append(parts, part)
		interrupted = interrupted || s.Interrupted
	}
	errs = append(errs, report.Terminal(o.stdout, o.terminal(), parts...))
	for _, p := range parts {
		for _, dir := range p.Folders {
			fmt.Fprintf(o.stdout, "\n%s\n", filepath.Join(dir, report.ReportFile))
		}
	}
	if err := errors.Join(append(errs, o.write(parts))...); err != nil {
		return err
	}
	worst := report.Worst(parts...)
	if interrupted && worst == linearizability.OK {
		worst = linearizability.Unknown
	}
	return conclude(worst)
}

// keepWorthy is the run of a summary whose folder is written: the first failure
// or, without one, the first seed.
func keepWorthy(s *harness.Summary) *harness.Result {
	if len(s.Failures) > 0 {
		return s.Failures[0]
	}
	return s.Sample
}

// keep writes a run folder. A folder that holds another run is left alone, and
// the next free name is taken.
func (o *output) keep(r *harness.Result) (report.Folder, error) {
	dir := o.flags.dir
	if dir == "" {
		s := r.Scenario
		dir = filepath.Join("runs", s.Subject+"-"+s.Backend+"-"+strconv.FormatUint(s.Seed, 10)+o.suffix)
	}
	for n := 1; ; n++ {
		name := dir
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		folder, err := report.WriteFolder(name, r)
		if err == nil || !errors.Is(err, report.ErrOtherRun) || n == 1000 {
			return folder, err
		}
	}
}

func (o *output) write(parts []report.Part) error {
	var errs []error
	if o.json != nil {
		errs = append(errs, report.JSON(o.json, parts...))
	}
	if o.junit != nil {
		errs = append(errs, report.JUnit(o.junit, parts...))
	}
	return errors.Join(append(errs, o.files.Close())...)
}

// terminal looks at what the results are written to.
func (o *output) terminal() report.TerminalOptions {
	f, ok := o.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return report.TerminalOptions{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 0
	}
	return report.TerminalOptions{Color: os.Getenv("NO_COLOR") == "", Width: width}
}

// bar shows progress on a terminal; elsewhere nothing.
type bar struct {
	mu       sync.Mutex
	progress *mpb.Progress // nil: not a terminal
	bar      *mpb.Bar
	failed   int
	total    int64
}

func (o *output) progress(what string, total int64) *bar {
	f, ok := o.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	b := &bar{progress: mpb.New(mpb.WithOutput(f), mpb.WithWidth(48)), total: total}
	b.bar = b.progress.AddBar(total, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d/%d"), decor.Any(func(decor.Statistics) string { return b.note() })))
	return b
}

func (b *bar) note() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == 0 {
		return ""
	}
	return fmt.Sprintf(", %d failed", b.failed)
}

func (b *bar) set(done int64, failed int) {
	if b.progress == nil {
		return
	}
	b.mu.Lock()
	b.failed = failed
	b.mu.Unlock()
	b.bar.SetCurrent(done)
}

// tick moves the bar once a second, for runs that take the time they take. The
// goroutine ends when stop is called.
func (b *bar) tick(ctx context.Context) (stop func()) {
	if b.progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for n := int64(1); ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				b.bar.SetCurrent(min(n, b.total-1))
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// done takes the bar off the screen.
func (b *bar) done() {
	if b.progress == nil {
		return
	}
	b.bar.Abort(true)
	b.progress.Wait()
}
