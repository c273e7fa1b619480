package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/sim"
)

var (
	_ fault.Chooser = (*sim.Random)(nil)
	_ fault.Chooser = (*sim.Recorder)(nil)
	_ fault.Chooser = (*sim.Replayer)(nil)
	_ fault.Chooser = (*sim.Enumerator)(nil)
	_ fault.Chooser = (*sim.PCT)(nil)
)

func draws(c sim.Chooser, stream string, n uint64, times int) []uint64 {
	var out []uint64
	for range times {
		out = append(out, c.Choose(stream, n))
	}
	return out
}

// These numbers are fixed for ever: every seed that was ever reported depends on
// them.
func TestRandomIsTheSameForEver(t *testing.T) {
	r := sim.NewRandom(42)
	got := fmt.Sprint(draws(r, "schedule", 1000, 5), draws(r, "latency", 1<<40, 2))
	const want = "[421 942 949 394 562] [77854246457 611901975912]"
	if got != want {
		t.Errorf("seed 42 draws %s, want %s", got, want)
	}
}

func TestANewStreamDoesNotDisturbTheOthers(t *testing.T) {
	alone := draws(sim.NewRandom(7), "latency", 1000, 100)
	r := sim.NewRandom(7)
	var among []uint64
	for i := range 100 {
		r.Choose("a new fault", 10)
		among = append(among, r.Choose("latency", 1000))
		r.Choose(fmt.Sprint("another", i), 10)
	}
	if !slices.Equal(alone, among) {
		t.Error("a draw depends on draws from other streams")
	}
}

func TestRandomCoversItsRangeEvenly(t *testing.T) {
	r := sim.NewRandom(1)
	var seen [10]int
	for range 100_000 {
		seen[r.Choose("x", 10)]++
	}
	for v, n := range seen {
		if n < 9_500 || n > 10_500 {
			t.Errorf("%d was drawn %d times of 100,000", v, n)
		}
	}
	if v := r.Choose("x", 1); v != 0 {
		t.Errorf("Choose of 1 = %d", v)
	}
	if v := r.Choose("x", 0); v != 0 {
		t.Errorf("Choose of 0 = %d", v)
	}
}

func TestReplayerSaysHowARunDiverged(t *testing.T) {
	rec := sim.NewRecorder(sim.NewRandom(1))
	rec.Choose("a", 10)
	rec.Choose("b", 20)
	for name, ask := range map[string]func(*sim.Replayer){
		"stream":    func(r *sim.Replayer) { r.Choose("b", 10) },
		"range":     func(r *sim.Replayer) { r.Choose("a", 11) },
		"exhausted": func(r *sim.Replayer) { r.Choose("a", 10); r.Choose("b", 20); r.Choose("a", 10) },
	} {
		r := sim.NewReplayer(rec.Choices())
		ask(r)
		if !errors.Is(r.Err(), sim.ErrDiverged) {
			t.Errorf("%s: error %v", name, r.Err())
		}
	}
	r := sim.NewReplayer(rec.Choices())
	if r.Choose("a", 10); r.Rest() != 1 || r.Err() != nil {
		t.Errorf("Rest %d, Err %v", r.Rest(), r.Err())
	}
}

// weave is a tiny program: each task writes its name and lets the other run, k
// times. The order is the schedule's alone.
func weave(t *testing.T, c sim.Chooser, tasks, steps int) string {
	w := newWorld(t, sim.Config{Chooser: c, Clients: 1})
	defer w.Close()
	var out strings.Builder
	n := w.Node(0)
	for i := range tasks {
		n.Go(func() {
			for range steps {
				fmt.Fprint(&out, i)
				_ = n.Runtime().Sleep(context.Background(), 0)
			}
		})
	}
	run(t, w, 1)
	return out.String()
}

func TestEnumeratorVisitsEachInterleavingExactlyOnce(t *testing.T) {
	for _, c := range []struct{ tasks, steps, want int }{
		// Each task has steps+1 turns, the last of which only returns: so
		// interleavings of words of length steps+1.
		{2, 1, 6}, {2, 2, 20}, {2, 3, 70}, {3, 1, 90}, {3, 2, 1680},
	} {
		e := sim.NewEnumerator(10)
		paths := make(map[string]int)
		words := make(map[string]int)
		for e.Next() {
			rec := sim.NewRecorder(e)
			words[weave(t, rec, c.tasks, c.steps)]++
			paths[fmt.Sprint(rec.Choices())]++
		}
		if e.Err() != nil || e.Sampled() {
			t.Fatalf("error %v, sampled %v", e.Err(), e.Sampled())
		}
		if e.Runs() != c.want || len(paths) != c.want {
			t.Errorf("%d tasks of %d steps: %d runs, %d of them different, want %d", c.tasks, c.steps, e.Runs(), len(paths), c.want)
		}
		if want := interleavings(c.tasks, c.steps); len(words) != want {
			t.Errorf("%d tasks of %d steps: %d interleavings, want %d", c.tasks, c.steps, len(words), want)
		}
	}
}

// interleavings is the multinomial (tasks x steps)! / steps!^tasks.
func interleavings(tasks, steps int) int {
	n, placed := 1, 0
	for range tasks {
		for k := 1; k <= steps; k++ {
			placed++
			n = n * placed / k
		}
	}
	return n
}

func TestEnumeratorSamplesWhatIsTooWide(t *testing.T) {
	e := sim.NewEnumerator(3)
	var got []uint64
	for e.Next() {
		got = append(got, e.Choose("latency", 1_000_000))
	}
	if !slices.Equal(got, []uint64{0, 499_999, 999_999}) || !e.Sampled() {
		t.Errorf("tried %d, sampled %v", got, e.Sampled())
	}
}

func TestEnumeratorNoticesAProgramThatIsNotDeterministic(t *testing.T) {
	e := sim.NewEnumerator(3)
	for n := uint64(2); e.Next(); n++ {
		e.Choose("x", n)
	}
	if !errors.Is(e.Err(), sim.ErrDiverged) {
		t.Errorf("error %v", e.Err())
	}
	e = sim.NewEnumerator(3)
	for i := 0; e.Next(); i++ {
		if e.Choose("x", 2); i == 0 {
			e.Choose("x", 2)
			e.Choose("x", 2)
		}
	}
	if !errors.Is(e.Err(), sim.ErrDiverged) {
		t.Errorf("a run that ended early: error %v", e.Err())
	}
}

// count lets two clients add one to a counter by Get and then Put, which is the
// race that natslock has, and returns what they came to.
func count(t *testing.T, c sim.Chooser) string {
	w := newWorld(t, sim.Config{Chooser: c, Clients: 2, Latency: sim.LatencyConfig{Min: 1, Max: 3, Departure: 1}})
	defer w.Close()
	ctx := context.Background()
	for i := range 2 {
		n := w.Node(i)
		n.Go(func() {
			_ = n.Runtime().Sleep(ctx, time.Duration(2*i))
			r, _ := n.Store().Get(ctx, "k")
			_, _ = n.Store().Put(ctx, "k", append(r.Value, '1'))
		})
	}
	run(t, w, 100)
	r, _ := w.Peek("k")
	return string(r.Value)
}

func TestEnumeratorFindsThePlantedRaceAndTheRunsWithoutIt(t *testing.T) {
	results := make(map[string]int)
	e := sim.NewEnumerator(3)
	for e.Next() {
		results[count(t, e)]++
	}
	t.Logf("%d runs: %v", e.Runs(), results)
	if e.Err() != nil || e.Sampled() || results["1"] == 0 || results["11"] == 0 || len(results) != 2 {
		t.Errorf("results %v, error %v, sampled %v", results, e.Err(), e.Sampled())
	}
}

func TestPCTRunsOneTaskToItsEndUnlessAPriorityChanges(t *testing.T) {
	found := make(map[string]bool)
	for seed := range uint64(200) {
		word := weave(t, sim.NewPCT(seed, 1, 10), 2, 3)
		if word != "000111" && word != "111000" {
			t.Fatalf("seed %d, depth 1: %s", seed, word)
		}
		found[weave(t, sim.NewPCT(seed, 2, 8), 2, 3)] = true
	}
	for _, word := range []string{"000111", "011100", "001110", "100011", "110001"} {
		if !found[word] {
			t.Errorf("depth 2 never found %s", word)
		}
	}
	if a, b := weave(t, sim.NewPCT(5, 3, 8), 3, 3), weave(t, sim.NewPCT(5, 3, 8), 3, 3); a != b {
		t.Errorf("one seed, two schedules: %s and %s", a, b)
	}
}

func TestARecordedPCTRunIsReplayed(t *testing.T) {
	rec := sim.NewRecorder(sim.NewPCT(3, 3, 8))
	word := weave(t, rec, 3, 3)
	rep := sim.NewReplayer(rec.Choices())
	if got := weave(t, rep, 3, 3); got != word || rep.Rest() != 0 {
		t.Errorf("replayed %s, want %s; %d choices left", got, word, rep.Rest())
	}
}
