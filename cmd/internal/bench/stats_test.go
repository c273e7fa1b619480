package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestRanksBoundAQuantile(t *testing.T) {
	for _, c := range []struct {
		n         int64
		share     float64
		low, high int64
		ok        bool
	}{
		// Tables of order statistics for a median with 95 % confidence.
		{5, 0.5, 0, 0, false}, {6, 0.5, 1, 6, true}, {10, 0.5, 2, 9, true}, {20, 0.5, 6, 15, true},
		{30, 0.5, 10, 21, true}, {60, 0.5, 22, 39, true}, {100, 0.5, 40, 61, true},
		{0, 0.5, 0, 0, false}, {60, 0.99, 0, 0, false}, {367, 0.99, 0, 0, false}, {368, 0.99, 360, 368, true},
	} {
		low, high, ok := RankInterval(c.n, c.share)
		if ok != c.ok || ok && (low != c.low || high != c.high) {
			t.Errorf("RankInterval(%d, %g) = %d, %d, %v", c.n, c.share, low, high, ok)
		}
	}
}

func TestRanksCoverWhatTheyPromise(t *testing.T) {
	for _, n := range []int64{6, 17, 60, 400, 3999, 4001, 100_000} {
		for _, share := range []float64{0.5, 0.9, 0.99, 0.999} {
			low, high, ok := RankInterval(n, share)
			if !ok {
				continue
			}
			covered := 0.0
			for k := low; k < high; k++ {
				covered += binomial(n, k, share)
			}
			if covered < 0.95 || n > 1000 && covered > 0.99 {
				t.Errorf("ranks %d and %d of %d bound the quantile %g with %.4f", low, high, n, share, covered)
			}
		}
	}
}

func TestPoissonIntervalIsExact(t *testing.T) {
	for _, c := range []struct {
		k         int64
		low, high float64
	}{{0, 0, 3.689}, {1, 0.0253, 5.572}, {2, 0.2422, 7.225}, {10, 4.795, 18.390}, {100, 81.364, 121.627}, {2000, 1913.3, 2089.6}} {
		low, high := PoissonInterval(c.k)
		if math.Abs(low-c.low) > 0.0005+c.low*1e-4 || math.Abs(high-c.high) > 0.0005+c.high*1e-4 {
			t.Errorf("PoissonInterval(%d) = %.4f, %.4f; want %.4f, %.4f", c.k, low, high, c.low, c.high)
		}
	}
}

func TestFairness(t *testing.T) {
	for _, c := range []struct {
		xs   []float64
		want float64
	}{{[]float64{3, 3, 3}, 1}, {[]float64{1, 0, 0, 0}, 0.25}, {[]float64{1, 2, 3}, 36.0 / 42}} {
		if got := Jain(c.xs); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("Jain(%v) = %g, want %g", c.xs, got, c.want)
		}
	}
	if !math.IsNaN(Jain(nil)) || !math.IsNaN(Median(nil)) {
		t.Error("nothing has a fairness or a median")
	}
}

func TestMedianAndItsInterval(t *testing.T) {
	xs := []float64{9, 1, 8, 2, 7, 3, 6, 4, 5, 10}
	if m := Median(xs); m != 5.5 {
		t.Errorf("median %g", m)
	}
	if low, high := MedianInterval(xs); low != 2 || high != 9 {
		t.Errorf("interval %g to %g", low, high)
	}
	for n := range 9 {
		if low, high := MedianInterval(xs[:n]); low != 0 || high != 0 {
			t.Errorf("%d samples gave an interval of %g to %g", n, low, high)
		}
	}
	if xs[0] != 9 {
		t.Error("the samples were sorted in place")
	}
}

func TestAHistogramDescribesAsTheSamplesDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	h := newHistogram()
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(math.Exp(random.NormFloat64()) * float64(time.Millisecond))
		h.add(d)
		all = append(all, d)
	}
	exact, ok := distribution("x", all)
	rough, ok2 := h.describe("x")
	if !ok || !ok2 || exact.Count != rough.Count {
		t.Fatalf("%v %v, %d and %d samples", ok, ok2, exact.Count, rough.Count)
	}
	near := func(a, b int64) bool { return math.Abs(float64(a-b)) <= 0.002*float64(a) }
	for i, q := range exact.Quantiles {
		r := rough.Quantiles[i]
		if !near(q.Value, r.Value) || !near(q.Low, r.Low) || !near(q.High, r.High) {
			t.Errorf("p%g is %v and %v", 100*q.Share, q, r)
		}
	}
	for _, d := range []Distribution{exact, rough} {
		rises := slices.IsSortedFunc(d.Curve, func(a, b Point) int {
			if a.Value < b.Value && a.Share < b.Share {
				return -1
			}
			return 1
		})
		if !rises || len(d.Curve) > curvePoints || d.Curve[len(d.Curve)-1] != (Point{d.Max, 1}) {
			t.Errorf("a curve of %d points that rises %v to %v", len(d.Curve), rises, d.Curve[len(d.Curve)-1])
		}
	}
}

func TestNothingHasNoDistribution(t *testing.T) {
	if _, ok := distribution("x", nil); ok {
		t.Error("of no samples")
	}
	if _, ok := newHistogram().describe("x"); ok {
		t.Error("of an empty histogram")
	}
	one, _ := distribution("x", []time.Duration{7})
	if len(one.Quantiles) != 0 || one.Min != 7 || len(one.Curve) != 1 {
		t.Errorf("one sample gave %+v", one)
	}
}

func TestAQuantileWithoutItsSamplesIsWithheld(t *testing.T) {
	for n, want := range map[int][]float64{
		5: nil, 6: {0.5}, 35: {0.5, 0.75}, 36: {0.5, 0.75, 0.9}, 367: {0.5, 0.75, 0.9, 0.95}, 368: {0.5, 0.75, 0.9, 0.95, 0.99},
		3687: {0.5, 0.75, 0.9, 0.95, 0.99}, 3688: {0.5, 0.75, 0.9, 0.95, 0.99, 0.999},
	} {
		samples := make([]time.Duration, n)
		for i := range samples {
			samples[i] = time.Duration(i + 1)
		}
		d, _ := distribution("x", samples)
		var got []float64
		for _, q := range d.Quantiles {
			got = append(got, q.Share)
			if q.Low == d.Min && q.High == d.Max {
				t.Errorf("%d samples: the interval of p%g is all of them", n, 100*q.Share)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d samples give the quantiles %v, want %v", n, got, want)
		}
	}
}
