package bench_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

var machine = bench.Machine{OS: "linux", Arch: "amd64", Cores: 2, Go: "go1.26.0"}

// result has one cell for each metric, called by its name.
func result(metrics ...bench.Metric) *bench.Result {
	r := &bench.Result{Schema: bench.Schema, Kind: bench.Acquire, Machine: machine}
	for _, m := range metrics {
		r.Cells = append(r.Cells, bench.Cell{Name: m.Name, Metrics: []bench.Metric{m}})
	}
	return r
}

func lower(samples ...float64) bench.Metric {
	return bench.Metric{Name: "latency", Unit: "ns", Better: bench.LowerIsBetter, Samples: samples}
}

func diff(t *testing.T, old, current *bench.Result) *bench.Comparison {
	t.Helper()
	c, err := bench.Diff(old, current, bench.DiffOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// around are n samples of a latency around center, give or take some percent.
func around(rnd *rand.Rand, n int, center float64) []float64 {
	var all []float64
	for range n {
		all = append(all, center*math.Exp(rnd.NormFloat64()*0.05))
	}
	return all
}

func TestAKnownRegressionIsCaught(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	old, current := result(lower(around(rnd, 10, 100)...)), result(lower(around(rnd, 10, 130)...))
	c := diff(t, old, current)
	caught := c.Gate(0.1)
	if len(caught) != 1 || caught[0].Verdict != bench.Regressed || caught[0].P > 0.001 {
		t.Fatalf("30 %% more latency: %+v", c.Changes)
	}
	if r := caught[0].Ratio; r < 1.15 || r > 1.45 {
		t.Errorf("ratio %v of 130 to 100", r)
	}
	if found := c.Gate(0.5); len(found) != 0 {
		t.Errorf("within a threshold of 50 %%, but the gate fails: %+v", found)
	}
	if back := diff(t, current, old); back.Changes[0].Verdict != bench.Improved || len(back.Gate(0)) != 0 {
		t.Errorf("the way back is an improvement, not %+v", back.Changes[0])
	}
}

func TestARateRegressesByFalling(t *testing.T) {
	rate := func(samples ...float64) bench.Metric {
		return bench.Metric{Name: "rate", Unit: "ops/s", Better: bench.HigherIsBetter, Samples: samples}
	}
	fast, slow := result(rate(100, 101, 102, 103, 104)), result(rate(50, 51, 52, 53, 54))
	if found := diff(t, fast, slow).Gate(0.9); len(found) != 1 {
		t.Errorf("half the rate is twice as bad, above a threshold of 90 %%; found %+v", found)
	}
	if found := diff(t, fast, slow).Gate(1); len(found) != 0 {
		t.Errorf("half the rate is not more than twice as bad; found %+v", found)
	}
	if found := diff(t, slow, fast).Gate(0); len(found) != 0 {
		t.Errorf("twice the rate fails the gate: %+v", found)
	}
}

func TestNoiseIsNotCaught(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	significant, failed := 0, 0
	const runs = 400
	for range runs {
		c := diff(t, result(lower(around(rnd, 10, 100)...)), result(lower(around(rnd, 10, 100)...)))
		if c.Changes[0].Verdict != bench.Same {
			significant++
		}
		failed += len(c.Gate(0.1))
	}
	if failed != 0 {
		t.Errorf("the gate failed %d of %d comparisons of nothing", failed, runs)
	}
	if significant == 0 || significant > runs/10 {
		t.Errorf("%d of %d comparisons of nothing were significant; about %v should be", significant, runs, bench.DefaultAlpha*runs)
	}
}

func TestAFileAgainstItselfShowsNoChange(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	info := bench.Metric{Name: "info", Unit: "requests", Samples: around(rnd, 9, 7)}
	flat := bench.Metric{Name: "flat", Unit: "ns", Better: bench.LowerIsBetter, Samples: []float64{5, 5, 5, 5, 5}}
	r := result(lower(around(rnd, 12, 100)...), info, flat)
	c := diff(t, r, r)
	if len(c.Changes) != 3 || len(c.OnlyOld)+len(c.OnlyNew)+len(c.Warnings) != 0 {
		t.Fatalf("%+v", c)
	}
	for _, change := range c.Changes {
		if change.Verdict != bench.Same || change.Ratio != 1 || change.P != 1 {
			t.Errorf("%+v", change)
		}
	}
	if found := c.Gate(0); len(found) != 0 {
		t.Errorf("the gate fails: %+v", found)
	}
}

func TestWhatCannotBeToldIsSaid(t *testing.T) {
	labelled := result(lower(9, 9, 9, 9, 9))
	labelled.Cells[0].Labels = []bench.Label{{Key: "ttl", Value: "1s"}}
	bare := bench.Metric{Name: "latency", Unit: "ns", Better: bench.LowerIsBetter, Value: 90}
	for _, c := range []struct {
		name         string
		old, current *bench.Result
		says         string
	}{
		{"no samples", result(bare), result(lower(1, 2, 3, 4, 5)), "no samples"},
		{"no samples now", result(lower(1, 2, 3, 4, 5)), result(bare), "no samples"},
		{"three each", result(lower(1, 2, 3)), result(lower(10, 20, 30)), "3 and 3 samples"},
		{"one against many", result(lower(1)), result(lower(10, 20, 30, 40, 50, 60, 70)), "1 and 7 samples"},
		{"not a number", result(lower(1, 2, 3, math.NaN())), result(lower(10, 20, 30, 40)), "not a number"},
		{"another setting", result(lower(1, 1, 1, 1, 1)), labelled, "ttl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := diff(t, c.old, c.current)
			if len(d.Changes) != 1 || d.Changes[0].Verdict != bench.Untold || !strings.Contains(d.Changes[0].Why, c.says) {
				t.Fatalf("want %q, got %+v", c.says, d.Changes)
			}
			if len(d.Gate(0)) != 0 || len(d.Means) != 0 {
				t.Error("what cannot be told counts")
			}
		})
	}
}

func TestFourSamplesASideAreEnough(t *testing.T) {
	c := diff(t, result(lower(1, 2, 3, 4)), result(lower(10, 20, 30, 40)))
	if got := c.Changes[0]; got.Verdict != bench.Regressed || math.Abs(got.P-2.0/70) > 1e-9 {
		t.Errorf("two sets of four that do not overlap have P = 2/70; got %+v", got)
	}
}

func TestARiseFromZeroFailsTheGate(t *testing.T) {
	c := diff(t, result(lower(0, 0, 0, 0, 0)), result(lower(1, 2, 1, 3, 2)))
	if len(c.Gate(100)) != 1 {
		t.Errorf("%+v", c.Changes)
	}
	if _, err := json.Marshal(c); err != nil {
		t.Error(err)
	}
}

func TestInformationChangesAndNeverRegresses(t *testing.T) {
	info := func(samples ...float64) bench.Metric {
		return bench.Metric{Name: "requests", Unit: "requests", Samples: samples}
	}
	c := diff(t, result(info(1, 1, 1, 1, 1)), result(info(9, 9, 9, 9, 9)))
	if c.Changes[0].Verdict != bench.Changed || len(c.Gate(0)) != 0 {
		t.Errorf("%+v", c.Changes[0])
	}
}

func TestUnmatchedCellsAndMetricsAreListed(t *testing.T) {
	old := &bench.Result{Kind: bench.Acquire, Cells: []bench.Cell{
		{Name: "gone"},
		{Name: "both", Metrics: []bench.Metric{{Name: "dropped", Unit: "ns"}, {Name: "unit", Unit: "ns"}}},
	}}
	current := &bench.Result{Kind: bench.Acquire, Cells: []bench.Cell{
		{Name: "both", Metrics: []bench.Metric{{Name: "added", Unit: "ns"}, {Name: "unit", Unit: "ms"}}},
		{Name: "fresh"},
	}}
	c := diff(t, old, current)
	if got := strings.Join(c.OnlyOld, ","); got != "both dropped,both unit,gone" {
		t.Errorf("only old: %s", got)
	}
	if got := strings.Join(c.OnlyNew, ","); got != "both added,both unit,fresh" {
		t.Errorf("only new: %s", got)
	}
}

func TestDriftOfManyCellsShowsInTheMean(t *testing.T) {
	old, current := result(), result()
	for _, name := range []string{"a", "b"} {
		old.Cells = append(old.Cells, bench.Cell{Name: name, Metrics: []bench.Metric{lower(99, 100, 100, 101)}})
	}
	current.Cells = append(current.Cells,
		bench.Cell{Name: "a", Metrics: []bench.Metric{lower(199, 200, 200, 201)}},
		bench.Cell{Name: "b", Metrics: []bench.Metric{lower(799, 800, 800, 801)}})
	c := diff(t, old, current)
	if len(c.Means) != 1 || c.Means[0].Cells != 2 || math.Abs(c.Means[0].Ratio-4) > 1e-9 {
		t.Errorf("the geometric mean of 2 and 8 is 4: %+v", c.Means)
	}
}

func TestOtherMachinesAndNotesAreWarnedOf(t *testing.T) {
	old, current := result(), result()
	old.Machine.Cores = 64
	current.Notes, current.Incomplete = []string{"on loopback", "a stand-in for a server"}, true
	old.Notes = []string{"on loopback"}
	got := strings.Join(diff(t, old, current).Warnings, "\n")
	if !strings.Contains(got, "64 cores") || !strings.Contains(got, "new result says: a stand-in") ||
		!strings.Contains(got, "new result is incomplete") || strings.Contains(got, "on loopback") {
		t.Errorf("warnings: %s", got)
	}
}

func TestWhatIsNoComparisonIsRefused(t *testing.T) {
	other := result()
	other.Kind = bench.Sweep
	damaged := result(lower(1), lower(2))
	for _, c := range []struct {
		name         string
		old, current *bench.Result
		options      bench.DiffOptions
		says         string
	}{
		{"nothing", nil, result(), bench.DiffOptions{}, "two results"},
		{"kinds", other, result(), bench.DiffOptions{}, `"sweep"`},
		{"damaged", result(), damaged, bench.DiffOptions{}, "two cells"},
		{"alpha", result(), result(), bench.DiffOptions{Alpha: 1}, "Alpha"},
	} {
		if _, err := bench.Diff(c.old, c.current, c.options); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: want an error with %q, got %v", c.name, c.says, err)
		}
	}
}
