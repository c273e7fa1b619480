package harness

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// failing is a failing run of a subject.
func failing(t testing.TB, subject string, words string) *Result {
	t.Helper()
	s := sweep(t, Sweep{Base: scenario(t, subject, words), First: 1, Seeds: 1000, StopAfter: 1})
	if len(s.Failures) == 0 {
		t.Fatalf("%s does not fail in 1000 seeds", subject)
	}
	return s.Failures[0]
}

func brokenIn(r *Result) string {
	for _, p := range r.Verdict.Properties {
		if p.Verdict == linearizability.Violation && !p.Informational {
			return p.Name
		}
	}
	return ""
}

func TestAShrunkRunFailsInTheSameWayAndIsSmaller(t *testing.T) {
	broken := []string{"natslock", "no-drift-margin", "wall-clock"}
	if underRace {
		broken = broken[:1] // the others take hundreds of simulations
	}
	for _, subject := range broken {
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			r := failing(t, subject, "all")
			before, _ := r.Scenario.Encode()
			small, err := Shrink(t.Context(), lockOf(t, r.Scenario), r)
			if err != nil {
				t.Fatal(err)
			}
			after, _ := r.Scenario.Encode()
			if diff := cmp.Diff(string(before), string(after)); diff != "" {
				t.Errorf("shrinking changed what it was given:\n%s", diff)
			}
			if brokenIn(small) != brokenIn(r) {
				t.Errorf("it broke %s, shrunk it breaks %s", brokenIn(r), brokenIn(small))
			}
			a, b := r.Scenario, small.Scenario
			t.Logf("%d faults became %d, %s became %s, %d clients became %d", len(a.Plan), len(b.Plan), a.Duration, b.Duration, a.Clients, b.Clients)
			if len(b.Plan) > len(a.Plan) || b.Duration > a.Duration || b.Clients > a.Clients {
				t.Error("it has grown")
			}
			if len(b.Plan) == len(a.Plan) && b.Duration == a.Duration && b.Clients == a.Clients {
				t.Error("it is no smaller")
			}
			again := simulated(t, b)
			if again.TraceHash != small.TraceHash || brokenIn(again) != brokenIn(r) {
				t.Errorf("run again: trace hash %016x for %016x, broken %q", again.TraceHash, small.TraceHash, brokenIn(again))
			}
			twin, err := Shrink(t.Context(), lockOf(t, r.Scenario), r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(small.Scenario, twin.Scenario); diff != "" || twin.TraceHash != small.TraceHash {
				t.Errorf("shrunk again, it is another one:\n%s", diff)
			}
		})
	}
}

func TestWhatDoesNotFailIsNotShrunk(t *testing.T) {
	r := simulated(t, draw(t, quick(t, subjects.ReferenceName, "none"), 1))
	small, err := Shrink(t.Context(), lockOf(t, r.Scenario), r)
	if err != nil || small != r {
		t.Errorf("%v, another result: %v", err, small != r)
	}
}

func TestAShrinkThatIsInterruptedReturnsWhatItHas(t *testing.T) {
	r := failing(t, "natslock", "all")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	small, err := Shrink(ctx, lockOf(t, r.Scenario), r)
	if err == nil || small == nil || small.Verdict.Verdict != linearizability.Violation {
		t.Errorf("error %v, result %v", err, small)
	}
}
