package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// TestEverySeedNamesItsWorld: the world of a seed is written into its scenario,
// and over the seeds every kind of world comes up about as often as it should.
func TestEverySeedNamesItsWorld(t *testing.T) {
	const seeds = 2000
	counts := map[string]int{}
	note := func(what string, yes bool) {
		if yes {
			counts[what]++
		}
	}
	for seed := range uint64(seeds) {
		s := draw(t, scenario(t, subjects.ReferenceName, "none"), seed)
		v := s.World
		if v == nil {
			t.Fatalf("seed %d names no world", seed)
		}
		if again := draw(t, scenario(t, subjects.ReferenceName, "none"), seed); *again.World != *v {
			t.Fatalf("seed %d: %+v and %+v", seed, *v, *again.World)
		}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		note("watch", v.Watch)
		note("current", v.ConflictReturnsCurrent)
		note("revisions", v.RevisionsPerKey)
		note("retry", v.Retry > 0)
		note("lag", v.WatchLag > 0)
		note("preempt", v.PreemptEvery > 0)
		note("all of them", v.Watch && v.ConflictReturnsCurrent && v.RevisionsPerKey && v.Retry > 0 && v.WatchLag > 0 && v.PreemptEvery > 0)
		note("none of them", *v == Variant{})
	}
	for what, parts := range map[string][2]int{
		"watch": {2, 3}, "current": {1, 2}, "revisions": {1, 2}, "retry": {1, 4}, "lag": {1, 6}, "preempt": {1, 3},
	} {
		if want := seeds * parts[0] / parts[1]; counts[what] < want*8/10 || counts[what] > want*12/10 {
			t.Errorf("%s: in %d of %d seeds, want about %d", what, counts[what], seeds, want)
		}
	}
	if counts["all of them"] == 0 || counts["none of them"] == 0 {
		t.Errorf("all together in %d seeds, none in %d", counts["all of them"], counts["none of them"])
	}
}

func TestAWorldThatIsNamedIsKept(t *testing.T) {
	s := quick(t, subjects.ReferenceName, "all")
	s.World = &Variant{Watch: true, WatchLag: Duration(time.Second)}
	for _, f := range []bool{false, true} {
		sw := sweep(t, Sweep{Base: s, First: 1, Seeds: 3, FixedPlan: f})
		if kept := *sw.Base.World == *s.World; kept != f {
			t.Errorf("with a fixed plan %v: the world is %+v, named was %+v", f, *sw.Base.World, *s.World)
		}
	}
	// A scenario without one, as a person writes it, has that of its seed.
	whole := draw(t, quick(t, subjects.ReferenceName, "all"), 3)
	short := whole
	short.World = nil
	a, b := simulated(t, whole), simulated(t, short)
	if a.TraceHash != b.TraceHash || b.Scenario.World == nil {
		t.Errorf("trace hashes %016x and %016x, world %v", a.TraceHash, b.TraceHash, b.Scenario.World)
	}
	if live := draw(t, Scenario{Backend: "memory"}.WithDefaults(), 1); live.World != nil {
		t.Errorf("a real world was drawn: %+v", *live.World)
	}
}

func TestWorldsThatCannotBeAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Scenario){
		"only a simulated one":                   func(s *Scenario) { s.Backend = "memory" },
		"sdk_retry -1ns":                         func(s *Scenario) { s.World.Retry = -1 },
		"sdk_retry 11s":                          func(s *Scenario) { s.World.Retry = Duration(11 * time.Second) },
		"watch_lag 11s":                          func(s *Scenario) { s.World.WatchLag = Duration(11 * time.Second) },
		"needs watch":                            func(s *Scenario) { s.World.Watch, s.World.WatchLag = false, 1 },
		"preempt_every -1":                       func(s *Scenario) { s.World.PreemptEvery = -1 },
		"may hold a mutex while it reads the cl": func(s *Scenario) { s.Subject, s.World.PreemptEvery = "natslock", 5 },
	} {
		s := scenario(t, subjects.ReferenceName, "none")
		s.World = &Variant{Watch: true}
		change(&s)
		if err := s.ValidateFor(lockOf(t, s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestTheWorldReachesTheSimulator(t *testing.T) {
	v := &Variant{Watch: true, ConflictReturnsCurrent: true, RevisionsPerKey: true, Retry: 1, WatchLag: 2, PreemptEvery: 3}
	want := sim.Config{PreemptEvery: 3, Store: sim.StoreConfig{
		Watch: true, ConflictReturnsCurrent: true, RevisionsPerKey: true, Retry: 1, WatchLag: 2}}
	if diff := cmp.Diff(want, v.config()); diff != "" {
		t.Error(diff)
	}
}

func TestAWorldIsMadePlainer(t *testing.T) {
	s := scenario(t, subjects.ReferenceName, "none")
	s.World = &Variant{Watch: true, ConflictReturnsCurrent: true, RevisionsPerKey: true, Retry: 1, WatchLag: 2, PreemptEvery: 3}
	before := *s.World
	var best Variant
	// It takes a store that watches, however late.
	simplerWorld(s, func(s Scenario) bool {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		if s.World.Watch {
			best = *s.World
		}
		return s.World.Watch
	})
	if want := (Variant{Watch: true}); best != want || *s.World != before {
		t.Errorf("came down to %+v from %+v", best, *s.World)
	}
}

// TestAnAimedPauseExcusesWhoWasPausedWhenItStruck: the plan does not say when.
func TestAnAimedPauseExcusesWhoWasPausedWhenItStruck(t *testing.T) {
	s := quick(t, subjects.ReferenceName, "none")
	s.World = &Variant{}
	s.Plan = fault.Plan{{Kind: fault.AimedPause, Target: 1, Start: 5 * time.Second, Duration: 12 * time.Second,
		Aim: fault.Aim{Moment: fault.Before, Nth: 3}}}
	r := simulated(t, s)
	if len(r.Params.Faulty) != 1 {
		t.Fatalf("faulty: %v", r.Params.Faulty)
	}
	x := r.Params.Faulty[0]
	if x.Client != 1 || x.From <= 5*time.Second || x.To-x.From != 12*time.Second {
		t.Errorf("faulty: %+v", x)
	}
}

func TestAnOperatorsEditIsPartOfTheHistory(t *testing.T) {
	for _, c := range []struct {
		fault string
		times []time.Duration
	}{
		{"7s remove-record store", []time.Duration{7 * time.Second}},
		{"7s restore-record store 6s", []time.Duration{7 * time.Second}},
		{"7s +1s foreign-record store", []time.Duration{7 * time.Second, 8 * time.Second}},
	} {
		f, err := fault.ParseFault(c.fault)
		if err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{subjects.ReferenceName, "natslock"} {
			s := quick(t, subject, "none")
			s.Seed, s.Plan = 3, fault.Plan{f}
			r := simulated(t, s)
			var at []time.Duration
			for _, e := range r.History {
				if e.Op == linearizability.OpTamper {
					at = append(at, time.Duration(e.At))
					if e.Lock != "lock-0" || e.Phase != linearizability.Info {
						t.Errorf("%s: %+v", c.fault, e)
					}
				}
			}
			if len(at) == 0 || at[0] != c.times[0] || len(at) > len(c.times) || !r.Params.StoreContractBroken {
				t.Errorf("%s, %s: tampered with at %v, want %v; broken %v", subject, c.fault, at, c.times, r.Params.StoreContractBroken)
			}
		}
	}
}
