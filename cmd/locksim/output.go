package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/lockproof/lockproof/cmd/internal/cli"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/resultfile"
	"github.com/lockproof/lockproof/report"
)

// outputFlags say where results go.
type outputFlags struct {
	dir   string
	json  string
	junit string
	html  string // of the first part
}

func (f *outputFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.dir, "out", "", "folder for the run (default runs/SUBJECT-BACKEND-SEED)")
	f.registerResults(fl)
}

// registerResults is for a command that makes no run folder.
func (f *outputFlags) registerResults(fl *pflag.FlagSet) {
	fl.StringVar(&f.json, "json", "", "write the result as JSON to this file, - for standard output")
	fl.StringVar(&f.junit, "junit", "", "write the result as JUnit XML to this file, - for standard output")
}

// output is where the results of one command go. Files are opened before
// anything is run, so that a long run does not end in "permission denied".
type output struct {
	flags  outputFlags
	stdout io.Writer // what people read
	stderr io.Writer
	sinks  []*sink
	files  resultfile.Set
	suffix string
}

// sink is where one machine-readable result goes.
type sink struct {
	flag   string
	render func(w io.Writer, errs []string, parts ...report.Part) error
	file   *resultfile.File // nil: standard output
	stdout io.Writer
	told   int // 1 + how many errors it tells of; 0: not written yet
	failed bool
}

func (f outputFlags) open(cmd *cobra.Command) (*output, error) {
	o := &output{flags: f, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
	if err := f.oneOnStdout(); err != nil {
		return nil, err
	}
	if err := checkFolder(f.dir); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		path string
		sink sink
	}{{f.json, sink{flag: "--json", render: report.JSON}}, {f.junit, sink{flag: "--junit", render: report.JUnit}}, {f.html, sink{flag: "--html", render: htmlOfFirst}}} {
		var err error
		switch s.path {
		case "":
			continue
		case "-":
			s.sink.stdout = cmd.OutOrStdout()
			o.stdout = o.stderr
		default:
			s.sink.file, err = o.files.Create(s.sink.flag, s.path)
		}
		if err != nil {
			o.close()
			return nil, err
		}
		o.sinks = append(o.sinks, &s.sink)
	}
	// What cannot be taken back is written when all else was.
	slices.SortStableFunc(o.sinks, func(a, b *sink) int { return cmp.Compare(a.firmness(), b.firmness()) })
	return o, nil
}

// oneOnStdout refuses two results in one stream.
func (f outputFlags) oneOnStdout() error {
	taken := ""
	for _, s := range []struct{ flag, path string }{{"--json", f.json}, {"--junit", f.junit}, {"--html", f.html}} {
		if s.path != "-" {
			continue
		}
		if taken != "" {
			return fmt.Errorf("%s and %s cannot both be written to standard output", taken, s.flag)
		}
		taken = s.flag
	}
	return nil
}

// htmlOfFirst renders the page of a command that judges one history.
func htmlOfFirst(w io.Writer, _ []string, parts ...report.Part) error {
	if len(parts) == 0 || parts[0].Result == nil {
		return errors.New("there is no history to show")
	}
	return report.HTML(w, parts[0].Result, report.HTMLOptions{})
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

// close takes back the files that nothing was written to.
func (o *output) close() { _ = o.files.Close() }

// finish keeps the run folders, prints the parts of a run, writes what was asked
// for, and returns the exit code as an error. Whatever fails is told on standard
// error and keeps nothing else from being written.
func (o *output) finish(parts []report.Part) error {
	var errs []string
	failed := func(err error) {
		if err != nil {
			errs = append(errs, oneLine(err))
		}
	}
	var folders []report.Folder
	for i := range parts {
		r := keepWorthy(parts[i].Summary)
		if r == nil {
			continue
		}
		folder, err := o.keep(r)
		failed(errors.Join(err, folder.Missing))
		if err == nil {
			parts[i].Folders = map[uint64]string{r.Scenario.Seed: folder.Source}
			folders = append(folders, folder)
		}
	}
	failed(o.tell(parts, folders))
	errs = o.write(errs, parts)
	failed(o.files.Close())
	for _, p := range parts {
		if p.NotRun != nil && !p.NotRun.Interrupted {
			fmt.Fprintf(o.stderr, "locksim: %s on %s could not be run: %s\n", p.NotRun.Subject, p.NotRun.Backend, oneLine(p.NotRun.Err))
		}
	}
	for _, e := range errs {
		fmt.Fprintln(o.stderr, "locksim:", e)
	}
	return ended(report.ExitCode(errs, parts...))
}

// tell prints what people read.
func (o *output) tell(parts []report.Part, folders []report.Folder) error {
	if err := report.Terminal(o.stdout, terminalOptions(o.stdout), parts...); err != nil {
		return err
	}
	for _, f := range folders {
		path := f.Dir
		if f.HasReport() {
			path = filepath.Join(f.Dir, report.ReportFile)
		}
		if _, err := fmt.Fprintf(o.stdout, "\n%s\n", path); err != nil {
			return err
		}
	}
	return nil
}

// write fills the sinks. One that fails is an error that the others tell of, so
// that a file which was written before that is written again.
func (o *output) write(errs []string, parts []report.Part) []string {
	for again := true; again; {
		again = false
		for _, s := range o.sinks {
			if s.failed || s.told == len(errs)+1 {
				continue
			}
			if s.told > 0 && s.firmness() > 0 {
				continue // it cannot be taken back
			}
			s.told = len(errs) + 1
			if err := s.put(errs, parts); err != nil {
				s.failed, again = true, true
				errs = append(errs, oneLine(err))
			}
		}
	}
	return errs
}

// firmness is how little can be done about what was written: a file can be
// written again, a pipe or standard output cannot.
func (s *sink) firmness() int {
	switch {
	case s.file == nil:
		return 2
	case !s.file.Regular():
		return 1
	}
	return 0
}

func (s *sink) put(errs []string, parts []report.Part) error {
	var b bytes.Buffer
	if err := s.render(&b, errs, parts...); err != nil {
		return fmt.Errorf("%s: %w", s.flag, err)
	}
	if s.file != nil {
		return s.file.Replace(b.Bytes())
	}
	if _, err := s.stdout.Write(b.Bytes()); err != nil {
		return fmt.Errorf("%s: %w", s.flag, err)
	}
	return nil
}

// keepWorthy is the run of a summary whose folder is written: the first failure
// or, without one, the first that could not be judged, else the first seed.
func keepWorthy(s *harness.Summary) *harness.Result {
	switch {
	case s == nil:
		return nil
	case len(s.Failures) > 0:
		return s.Failures[0]
	case len(s.Undecided) > 0:
		return s.Undecided[0]
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

// terminalOptions look at what is written to.
func terminalOptions(w io.Writer) report.TerminalOptions {
	f, ok := cli.Terminal(w)
	if !ok {
		return report.TerminalOptions{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 0
	}
	return report.TerminalOptions{Color: cli.Colors(), Width: width}
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
	f, ok := cli.Terminal(o.stderr)
	if !ok || cli.Dumb() {
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
