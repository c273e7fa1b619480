// Package locktest tries a lock in a go test: in a deterministic world, under clock
// faults, partitions, latency, pauses, crashes and lost replies.
//
//	func TestMyLock(t *testing.T) {
//		locktest.Run(t, subjects.Subject{Name: "mylock", New: newMyLock, Promises: myPromises})
//	}
//
// The lock is a type that is written against subjects.Env. Run sweeps seeds, once
// with all faults and once with each group of them alone, as sub-tests. A seed that
// breaks what the lock promises is made small, and fails the test with the property,
// the smallest run, what its clients asked of the store, and a line to paste that
// runs it again.
//
// A test that passes has seen no violation in the seeds that it ran, which is no
// proof. A sweep in which nothing worth seeing happened fails, and so does one that
// could not be judged.
//
// Flags of the test binary:
//
//	-locktest.seed=S     run this seed alone
//	-locktest.seeds=N    number of seeds of each sub-test
//	-locktest.budget=D   in the place of a number of seeds, a time for each sub-test
//
// Nothing here needs a server or a network, and no SDK is linked.
package locktest

import (
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/report"
	"github.com/lockproof/lockproof/subjects"
)

// Seeds of a sub-test where nobody says how many. With -short a tenth.
const defaultSeeds = 200

var (
	onlySeed   = flag.Uint64("locktest.seed", 0, "run this seed alone; 0: all")
	seedsFlag  = flag.Int("locktest.seeds", 0, "number of seeds of each sub-test, in the place of what the test says")
	budgetFlag = flag.Duration("locktest.budget", 0, "time for each sub-test, in the place of a number of seeds")
)

// Option alters what Run does.
type Option func(*settings)

type settings struct {
	seeds  int
	budget time.Duration
	words  []string
	change []func(*harness.Scenario)
}

// Seeds is the number of seeds of each sub-test. Default 200; with -short a tenth
// of it, at least 20.
func Seeds(n int) Option { return func(s *settings) { s.seeds, s.budget = n, 0 } }

// Budget is the time for each sub-test, in the place of a number of seeds. How many
// seeds are run then depends on the machine, and nothing else does.
func Budget(d time.Duration) Option { return func(s *settings) { s.seeds, s.budget = 0, d } }

// Faults chooses the kinds of faults, as fault.ParseKinds takes them: "all", "none",
// groups such as "clock", kinds such as "lose-reply". Each word is a sub-test.
// Default: none, all, and each group.
func Faults(words ...string) Option { return func(s *settings) { s.words = words } }

// Scenario changes the scenario from which the runs are drawn: the number of
// clients, the lease, the workload. What it leaves zero gets its default
// afterwards; a Workload that it touches it has to fill.
func Scenario(change func(*harness.Scenario)) Option {
	return func(s *settings) { s.change = append(s.change, change) }
}

func defaults() *settings {
	s := &settings{seeds: defaultSeeds, words: []string{"none", "all"}}
	for _, g := range fault.Groups() {
		s.words = append(s.words, string(g))
	}
	return s
}

// Run tries a lock. Each word of Faults is a sub-test of t.
func Run(t *testing.T, subject subjects.Subject, options ...Option) {
	t.Helper()
	s := defaults()
	for _, o := range options {
		o(s)
	}
	for _, word := range s.words {
		t.Run(word, func(t *testing.T) { s.sweep(t, subject, word) })
	}
}

// base is what a sub-test's runs are drawn from.
func (s *settings) base(t *testing.T, subject subjects.Subject, word string) harness.Scenario {
	t.Helper()
	kinds, err := fault.ParseKinds(word)
	if err != nil {
		t.Fatal(err)
	}
	base := harness.Scenario{Subject: subject.Name, Kinds: kinds}
	for _, change := range s.change {
		change(&base)
	}
	return base.WithDefaults()
}

// amount is how much a sub-test runs.
func (s *settings) amount() (first uint64, seeds int, budget time.Duration) {
	switch {
	case *onlySeed != 0:
		return *onlySeed, 1, 0
	case *seedsFlag > 0:
		return 1, *seedsFlag, 0
	case *budgetFlag > 0:
		return 1, 0, *budgetFlag
	case s.budget > 0:
		return 1, 0, s.budget
	case testing.Short():
		return 1, max(min(s.seeds, 20), s.seeds/10), 0
	}
	return 1, s.seeds, 0
}

func (s *settings) sweep(t *testing.T, subject subjects.Subject, word string) {
	first, seeds, budget := s.amount()
	sum, err := harness.Sweep{
		Subject: subject, Base: s.base(t, subject, word), First: first, Seeds: seeds, Budget: budget,
		Workers: runtime.GOMAXPROCS(0), StopAfter: 1,
	}.Run(t.Context())
	switch {
	case err != nil:
		t.Fatal(err)
	case len(sum.Failures) > 0:
		fail(t, subject, sum.Failures[0])
	case sum.Verdict == linearizability.Unknown && sum.Vacuous != "" && *onlySeed == 0:
		t.Errorf("%d seeds prove nothing: %s", sum.Seeds, sum.Vacuous)
	case len(sum.Undecided) > 0:
		r := sum.Undecided[0]
		t.Errorf("seed %d could not be judged: %s\nagain: %s", r.Scenario.Seed, undecided(r), again(t, r.Scenario.Seed))
	case sum.Interrupted:
		t.Errorf("interrupted after %d seeds", sum.Seeds)
	default:
		t.Logf("%d seeds, %s of virtual time, %d grants, %d takeovers: no promise was broken",
			sum.Seeds, sum.Counters.Virtual.Round(time.Second), sum.Coverage.Grants, sum.Coverage.Takeovers)
	}
}

func undecided(r *harness.Result) string {
	for _, p := range r.Verdict.Properties {
		if p.Verdict == linearizability.Unknown && !p.Informational {
			return p.Name + ": " + p.Detail
		}
	}
	return r.Verdict.Malformed
}

// fail tells of a failing run as a bug report does.
func fail(t *testing.T, subject subjects.Subject, r *harness.Result) {
	t.Helper()
	seed := r.Scenario.Seed
	small, err := harness.Shrink(t.Context(), subject, r)
	if small == nil {
		small = r
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", broken(r))
	if err != nil {
		fmt.Fprintf(&b, "it could not be made smaller: %v\n", err)
	}
	fmt.Fprintf(&b, "\nthe smallest run that fails in the same way: %s, %s, %s\n", plain.Counted(int64(small.Scenario.Clients), "client"),
		plain.Counted(int64(len(small.Scenario.Plan)), "fault"), small.Scenario.Duration)
	for _, f := range small.Scenario.Plan {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	fmt.Fprintf(&b, "  %s\n", broken(small))
	if shown, err := harness.Explain(t.Context(), subject, small.Scenario); err == nil && len(shown.Steps) > 0 {
		b.WriteString("\nwhat its clients asked of the store:\n")
		for _, step := range shown.Steps {
			fmt.Fprintf(&b, "  %s\n", step)
		}
	}
	fmt.Fprintf(&b, "\nagain:  %s\n", again(t, seed))
	folder, err := report.WriteFolder(filepath.Join(t.ArtifactDir(), fmt.Sprintf("seed-%d", seed)), small)
	switch {
	case err != nil:
		fmt.Fprintf(&b, "report: %v\n", err)
	case folder.HasReport():
		fmt.Fprintf(&b, "report: %s (kept with go test -artifacts)\n", filepath.Join(folder.Dir, report.ReportFile))
	}
	t.Errorf("seed %d: %s", seed, b.String())
}

// broken is the property that counts, with its sentence.
func broken(r *harness.Result) string {
	i := slices.IndexFunc(r.Verdict.Properties, func(p linearizability.Property) bool {
		return p.Verdict == linearizability.Violation && !p.Informational
	})
	switch {
	case r.Stuck != "":
		return "it brought the simulation to a standstill:\n" + r.Stuck
	case i < 0:
		return r.Verdict.Malformed
	}
	return r.Verdict.Properties[i].Name + ": " + r.Verdict.Properties[i].Detail
}

// again is a line to paste in the package's folder.
func again(t *testing.T, seed uint64) string {
	var parts []string
	for _, part := range strings.Split(t.Name(), "/") {
		parts = append(parts, "^"+part+"$")
	}
	return fmt.Sprintf("go test -run '%s' -locktest.seed=%d .", strings.Join(parts, "/"), seed)
}
