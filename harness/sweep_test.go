package harness

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

func TestTheReferencePassesAllFaults(t *testing.T) {
	first := firstSeed(t)
	s := sweep(t, Sweep{Subject: subjects.Reference(), Base: scenario(t, subjects.ReferenceName, "all"), First: first, Seeds: max(enoughSeeds, many(400, 50)), Workers: 2})
	if s.Verdict != linearizability.OK {
		for _, p := range s.Properties {
			t.Logf("%s: %s: %s", p.Name, p.Verdict, p.Detail)
		}
		for _, f := range s.Failures {
			t.Log(pasteLine(f.Scenario))
		}
		t.Fatalf("the verdict is %s (%s) with %d of %d seeds failed", s.Verdict, s.Vacuous, s.Failed, s.Seeds)
	}
	c := s.Coverage
	for _, went := range []struct {
		through string
		count   int64
	}{
		{"grants", int64(c.Grants)}, {"contended", int64(c.Contended)}, {"failed", int64(c.Failed)}, {"renews", int64(c.Renews)},
		{"releases", int64(c.Releases)}, {"expired", int64(c.Expired)}, {"lost", int64(c.Lost)}, {"takeovers", int64(c.Takeovers)},
		{"hand-offs", int64(c.Handoffs)}, {"indefinite", int64(c.Indefinite)}, {"crashes", int64(c.Crashes)},
		{"accesses", int64(c.Accesses)}, {"rejected", int64(c.Rejected)}, {"unanswered", s.Counters.Indefinite},
		{"failovers", int64(len(c.Failover))},
	} {
		if went.count < int64(s.Seeds)/20 {
			t.Errorf("%s: %d in %d seeds: the sweep proves little", went.through, went.count, s.Seeds)
		}
	}
	// Every property of which something is promised was judged at least once.
	for _, p := range s.Properties {
		if p.Verdict == linearizability.NotApplicable && !strings.HasPrefix(p.Detail, "not promised") {
			t.Errorf("%s does not apply: %s", p.Name, p.Detail)
		}
	}
}

// caught sweeps a subject until one seed breaks what it is said to break, and
// returns that seed's number.
func caught(t testing.TB, subject subjects.Subject, first uint64, most int) (after int, r *Result) {
	t.Helper()
	for after < most {
		s := sweep(t, Sweep{Base: scenario(t, subject.Name, "all"), First: first + uint64(after), Seeds: most - after, StopAfter: 1})
		after += s.Seeds
		for _, f := range s.Failures {
			if p, ok := f.Verdict.Property(subject.Breaks); ok && p.Verdict == linearizability.Violation {
				return after, f
			}
		}
	}
	return 0, nil
}

func TestEveryBrokenLockIsCaughtByTheChecker(t *testing.T) {
	if underRace {
		t.Skip("takes hundreds of simulations, in which there can be no data race; run it without -race")
	}
	first := firstSeed(t)
	for _, subject := range subjects.All() {
		if subject.Breaks == "" {
			continue
		}
		t.Run(subject.Name, func(t *testing.T) {
			t.Parallel()
			after, r := caught(t, subject, first, 1000)
			if r == nil {
				t.Fatalf("no violation of %s in 1000 seeds from %d", subject.Breaks, first)
			}
			// Nothing but the history tells: judged again without its name, it fails again.
			v := linearizability.Check(t.Context(), r.Params, r.History)
			p, _ := v.Property(subject.Breaks)
			if p.Verdict != linearizability.Violation || len(p.Events) == 0 {
				t.Errorf("judged again: %s: %s, witness %v\n%s", p.Verdict, p.Detail, p.Events, pasteLine(r.Scenario))
			}
			t.Logf("after %d seeds: %s", after, p.Detail)
		})
	}
}

func TestClocksBeyondTheAssumptionBreakBeliefsAndFencingHolds(t *testing.T) {
	first := firstSeed(t)
	s := sweep(t, Sweep{
		Base: scenario(t, subjects.ReferenceName, "clock-rate"), First: first, Seeds: max(20, many(300, 10)), ClockRatePPM: 50_000, Workers: 2,
	})
	if p := s.property(t, linearizability.MutualExclusion); p.Verdict != linearizability.Violation {
		t.Errorf("clocks that are wrong by 5%%: mutual-exclusion is %s: %s", p.Verdict, p.Detail)
	}
	if p := s.property(t, linearizability.ProtectedEffectFenced); p.Verdict != linearizability.OK {
		t.Errorf("clocks that are wrong by 5%%: protected-effect-fenced is %s: %s", p.Verdict, p.Detail)
	}
	for _, f := range s.Failures {
		for _, x := range f.Scenario.Plan {
			if x.Amount != 50_000 {
				t.Errorf("the plan has %s", x)
			}
		}
	}
}

func TestAStoreThatForgetsIsSaidToHaveBrokenItsContract(t *testing.T) {
	first := firstSeed(t)
	// Seed 2 is left to the long sweeps: whether there is an order of its answers
	// takes the checker its whole ten seconds.
	if os.Getenv(longVariable) == "" {
		first += 40
	}
	s := sweep(t, Sweep{Subject: subjects.Reference(), Base: scenario(t, subjects.ReferenceName, "lost-write"), First: first, Seeds: max(20, many(60, 10)), Workers: 2})
	if s.Verdict != linearizability.Violation || len(s.Failures) == 0 {
		t.Fatalf("the verdict is %s: a store that forgets writes breaks any lock", s.Verdict)
	}
	for _, f := range s.Failures {
		if !f.Verdict.StoreContractBroken || !f.Params.StoreContractBroken {
			t.Errorf("seed %d accuses the lock, not the store", f.Scenario.Seed)
		}
	}
	honest := sweep(t, Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: first, Seeds: 10})
	if honest.Sample.Verdict.StoreContractBroken {
		t.Error("the kinds of all do not break the store's contract, and it is said that they did")
	}
}

func TestASweepIsTheSameWhateverItsWorkers(t *testing.T) {
	first := firstSeed(t)
	for _, subject := range []string{subjects.ReferenceName, "natslock"} {
		var sums []*Summary
		// More workers than seeds: some find nothing left to do.
		for _, workers := range []int{1, 2, 7, 50} {
			sums = append(sums, sweep(t, Sweep{Base: quick(t, subject, "all"), First: first, Seeds: max(8, many(40, 1)), Workers: workers}))
		}
		for _, s := range sums[1:] {
			if s.HashOfHashes != sums[0].HashOfHashes {
				t.Errorf("%s: hash of hashes %016x and %016x", subject, sums[0].HashOfHashes, s.HashOfHashes)
			}
			for _, part := range [][2]any{
				{sums[0].Properties, s.Properties}, {sums[0].Counters, s.Counters}, {sums[0].Failed, s.Failed},
				{sums[0].Verdict, s.Verdict}, {sums[0].Sample.TraceHash, s.Sample.TraceHash}, {seedsOf(sums[0].Failures), seedsOf(s.Failures)},
			} {
				if diff := cmp.Diff(part[0], part[1], cmpopts.IgnoreFields(Counters{}, "Wall", "CoreTime")); diff != "" {
					t.Errorf("%s: other workers, another summary:\n%s", subject, diff)
				}
			}
			anyOrder := cmpopts.SortSlices(func(a, b time.Duration) bool { return a < b })
			if diff := cmp.Diff(sums[0].Coverage, s.Coverage, anyOrder); diff != "" {
				t.Errorf("%s: other workers, another coverage:\n%s", subject, diff)
			}
		}
	}
}

func seedsOf(results []*Result) []uint64 {
	var seeds []uint64
	for _, r := range results {
		seeds = append(seeds, r.Scenario.Seed)
	}
	return seeds
}

func TestASweepThatIsInterruptedTellsWhatWasDone(t *testing.T) {
	for name, cause := range map[string]error{"cancelled": nil, "by a signal": errors.New("interrupt signal received")} {
		for _, workers := range []int{1, 2} {
			ctx, cancel := context.WithCancelCause(t.Context())
			var once sync.Once
			s, err := Sweep{
				Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: 1, Seeds: 1 << 30, Workers: workers,
				Progress: func(done, _ int) {
					if done >= 5 {
						once.Do(func() { cancel(cause) })
					}
				},
			}.Run(ctx)
			cancel(nil)
			if err != nil {
				t.Errorf("%s: error %v", name, err)
				continue
			}
			if !s.Interrupted || s.Seeds < 5 || s.Seeds > 5+workers {
				t.Errorf("%s: interrupted %v after %d seeds", name, s.Interrupted, s.Seeds)
			}
			for _, p := range s.Properties {
				if p.Verdict == linearizability.Unknown {
					t.Errorf("%s: a run that was judged in part was counted: %s: %s", name, p.Name, p.Detail)
				}
			}
		}
	}
}

func TestASweepThatIsInterruptedAtOnceIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := Sweep{Subject: subjects.Reference(), Base: quick(t, subjects.ReferenceName, "all"), First: 1, Seeds: 10, Workers: 3}.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Interrupted || s.Seeds != 0 || s.Verdict != linearizability.Unknown || s.Sample != nil {
		t.Errorf("interrupted %v, %d seeds, verdict %s, sample %v", s.Interrupted, s.Seeds, s.Verdict, s.Sample)
	}
}

func TestASweepStopsAfterEnoughFailures(t *testing.T) {
	for _, stop := range []int{1, 3} {
		s := sweep(t, Sweep{Base: quick(t, "natslock", "all"), First: 1, Seeds: 1000, StopAfter: stop})
		if s.Failed != stop || len(s.Failures) != stop || s.Seeds == 1000 || s.Interrupted {
			t.Errorf("StopAfter %d: %d failed, %d kept, %d seeds, interrupted %v", stop, s.Failed, len(s.Failures), s.Seeds, s.Interrupted)
		}
	}
	s := sweep(t, Sweep{Base: quick(t, "natslock", "all"), First: 1, Seeds: 30, Workers: 2})
	if len(s.Failures) != keptFailures || s.Failed <= keptFailures {
		t.Errorf("%d of %d failures were kept, want %d", len(s.Failures), s.Failed, keptFailures)
	}
	if !slices.IsSorted(seedsOf(s.Failures)) {
		t.Errorf("failures out of order: %v", seedsOf(s.Failures))
	}
}

func TestASweepWithAFixedPlanKeepsIt(t *testing.T) {
	b := draw(t, quick(t, subjects.ReferenceName, "partition,crash"), 7)
	s := sweep(t, Sweep{Base: b, First: 100, Seeds: 3, FixedPlan: true})
	if diff := cmp.Diff(b.Plan, s.Sample.Scenario.Plan); diff != "" {
		t.Errorf("the plan changed:\n%s", diff)
	}
	if s.Sample.Scenario.Seed != 100 {
		t.Errorf("the first seed was %d", s.Sample.Scenario.Seed)
	}
}

func TestASweepRefusesWhatCannotRun(t *testing.T) {
	b := quick(t, subjects.ReferenceName, "all")
	b.Clients = 0
	for name, s := range map[string]Sweep{
		"clients":     {Base: b, Seeds: 10, Workers: 2},
		"fixed plan":  {Base: func() Scenario { s := quick(t, "natslock", "all"); s.Plan = fault.Plan{{Kind: "flood"}}; return s }(), Seeds: 2, FixedPlan: true},
		"no subject":  {Base: quick(t, "nobody", "all"), Seeds: 1},
		"other world": {Base: func() Scenario { s := quick(t, "reference", "pause"); s.Backend = "memory"; return s }(), Seeds: 1},
	} {
		if got, err := s.Run(t.Context()); err == nil {
			t.Errorf("%s: ran, verdict %s", name, got.Verdict)
		}
	}
}
