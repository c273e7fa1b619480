package harness

import (
	"context"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// judged is a run of that seed with that verdict on lock-linearizability.
func judged(seed uint64, v linearizability.Status) *Result {
	p := linearizability.Property{Name: linearizability.LockLinearizability, Verdict: v, Detail: "as the test says"}
	return &Result{Scenario: Scenario{Seed: seed, Backend: BackendSim}, Coverage: linearizability.Coverage{Grants: 1},
		Verdict: linearizability.Verdict{Verdict: v, Properties: []linearizability.Property{p}}}
}

func TestASweepKeepsTheRunsThatNobodyCouldJudge(t *testing.T) {
	parts := []*partial{{hashes: map[int]uint64{}}, {hashes: map[int]uint64{}}}
	for n := range 40 {
		v := linearizability.OK
		switch {
		case n%10 == 3:
			v = linearizability.Violation
		case n%4 == 1 && n > 4:
			v = linearizability.Unknown
		}
		parts[n%2].add(n, judged(uint64(100+n), v))
	}
	s := merge(Scenario{Backend: BackendSim}, parts)
	if got, want := seedsOf(s.Failures), []uint64{103, 113, 123, 133}; !cmp.Equal(got, want) || s.Failed != 4 {
		t.Errorf("%d failures, kept %v, want %v", s.Failed, got, want)
	}
	if got, want := seedsOf(s.Undecided), []uint64{105, 109, 117, 121, 125}; !cmp.Equal(got, want) || s.UndecidedCount != 7 {
		t.Errorf("%d undecided, kept %v, want %v", s.UndecidedCount, got, want)
	}
	if one := Summarize(judged(7, linearizability.Unknown)); len(one.Undecided) != 1 || one.UndecidedCount != 1 {
		t.Errorf("one run: %d undecided", one.UndecidedCount)
	}
}

func TestWhatIsInterruptedIsNeverOk(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: 1, Seeds: 1000, Progress: func(done, _ int) {
		if done == enoughSeeds+1 {
			cancel()
		}
	}}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Interrupted || s.Verdict != linearizability.Unknown || s.Vacuous != "" || s.Wanted != 1000 {
		t.Errorf("interrupted %v after %d of %d: %s, vacuous %q", s.Interrupted, s.Seeds, s.Wanted, s.Verdict, s.Vacuous)
	}
	ctx, cancel = contextThatEndsAfter(t, 3)
	defer cancel()
	long := scenario(t, subjects.ReferenceName, "all")
	long.Duration = Duration(10 * time.Hour)
	r, err := Run(ctx, subjects.Reference(), draw(t, long, 1))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Verdict.Verdict != linearizability.Unknown {
		t.Errorf("interrupted %v: %s", r.Interrupted, r.Verdict.Verdict)
	}
	if s := Summarize(r); s.Verdict != linearizability.Unknown {
		t.Errorf("its summary: %s", s.Verdict)
	}
}

// Two workers that share a core take no more time together than has passed.
func TestWorkersThatWaitForEachOtherAreNotCountedTwice(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	began := time.Now()
	s := sweep(t, Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: 1, Seeds: many(100, 1), Workers: 4})
	passed := time.Since(began)
	if s.Counters.Wall > passed || s.Counters.Wall <= 0 {
		t.Errorf("it took %s, and %s are said to have passed", passed, s.Counters.Wall)
	}
	if s.Counters.CoreTime <= 0 {
		t.Errorf("processor time %s", s.Counters.CoreTime)
	}
	for _, r := range append(s.Failures, s.Sample) {
		if r.Counters.CoreTime != 0 {
			t.Error("the processor time of the whole process is not that of one run among others")
		}
	}
}

func TestABudgetEndsBetweenRoundsAndEachTurnGetsItsShare(t *testing.T) {
	var turns []Scenario
	for _, words := range []string{"all", "clock", "none"} {
		turns = append(turns, quick(t, subjects.ReferenceName, words))
	}
	for _, workers := range []int{1, 4} {
		asked := 0
		s := sweep(t, Sweep{Base: turns[0], Turns: turns, First: 10, Workers: workers, over: func() bool { asked++; return asked == 3 }})
		if s.Seeds != 9 || s.Interrupted || s.Wanted != 0 {
			t.Errorf("%d workers: %d seeds, interrupted %v, wanted %d", workers, s.Seeds, s.Interrupted, s.Wanted)
		}
		if len(s.Groups) != 3 || len(s.Groups[2]) != 0 {
			t.Errorf("%d groups", len(s.Groups))
		}
		// The same number of seeds without a clock is the same sweep.
		again := sweep(t, Sweep{Base: turns[0], Turns: turns, First: 10, Seeds: 9})
		if again.HashOfHashes != s.HashOfHashes || again.Verdict != s.Verdict {
			t.Errorf("nine seeds: %016x %s; until time was over: %016x %s", again.HashOfHashes, again.Verdict, s.HashOfHashes, s.Verdict)
		}
	}
	sw := Sweep{Subject: subjects.Reference(), Base: turns[0], Turns: turns, First: 10}
	for n, words := range []string{"all", "clock", "none", "all"} {
		s, err := sw.draw(n)
		want, _ := fault.ParseKinds(words)
		if err != nil || !cmp.Equal(s.Kinds, want) && len(want) > 0 || s.Seed != uint64(10+n) {
			t.Errorf("turn %d: seed %d with %v, %v", n, s.Seed, s.Kinds, err)
		}
	}
}

func TestABudgetThatIsTooSmallRunsOneRound(t *testing.T) {
	s := sweep(t, Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: 1, Budget: time.Nanosecond, Workers: 2})
	if s.Seeds < 1 || s.Seeds > 2 || s.Interrupted || s.Verdict != linearizability.OK {
		t.Errorf("%d seeds, interrupted %v, verdict %s", s.Seeds, s.Interrupted, s.Verdict)
	}
}

func TestABudgetThatIsInterruptedSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: 1, Budget: time.Hour, Progress: func(done, _ int) {
		if done == 5 {
			cancel()
		}
	}}.Run(ctx)
	if err != nil || !s.Interrupted || s.Verdict != linearizability.Unknown {
		t.Errorf("%v, %+v", err, s)
	}
}

func TestASweepRefusesBeforeItWorks(t *testing.T) {
	many := scenario(t, subjects.ReferenceName, "all")
	many.Clients, many.Duration = 1_000_000, Duration(720*time.Hour)
	many.Plan = nil
	for name, c := range map[string]struct {
		sw   Sweep
		want string
	}{
		"more clients than there may be": {Sweep{Subject: subjects.Reference(), Base: many, First: 1, Seeds: 1}, "clients 1000000"},
		"seeds beyond the last one":      {Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: math.MaxUint64 - 3, Seeds: 5}, "largest seed"},
		"no seeds":                       {Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: 1}, "seeds 0"},
	} {
		if _, err := c.sw.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	last := Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: math.MaxUint64 - 1, Seeds: 2}
	if s := sweep(t, last); s.Seeds != 2 {
		t.Errorf("the last two seeds: %d were run", s.Seeds)
	}
}
