package harness

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// varied draws scenarios that differ in more than their seeds.
func varied(t testing.TB, seed uint64) Scenario {
	all := subjects.All()
	r := sim.NewRandom(seed)
	subject := subjects.ReferenceName
	if r.Choose("subject/other", 3) == 0 {
		subject = all[r.Choose("subject", uint64(len(all)))].Name
	}
	s := Scenario{
		Subject: subject, Clients: 1 + int(r.Choose("clients", 6)), Locks: 1 + int(r.Choose("locks", 3)),
		TTL: Duration(time.Second) * Duration(1+r.Choose("ttl", 10)),
	}
	s.Duration = s.TTL * 3
	words := []string{"all", "all,lost-write,stale-read", "none", "clock", "network", "process", "store"}
	s.Kinds, _ = fault.ParseKinds(words[r.Choose("words", uint64(len(words)))])
	return draw(t, s.WithDefaults(), seed)
}

// twice runs a scenario two times and says how the runs differ, or "".
func twice(t testing.TB, s Scenario) string {
	a, b := recordOnly(t, s), recordOnly(t, s)
	switch {
	case a.TraceHash != b.TraceHash:
		return fmt.Sprintf("trace hashes %016x and %016x", a.TraceHash, b.TraceHash)
	case !slices.Equal(a.History, b.History):
		return "one trace hash, two histories"
	case a.TraceHash == 0:
		return "no trace hash"
	}
	return ""
}

// recordOnly is a simulation whose history is not judged.
func recordOnly(t testing.TB, s Scenario) *Result {
	t.Helper()
	subject, err := subjects.Find(s.Subject)
	if err != nil {
		t.Fatal(err)
	}
	r, err := experiment(s, subject, sim.Config{Chooser: sim.NewRandom(s.Seed)})
	if err != nil {
		t.Fatalf("seed %d: %v", s.Seed, err)
	}
	return r
}

// experiment is simulate with a subject that is not in the registry, with what a
// test sets of the world, and without a verdict.
func experiment(s Scenario, subject subjects.Subject, cfg sim.Config) (*Result, error) {
	cfg.Plan, cfg.Clients, cfg.Store.Watch = s.Plan, s.Clients, true
	if subject.BucketTTL {
		cfg.Store.BucketTTL = s.TTL.D()
	}
	w, err := sim.New(cfg)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	r := newRun(s, subject, w.Now)
	if err := r.populate(w); err != nil {
		return nil, err
	}
	if err := w.Run(s.healAt()); err != nil {
		return nil, err
	}
	w.Heal()
	if err := w.Run(s.end()); err != nil {
		return nil, err
	}
	return &Result{Scenario: s, Params: r.params(s.end()), History: r.rec.history, TraceHash: w.Hash()}, nil
}

func TestOneScenarioIsOneRun(t *testing.T) {
	first := firstSeed(t)
	n := many(1000, 100)
	t.Logf("%d scenarios, each run twice (%s=1 for more)", n, longVariable)
	for seed := first; seed < first+uint64(n); seed++ {
		s := varied(t, seed)
		if differs := twice(t, s); differs != "" {
			b, _ := s.Encode()
			t.Fatalf("seed %d: %s\n%s\n%s", seed, differs, pasteLine(s), b)
		}
	}
}

func TestTheVerdictOfARunIsAPartOfItsSameness(t *testing.T) {
	first := firstSeed(t)
	for seed := first; seed < first+uint64(many(50, 10)); seed++ {
		s := varied(t, seed)
		a, b := simulated(t, s), simulated(t, s)
		for _, r := range []*Result{a, b} {
			r.Counters.Wall, r.Counters.CoreTime = 0, 0
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("seed %d:\n%s\n%s", seed, diff, pasteLine(s))
		}
		if err := linearizability.Validate(a.History); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, pasteLine(s))
		}
	}
}

func TestRecordedChoicesGiveTheSameRun(t *testing.T) {
	first := firstSeed(t)
	for seed := first; seed < first+uint64(many(40, 10)); seed++ {
		s := varied(t, seed)
		recorder := sim.NewRecorder(sim.NewRandom(s.Seed))
		a, err := Simulate(t.Context(), lockOf(t, s), s, recorder)
		if err != nil {
			t.Fatal(err)
		}
		replayer := sim.NewReplayer(recorder.Choices())
		b, err := Simulate(t.Context(), lockOf(t, s), s, replayer)
		if err != nil || replayer.Err() != nil || replayer.Rest() != 0 {
			t.Fatalf("seed %d: %v, %v, %d choices left\n%s", seed, err, replayer.Err(), replayer.Rest(), pasteLine(s))
		}
		if a.TraceHash != b.TraceHash || !slices.Equal(a.History, b.History) {
			t.Fatalf("seed %d: %016x recorded, %016x replayed\n%s", seed, a.TraceHash, b.TraceHash, pasteLine(s))
		}
		if plain := simulated(t, s); plain.TraceHash != a.TraceHash {
			t.Fatalf("seed %d: recording changed the run", seed)
		}
	}
}

func TestChoicesOfAnotherRunAreRefused(t *testing.T) {
	s := draw(t, quick(t, subjects.ReferenceName, "all"), 1)
	recorder := sim.NewRecorder(sim.NewRandom(s.Seed))
	if _, err := Simulate(t.Context(), lockOf(t, s), s, recorder); err != nil {
		t.Fatal(err)
	}
	other := s
	other.Clients--
	other.Plan = nil
	if _, err := Simulate(t.Context(), lockOf(t, other), other, sim.NewReplayer(recorder.Choices())); err == nil {
		t.Error("the choices of one scenario were replayed in another one")
	}
}

func TestSeedsDiffer(t *testing.T) {
	hashes := map[uint64]uint64{}
	for seed := range uint64(50) {
		h := recordOnly(t, draw(t, quick(t, subjects.ReferenceName, "all"), seed)).TraceHash
		if other, ok := hashes[h]; ok {
			t.Errorf("seeds %d and %d have one trace hash", seed, other)
		}
		hashes[h] = seed
	}
}
