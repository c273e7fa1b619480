package bench

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// tail is the share of error on each side of an interval of 95 % confidence.
const tail = 0.025

// shares are the quantiles that a Distribution keeps if it has the samples.
func shares() []float64 { return []float64{0.5, 0.75, 0.9, 0.95, 0.99, 0.999} }

// Median returns the middle of xs, the mean of the middle two where there are
// two, and NaN of nothing.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// MedianInterval bounds the median of what xs are samples of with 95 %
// confidence, by order statistics: nothing is assumed but that the samples are
// independent. Both are 0 with fewer than 9 samples: from 6 to 8 the interval
// would be the least and the greatest of them, which looks like more than it is.
func MedianInterval(xs []float64) (low, high float64) {
	n := int64(len(xs))
	l, h, ok := RankInterval(n, 0.5)
	if !ok || l == 1 && h == n {
		return 0, 0
	}
	s := slices.Sorted(slices.Values(xs))
	return s[l-1], s[h-1]
}

// RankInterval returns the ranks, counted from 1, of the order statistics of n
// independent samples that bound the quantile of a share with at least 95 %
// confidence: as many samples as a binomial variable lie below the quantile. ok
// is false where even the smallest and the largest do not reach that.
func RankInterval(n int64, share float64) (low, high int64, ok bool) {
	if n < 1 {
		return 0, 0, false
	}
	v := float64(n) * share * (1 - share)
	if v > 1000 {
		d := 1.959964*math.Sqrt(v) + 0.5
		low, high = int64(math.Floor(float64(n)*share-d)), int64(math.Ceil(float64(n)*share+d))+1
		return low, high, low >= 1 && high <= n
	}
	sum := 0.0 // the probability that at most k samples lie below
	nothing := int64(float64(n)*share - 10*math.Sqrt(v) - 10)
	for k := max(0, nothing); k <= n; k++ {
		sum += binomial(n, k, share)
		if sum <= tail {
			low = k + 1
		}
		if sum >= 1-tail {
			high = k + 1
			break
		}
	}
	return low, high, low >= 1 && high >= 1 && high <= n
}

// binomial is the probability of k in n.
func binomial(n, k int64, p float64) float64 {
	a, _ := math.Lgamma(float64(n) + 1)
	b, _ := math.Lgamma(float64(k) + 1)
	c, _ := math.Lgamma(float64(n-k) + 1)
	return math.Exp(a - b - c + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// PoissonInterval bounds the mean of a Poisson variable that was seen to be k
// with 95 % confidence (Garwood's exact interval).
func PoissonInterval(k int64) (low, high float64) {
	if k > 0 {
		low = meanWhere(float64(k), func(mean float64) bool { return 1-poissonUpTo(k-1, mean) >= tail })
	}
	return low, meanWhere(float64(k)+1, func(mean float64) bool { return poissonUpTo(k, mean) <= tail })
}

// meanWhere finds by bisection the least mean at which reached becomes true.
func meanWhere(guess float64, reached func(mean float64) bool) float64 {
	below, above := 0.0, 2*guess+10
	for !reached(above) {
		above *= 2
	}
	for range 100 {
		if middle := (below + above) / 2; reached(middle) {
			above = middle
		} else {
			below = middle
		}
	}
	return above
}

// poissonUpTo is the probability of k or less.
func poissonUpTo(k int64, mean float64) float64 {
	if mean == 0 {
		return 1
	}
	sum := 0.0
	for i := int64(0); i <= k; i++ {
		f, _ := math.Lgamma(float64(i) + 1)
		sum += math.Exp(float64(i)*math.Log(mean) - mean - f)
	}
	return min(sum, 1)
}

// Jain is the fairness index of R. Jain, D. Chiu and W. Hawe (1984): 1 if all
// got the same, 1/n if one of n got all. It is NaN of nothing.
func Jain(xs []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range xs {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return math.NaN()
	}
	return sum * sum / (float64(len(xs)) * squares)
}

// ranked are samples in order.
type ranked interface {
	count() int64
	at(rank int64) int64 // from 1
}

// curvePoints bounds the length of a Distribution's curve.
const curvePoints = 100

// describe makes a Distribution of at least one sample. A quantile that so few
// samples do not bound on both sides is withheld: it takes 6 for a median, 36
// for a p90, 72 for a p95, 368 for a p99 and 3,688 for a p99.9. Its interval is
// withheld where it would be the least and the greatest sample.
func describe(name string, r ranked, mean float64) Distribution {
	n := r.count()
	d := Distribution{Name: name, Count: n, Min: r.at(1), Max: r.at(n), Mean: mean}
	for _, share := range shares() {
		low, high, ok := RankInterval(n, share)
		if !ok {
			continue
		}
		q := Quantile{Share: share, Value: r.at(rankOf(n, share))}
		if low > 1 || high < n {
			q.Low, q.High = r.at(low), r.at(high)
		}
		d.Quantiles = append(d.Quantiles, q)
	}
	points := min(n, curvePoints)
	for i := int64(1); i <= points; i++ {
		p := Point{Value: r.at(rankOf(n, float64(i)/float64(points))), Share: float64(i) / float64(points)}
		if last := len(d.Curve) - 1; last >= 0 && d.Curve[last].Value == p.Value {
			d.Curve[last].Share = p.Share
			continue
		}
		d.Curve = append(d.Curve, p)
	}
	return d
}

// rankOf is the rank of the least sample that a share of all do not exceed.
func rankOf(n int64, share float64) int64 {
	return min(max(int64(math.Ceil(share*float64(n)-1e-9)), 1), n)
}

// exactly are a few samples, each kept.
type exactly []int64

func (e exactly) count() int64        { return int64(len(e)) }
func (e exactly) at(rank int64) int64 { return e[rank-1] }

// distribution describes durations; ok is false if there are none.
func distribution(name string, samples []time.Duration) (d Distribution, ok bool) {
	if len(samples) == 0 {
		return Distribution{}, false
	}
	sorted := make(exactly, len(samples))
	sum := 0.0
	for i, s := range samples {
		sorted[i] = int64(s)
		sum += float64(s)
	}
	slices.Sort(sorted)
	return describe(name, sorted, sum/float64(len(samples))), true
}

// histogram takes any number of durations, from a nanosecond to an hour, to
// three digits, in a bounded space.
type histogram struct{ *hdrhistogram.Histogram }

func newHistogram() histogram { return histogram{hdrhistogram.New(1, int64(time.Hour), 3)} }

func (h histogram) add(d time.Duration) {
	_ = h.RecordValue(min(max(int64(d), 1), int64(time.Hour))) // in range
}

func (h histogram) count() int64 { return h.TotalCount() }

func (h histogram) at(rank int64) int64 {
	switch rank {
	case 1:
		return h.Min()
	case h.TotalCount():
		return h.Max()
	}
	return h.ValueAtPercentile(100 * (float64(rank) - 0.5) / float64(h.TotalCount()))
}

// describe is distribution for a histogram.
func (h histogram) describe(name string) (d Distribution, ok bool) {
	if h.TotalCount() == 0 {
		return Distribution{}, false
	}
	return describe(name, h, h.Mean()), true
}

// medianOf returns the median of durations in nanoseconds.
func medianOf(samples []time.Duration) float64 {
	xs := make([]float64, len(samples))
	for i, s := range samples {
		xs[i] = float64(s)
	}
	return Median(xs)
}

// ratioMetric is the median of the ratios of the rounds.
func ratioMetric(name string, ratios []float64) Metric {
	low, high := MedianInterval(ratios)
	return Metric{Name: name, Unit: "x", Value: Median(ratios), Low: low, High: high, Better: LowerIsBetter, Samples: ratios}
}
