// Command peers measures the reference lock and the lock libraries of others on
// the same servers, turn by turn, and writes a result of lockbench:
//
//	GOWORK=off go run -C cmd/internal/bench/peers . [flags]
//
// It is a module of its own, so that users of the lock do not get what the
// peers depend on. Progress goes to standard error if that is a terminal.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/etcdpeer"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/kubepeer"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/natspeer"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/redispeer"
)

// Exit codes, those of lockbench.
const (
	exitOK          = 0
	exitInterrupted = 2
	exitCannot      = 3
)

// kind is a server that can be started.
type kind struct {
	name  string
	start func(ctx context.Context, ttl time.Duration) (*arena.Server, error)
}

func kinds() []kind {
	return []kind{{"nats", natspeer.Arena}, {"etcd", etcdpeer.Arena}, {"redis", redispeer.Arena}, {"kubernetes", kubepeer.Arena}}
}

// settings are the command's flags.
type settings struct {
	servers  string
	file     string
	ttl      time.Duration
	quiet    bool
	required bool
	options  arena.Options
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// parse reads the flags.
func parse(args []string, errors io.Writer) (settings, error) {
	var s settings
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(errors)
	flags.StringVar(&s.servers, "servers", strings.Join(names, ","), "the servers to compare on, separated by commas")
	flags.StringVar(&s.file, "json", "-", "the `file` of the result; - is standard output")
	flags.DurationVar(&s.ttl, "ttl", 3*time.Second, "the lease of the contenders with the same settings: whole seconds, at least 2")
	flags.BoolVar(&s.quiet, "quiet", false, "no progress on standard error")
	flags.BoolVar(&s.required, "all", false, "fail if one of the servers cannot be had, instead of going on without it")
	flags.IntVar(&s.options.Rounds, "rounds", 10, "rounds, in each of which every contender has its turns")
	flags.IntVar(&s.options.Operations, "operations", 20, "free locks that a contender takes in a round")
	flags.IntVar(&s.options.HandOffs, "handoffs", 8, "hand-offs that a contender has in a round")
	flags.DurationVar(&s.options.HandOffTime, "handoff-time", time.Second, "how long a contender has for its hand-offs in a round")
	flags.IntVar(&s.options.Failovers, "failovers", 12, "holders of each contender that are crashed")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is no flag; there are no other arguments", flags.Arg(0))
	}
	return s, s.validate()
}

func (s settings) validate() error {
	if s.ttl < 2*time.Second || s.ttl > time.Minute || s.ttl%time.Second != 0 {
		return fmt.Errorf("-ttl %s must be whole seconds, from 2 to 60: etcd and Kubernetes have no others", s.ttl)
	}
	o := s.options
	if o.Rounds < 1 || o.Operations < 1 || o.HandOffs < 1 || o.Failovers < 1 || o.HandOffTime <= 0 {
		return fmt.Errorf("-rounds, -operations, -handoffs, -handoff-time and -failovers must be above 0")
	}
	_, err := s.kinds()
	return err
}

// kinds are the servers that were asked for.
func (s settings) kinds() ([]kind, error) {
	var chosen []kind
	for name := range strings.SplitSeq(s.servers, ",") {
		found := false
		for _, k := range kinds() {
			if k.name == strings.TrimSpace(name) {
				chosen, found = append(chosen, k), true
			}
		}
		if !found {
			return nil, fmt.Errorf("-servers %q: there is no server %q", s.servers, name)
		}
	}
	return chosen, nil
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	s, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err == nil {
		var chosen []kind
		if chosen, err = s.kinds(); err == nil {
			result, measureErr := measure(ctx, s, chosen, strings.Join(args, " "), progress(s, errs))
			if err = write(result, s.file, out); err == nil {
				err = measureErr
			}
		}
	}
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		_, _ = fmt.Fprintln(errs, "interrupted; the result holds what was measured until then")
		return exitInterrupted
	}
	_, _ = fmt.Fprintln(errs, "peers:", err)
	return exitCannot
}

// progress returns what prints a line over the last one, on a terminal.
func progress(s settings, errs io.Writer) func(string) {
	file, ok := errs.(*os.File)
	if !ok || s.quiet {
		return func(string) {}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(string) {}
	}
	return func(line string) { _, _ = fmt.Fprintf(file, "\r\x1b[K%s", line) }
}

// measure goes through the servers. A server that is not installed is a note,
// unless all are required; what is measured before an error is in the result.
func measure(ctx context.Context, s settings, chosen []kind, args string, show func(string)) (*bench.Result, error) {
	result := bench.Here(bench.Compare)
	result.Command = strings.TrimSpace("GOWORK=off go run -C cmd/internal/bench/peers . " + args)
	result.Notes = []string{"all clients run in one process, on the machine of the servers; a crash closes the client's connections for good"}
	o := s.options
	o.Progress = show
	defer show("")
	for _, k := range chosen {
		show(k.name + ": starting")
		server, err := k.start(ctx, s.ttl)
		var missing interface{ Missing() bool }
		if errors.As(err, &missing) && missing.Missing() && !s.required {
			result.Notes = append(result.Notes, fmt.Sprintf("not measured on %s: %v", k.name, err))
			continue
		}
		if err != nil {
			result.Incomplete = true
			return result, err
		}
		result.Notes = append(append(result.Notes, k.name+": "+server.Describe), server.Notes...)
		cells, err := arena.Measure(ctx, server, o)
		result.Cells = append(result.Cells, cells...)
		if err := errors.Join(err, server.Stop()); err != nil {
			result.Incomplete = true
			result.Notes = append(result.Notes, "ended early: "+err.Error())
			return result, err
		}
	}
	return result, nil
}

// write writes the result, if there is anything in it.
func write(result *bench.Result, file string, out io.Writer) error {
	if err := result.Validate(); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := result.Write(&text); err != nil {
		return err
	}
	if file == "-" {
		_, err := out.Write(text.Bytes())
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}
