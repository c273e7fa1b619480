// Command mutants makes mutants of the packages on which every verdict rests,
// runs the simulator and the unit tests against each, and writes how many were
// caught and what is to be said of every one that was not.
//
//	go run ./internal/mutants [-pkg lock] [-jobs 2] [-out results]
//
// It exits with 1 if one survived for which explained.txt has no word. What was
// found is kept in .mutants, so that a run that was interrupted goes on
// where it was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// errSurvivors: all went well and mutants survived.
var errSurvivors = errors.New("mutants survived that explained.txt does not explain")

// options are the flags.
type options struct {
	pkg   string
	jobs  int
	out   string
	work  string
	match string
	all   bool
	// testsFirst looks for survivors faster, and tells less of the simulator.
	testsFirst bool
	seeds      int // in place of each part's own
}

func main() {
	var o options
	flag.StringVar(&o.pkg, "pkg", "", "only this part: "+strings.Join(names(), ", "))
	flag.StringVar(&o.match, "match", "", "only mutants whose name contains this; writes no result")
	flag.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "how many mutants are judged at a time")
	flag.StringVar(&o.out, "out", "results", "where mutation.md and mutation.json are written")
	flag.StringVar(&o.work, "work", ".mutants", "where binaries and what was found are kept")
	flag.BoolVar(&o.all, "all", false, "run every mutant, also of the parts of which a sample is run")
	flag.BoolVar(&o.testsFirst, "tests-first", false, "ask the unit tests first everywhere: finds what survives both sooner; writes no result")
	flag.IntVar(&o.seeds, "seeds", 0, "sweep so many seeds, in place of each part's own number; writes no result")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errSurvivors):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(3)
	}
}

// part is a package, or some files of it, with what is run against its mutants.
type part struct {
	name  string
	pkg   string
	files func(name string) bool
	// units are the packages whose tests are run, but for those that skip names.
	units []string
	skip  *regexp.Regexp
	// sweepFirst: the simulator is asked before the tests. The other way round
	// where a sweep is the slower of the two.
	sweepFirst bool
	seeds      int
	// known: the locks that are known to be broken are swept too.
	known bool
	// oneIn: of so many mutants one is run, chosen by its name.
	oneIn int
}

func parts() []part {
	all := func(string) bool { return true }
	begins := func(prefixes ...string) func(string) bool {
		return func(name string) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		}
	}
	return []part{
		{
			name: "lock", pkg: "./lock", units: []string{"./lock"}, seeds: 2000, sweepFirst: true, oneIn: 1,
			// mutant.go breaks rules on purpose; it is no part of the lock.
			files: func(name string) bool { return name != "lock/mutant.go" },
		},
		{name: "linearizability", pkg: "./linearizability", files: all, units: []string{"./linearizability"}, seeds: 50, known: true, oneIn: 4},
		{
			name: "harness", pkg: "./harness", units: []string{"./harness"}, seeds: 50, known: true, oneIn: 2,
			// What a run is recorded by.
			files: begins("harness/belief", "harness/calls", "harness/client", "harness/recorder", "harness/requests", "harness/workload"),
			// On a real machine two runs differ, and what they show of a mutant with them.
			skip: regexp.MustCompile("Hardship|Child|NATS|TheReferenceOn|ALiveRun|Stalls|Interrupted|OneScenarioIsOneRun|ExampleRun"),
		},
		{
			name: "sim", pkg: "./sim", units: []string{"./sim"}, seeds: 50, known: true, oneIn: 1,
			files: begins("sim/store"),
		},
	}
}

func names() []string {
	var all []string
	for _, p := range parts() {
		all = append(all, p.name)
	}
	return all
}

func run(ctx context.Context, o options) error {
	if o.pkg != "" && !slices.Contains(names(), o.pkg) {
		return fmt.Errorf("there is no part %q; there are %s", o.pkg, strings.Join(names(), ", "))
	}
	if err := os.MkdirAll(o.work, 0o755); err != nil {
		return err
	}
	alone := flock.New(filepath.Join(o.work, "running"))
	switch ok, err := alone.TryLock(); {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("another run is using %s; its binaries would be mixed with ours", o.work)
	}
	defer func() { _ = alone.Unlock() }() // ends with the process in any case
	explained, err := readExplained("internal/mutants/explained.txt")
	if err != nil {
		return err
	}
	made, err := handMade(ctx, o)
	if err != nil {
		return err
	}
	rep := &report{HandMade: made.rows()}
	for _, p := range parts() {
		if o.pkg != "" && o.pkg != p.name {
			continue
		}
		p.sweepFirst = p.sweepFirst && !o.testsFirst
		if o.seeds > 0 {
			p.seeds = o.seeds
		}
		found, err := runPart(ctx, o, p, made.budgets)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		rep.add(p, found)
	}
	rep.explain(explained)
	rep.print(os.Stdout)
	if o.match == "" && !o.testsFirst && o.seeds == 0 {
		if err := rep.write(o.out); err != nil {
			return err
		}
	}
	if rep.Unexplained > 0 || len(rep.Stale) > 0 {
		return errSurvivors
	}
	return nil
}
