package arena

import (
	"slices"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

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
		compared, why := ratios(s, i, outcomes)
		cell.Metrics = append(cell.Metrics, compared...)
		if why != "" {
			cell.Notes = append(cell.Notes, why)
		}
		for _, x := range o.series[:min(1, len(o.series))] { // the times are the first one's
			if d, ok := bench.Describe(x.name, o.times); ok {
				cell.Distributions = []bench.Distribution{d}
			}
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

// ratios are ours / peer of the contender i, or nothing if it is ours. A time that
// is mostly the sleep between two looks is not divided by one that is work: the
// ratio would be another on every machine, and with every poll. why says so.
func ratios(s *Server, i int, outcomes []outcome) (all []bench.Metric, why string) {
	peer := s.Contenders[i]
	ours := slices.IndexFunc(s.Contenders, func(c Contender) bool { return c.Lock == Ours && c.Settings == peer.Settings })
	if peer.Lock == Ours || ours < 0 || outcomes[ours].err != nil {
		return nil, ""
	}
	us := s.Contenders[ours]
	for k, x := range outcomes[i].series {
		if !x.compared {
			continue
		}
		if x.waits && (us.Lease.PollEvery > 0) != (peer.Lease.PollEvery > 0) {
			why = "no ratio of the " + x.name + ": one of the two waits to be told and the other looks from time to time, so it would be of a processor and a timer"
			continue
		}
		var samples []float64
		mine := outcomes[ours].series[k].samples
		for round := range min(len(mine), len(x.samples)) {
			samples = append(samples, mine[round]/x.samples[round])
		}
		all = append(all, metric(Ours+"/peer "+x.name, "x", samples))
	}
	return all, why
}

// metric is the median of samples with its confidence interval, where there
// are enough of them. All our metrics are better if they are lower.
func metric(name, unit string, samples []float64) bench.Metric {
	m := bench.Metric{Name: name, Unit: unit, Better: bench.LowerIsBetter, Samples: samples}
	if len(samples) > 0 {
		m.Value = bench.Median(samples)
		m.Low, m.High = bench.MedianInterval(samples)
	}
	return m
}
