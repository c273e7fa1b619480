package report

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Quantiles sum up a set of durations. Three digits of each are exact, other than
// Max, which is the largest sample itself. They are in nanoseconds in JSON.
type Quantiles struct {
	Count int           `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// longestSample is what a histogram counts up to; longer samples count as it.
const longestSample = int64(30 * 24 * time.Hour)

// QuantilesOf returns the quantiles of samples, in any order. A sample below 0
// counts as 0. Without samples all is 0.
func QuantilesOf(samples []time.Duration) Quantiles {
	if len(samples) == 0 {
		return Quantiles{}
	}
	h := hdrhistogram.New(1, longestSample, 3)
	q := Quantiles{Count: len(samples)}
	for _, d := range samples {
		q.Max = max(q.Max, d)
		// It cannot fail: the value is within what the histogram tracks.
		_ = h.RecordValue(min(max(int64(d), 0), longestSample))
	}
	at := func(p float64) time.Duration { return min(time.Duration(h.ValueAtQuantile(p)), q.Max) }
	q.P50, q.P90, q.P99 = at(50), at(90), at(99)
	return q
}
