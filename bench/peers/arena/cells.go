package arena

import (
	"math"
	"slices"
	"time"

	"golang.org/x/perf/benchmath"

	"github.com/lockproof/lockproof/bench"
)

// confidence of the intervals.
const confidence = 0.95

// cellsOf makes one cell of each contender's outcome. A peer's cell says how
// many times ours, with the same kind of settings, is that of the peer, round
// by round.
func cellsOf(s *Server, measure string, outcomes []outcome) []bench.Cell {
	var cells []bench.Cell
	for i, c := range s.Contenders {
		o := outcomes[i]
		cell := bench.Cell{
			Name:   s.Name + "/" + measure + "/lock=" + c.Lock + "/settings=" + string(c.Settings),
			Labels: labels(s, measure, c),
			Notes:  slices.Concat(c.Notes, o.notes),
		}
		if o.err != nil {
			cell.Metrics = o.extra
			cell.Notes = append(cell.Notes, "not measured: "+o.err.Error())
			cells = append(cells, cell)
			continue
		}
		for _, x := range o.series {
			cell.Metrics = append(cell.Metrics, metric(x.name, x.unit, x.samples))
		}
		cell.Metrics = append(cell.Metrics, o.extra...)
		cell.Metrics = append(cell.Metrics, ratios(s, i, outcomes)...)
		if len(o.times) > 0 {
			cell.Distributions = []bench.Distribution{distribution(o.series[0].name, o.times)}
		}
		cells = append(cells, cell)
	}
	return cells
}

func labels(s *Server, measure string, c Contender) []bench.Label {
	poll := "watch"
	if c.Lease.PollEvery > 0 {
		poll = c.Lease.PollEvery.String()
	}
	all := []bench.Label{
		{Key: "server", Value: s.Name}, {Key: "measure", Value: measure}, {Key: "lock", Value: c.Lock},
		{Key: "settings", Value: string(c.Settings)}, {Key: "ttl", Value: c.Lease.TTL.String()},
		{Key: "renew", Value: c.Lease.RenewEvery.Round(time.Millisecond).String()}, {Key: "poll", Value: poll},
	}
	if c.Module != "" {
		all = append(all, bench.Label{Key: "module", Value: c.Module})
	}
	return all
}

// ratios are ours / peer of the contender i, or nothing if it is ours.
func ratios(s *Server, i int, outcomes []outcome) []bench.Metric {
	peer := s.Contenders[i]
	ours := slices.IndexFunc(s.Contenders, func(c Contender) bool { return c.Lock == Ours && c.Settings == peer.Settings })
	if peer.Lock == Ours || ours < 0 || outcomes[ours].err != nil {
		return nil
	}
	var all []bench.Metric
	for k, x := range outcomes[i].series {
		if !x.compared {
			continue
		}
		var samples []float64
		mine := outcomes[ours].series[k].samples
		for round := range min(len(mine), len(x.samples)) {
			samples = append(samples, mine[round]/x.samples[round])
		}
		all = append(all, metric(Ours+"/peer "+x.name, "x", samples))
	}
	return all
}

// metric is the median of samples with its confidence interval, where there
// are enough of them. All our metrics are better if they are lower.
func metric(name, unit string, samples []float64) bench.Metric {
	m := bench.Metric{Name: name, Unit: unit, Better: bench.LowerIsBetter, Samples: samples}
	if len(samples) == 0 {
		return m
	}
	sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(samples), &benchmath.DefaultThresholds), confidence)
	m.Value = sum.Center
	if !math.IsInf(sum.Lo, 0) && !math.IsInf(sum.Hi, 0) {
		m.Low, m.High = sum.Lo, sum.Hi
	}
	return m
}

// distribution of single times. A quantile is kept where at least two samples
// lie beyond it.
func distribution(name string, times []time.Duration) bench.Distribution {
	sorted := slices.Sorted(slices.Values(times))
	n := len(sorted)
	d := bench.Distribution{Name: name, Count: int64(n), Min: int64(sorted[0]), Max: int64(sorted[n-1])}
	for _, t := range sorted {
		d.Mean += float64(t) / float64(n)
	}
	for _, share := range []float64{0.5, 0.9, 0.99} {
		if at := int(math.Ceil(share * float64(n))); n-at >= 2 {
			d.Quantiles = append(d.Quantiles, bench.Quantile{Share: share, Value: int64(sorted[at-1])})
		}
	}
	return d
}
