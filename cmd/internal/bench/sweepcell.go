package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Names of what a cell of a sweep holds, for those who read a result. A cell has
// the label "source", which is "predicted" or "measured".
const (
	// FailoverName is the distribution from a holder's death to the next grant.
	FailoverName = "failover"
	// FailoverP99Name is the metric of its 99th percentile.
	FailoverP99Name = "failover p99"
	// FalseFailoversName is the metric of leases that healthy holders lost.
	FalseFailoversName = "false failovers/h"
	// TwiceAsOftenName and TwiceAsLongName are those if cuts, pauses and sleeps were
	// another thing than the profile says.
	TwiceAsOftenName = FalseFailoversName + ", episodes twice as often"
	TwiceAsLongName  = FalseFailoversName + ", episodes twice as long"
	// RequestsName is the metric of requests for one lock.
	RequestsName = "requests/lock-hour"
	// OnFrontName is the metric that is 1 on the Pareto front and 0 elsewhere.
	OnFrontName = "on front"
	// ReadUnitsName, WriteUnitsName and CostName are the metrics of a store that
	// bills requests as DynamoDB does.
	ReadUnitsName  = "read units/lock-hour"
	WriteUnitsName = "write units/lock-hour"
	CostName       = "cost/month"

	sourceLabel = "source"
	predictedBy = "predicted"
	measuredBy  = "measured"
)

// collect turns what was predicted into cells.
func (r *Result) collect(c SweepConfig, cells []setting, done []predicted, took time.Duration) {
	virtual := 0.0
	missing := 0
	for i, s := range cells {
		if done[i].err != nil {
			missing++
			continue
		}
		virtual += done[i].p.Virtual.Hours()
		r.Cells = append(r.Cells, c.cell(s, done[i].p))
	}
	if missing > 0 {
		r.Incomplete = true
		r.note("interrupted: %d of %d cells were predicted", len(cells)-missing, len(cells))
	}
	r.note("%s h were simulated in %s, %s h in a second", figure(virtual), seconds(took), figure(virtual/took.Seconds()))
}

// cell describes one prediction.
func (c SweepConfig) cell(s setting, p *Prediction) Cell {
	cell := Cell{Name: s.name(), Labels: s.labels(c.Backend, predictedBy)}
	if whole := s.profile.String(); whole != s.profile.Name { // one of the user's own
		cell.Notes = append(cell.Notes, "profile "+whole)
	}
	for _, part := range []struct {
		name string
		of   func(FailoverTimes) time.Duration
	}{
		{FailoverName, FailoverTimes.Failover},
		{"detect", func(f FailoverTimes) time.Duration { return f.Detect }},
		{"acquire", func(f FailoverTimes) time.Duration { return f.Acquire }},
		{"resume", func(f FailoverTimes) time.Duration { return f.Resume }},
	} {
		cell.addDistribution(distribution(part.name, p.times(part.of)))
	}
	cell.addP99(s.ttl)
	add := func(name, unit string, value float64, better Direction) {
		cell.Metrics = append(cell.Metrics, Metric{Name: name, Unit: unit, Value: value, Better: better})
	}
	if p.Episodes > 0 || s.profile.Faultless() {
		for _, e := range []struct {
			name string
			Estimate
		}{{FalseFailoversName, p.FalseFailovers}, {TwiceAsOftenName, p.TwiceAsOften}, {TwiceAsLongName, p.TwiceAsLong}} {
			cell.Metrics = append(cell.Metrics, Metric{Name: e.name, Unit: "1/h", Value: float64(e.Rate),
				Low: float64(e.Low), High: float64(e.High), Better: LowerIsBetter})
		}
		add("episodes", "episodes", float64(p.Episodes), "")
		add("leases lost in them", "leases", float64(p.Lost), "")
	}
	both := p.Holder.plus(p.Waiters)
	hourly := func(n int64) float64 { return float64(n) / p.Watched.Hours() }
	add(RequestsName, "requests", hourly(both.Requests), LowerIsBetter)
	add("requests of the holder", "requests", hourly(p.Holder.Requests), LowerIsBetter)
	add("requests of those who wait", "requests", hourly(p.Waiters.Requests), LowerIsBetter)
	if both.Waits > 0 {
		add("wake-ups of those who wait", "1/h", hourly(both.Waits), LowerIsBetter)
	} else {
		units := p.Units.per(p.Watched)
		add(ReadUnitsName, "units", units.Read, LowerIsBetter)
		add(WriteUnitsName, "units", units.Write, LowerIsBetter)
		if c.Prices.Given() {
			add(CostName, c.Prices.currency(), c.Prices.PerMonth(units), LowerIsBetter)
		}
	}
	if n := len(p.Failovers); n < c.Trials {
		cell.Notes = append(cell.Notes, fmt.Sprintf("%d failovers of %d trials: holders lost their leases before they could be killed", n, c.Trials))
	}
	return cell
}

// addP99 says what a failover takes at worst, as a time and as a share of the
// ttl.
func (c *Cell) addP99(ttl time.Duration) {
	d, _ := c.Distribution(FailoverName)
	q, ok := d.Quantile(0.99)
	if !ok {
		return
	}
	share := func(ns int64) float64 { return float64(ns) / float64(ttl) }
	c.Metrics = append(c.Metrics,
		Metric{Name: FailoverP99Name, Unit: "ns", Value: float64(q.Value), Low: float64(q.Low), High: float64(q.High), Better: LowerIsBetter},
		Metric{Name: "failover p99/ttl", Unit: "x", Value: share(q.Value), Low: share(q.Low), High: share(q.High), Better: LowerIsBetter})
}

// times picks a part of each failover.
func (p *Prediction) times(part func(FailoverTimes) time.Duration) []time.Duration {
	all := make([]time.Duration, len(p.Failovers))
	for i, f := range p.Failovers {
		all[i] = part(f)
	}
	return all
}

// value returns a metric's value, or 0.
func (c Cell) value(name string) float64 {
	m, _ := c.Metric(name)
	return m.Value
}

// option is the cell as one to choose; ok is false if no failover was seen.
func (c Cell) option() (o option, ok bool) {
	ttl, err := time.ParseDuration(c.Label("ttl"))
	renew, renewErr := time.ParseDuration(c.Label("renew"))
	p99, ok := c.Metric(FailoverP99Name)
	estimate := func(name string) Estimate {
		m, _ := c.Metric(name)
		return Estimate{Rate(m.Value), Rate(m.Low), Rate(m.High)}
	}
	return option{
		ttl: ttl, renew: renew, failover: time.Duration(p99.Value), requests: c.value(RequestsName),
		falses: estimate(FalseFailoversName), oftener: estimate(TwiceAsOftenName), longer: estimate(TwiceAsLongName),
	}, ok && err == nil && renewErr == nil
}

// conclude finds the front and the advice among the cells of the grid, for each
// profile and number of clients by itself: nobody chooses those.
func (r *Result) conclude(c SweepConfig, grid []setting) {
	if c.Prices.Given() {
		r.note("prices of %s: %v %s per million write units, %v per million read units", c.Prices.Date,
			c.Prices.WritePerMillion, c.Prices.currency(), c.Prices.ReadPerMillion)
	}
	var advice []string
	for _, profile := range c.Profiles {
		for _, clients := range c.Clients {
			var cells []*Cell
			var options []option
			for _, s := range grid {
				if s.profile != profile || s.clients != clients {
					continue
				}
				at := slices.IndexFunc(r.Cells, func(cell Cell) bool { return cell.Name == s.name() })
				if at < 0 {
					continue
				}
				if o, ok := r.Cells[at].option(); ok {
					cells = append(cells, &r.Cells[at])
					options = append(options, o)
				}
			}
			best := frontOf(options)
			for i, cell := range cells {
				on := 0.0
				if slices.Contains(best, i) {
					on = 1
				}
				cell.Metrics = append(cell.Metrics, Metric{Name: OnFrontName, Value: on})
			}
			line := fmt.Sprintf("profile %s (assumed: %s), %d clients: %s.", profile.Name, profile.assumes(), clients, advise(options, c.Budget))
			if !slices.Contains(advice, line) {
				advice = append(advice, line)
			}
		}
	}
	r.Advice = strings.Join(advice, "\n")
}

// affordable refuses a grid that would take too long. How long is told from one
// cell that is simulated for a moment.
func (c SweepConfig) affordable(ctx context.Context, work []PredictConfig) error {
	c.Progress(0, len(work), "estimating")
	probe := work[0]
	probe.Episodes, probe.Hours, probe.Trials = min(probe.Episodes, 10), 1, min(probe.Trials, 20)
	began := time.Now()
	if _, err := Predict(ctx, probe); err != nil {
		return err
	}
	perRequest := time.Since(began).Seconds() / probe.work()
	total := 0.0
	for _, p := range work {
		total += p.work()
	}
	// At most some years, so that it can be counted in nanoseconds.
	expected := min(total*perRequest/float64(min(c.Workers, len(work))), 1e8)
	if d := time.Duration(expected * float64(time.Second)); d > c.Longest {
		return fmt.Errorf("%d cells of %d episodes would take about %s to simulate, more than %s: give fewer values, fewer episodes, or more time",
			len(work), c.Episodes, d.Round(max(time.Second, min(time.Minute, d/100))), c.Longest)
	}
	return nil
}

// work is about how many requests and wake-ups are simulated for a cell.
func (c PredictConfig) work() float64 {
	s := c.Settings
	renewals := float64(time.Hour) / float64(s.RenewEvery)
	waiting := float64(c.Clients-1) * float64(time.Hour) / float64(min(s.PollEvery, s.RenewEvery))
	trials := float64(c.Trials) * (rebirth + 3) * s.TTL.Hours()
	alone := 2 * float64(len(c.hazards())*c.Episodes) * (quiet + 1) * s.TTL.Hours()
	return alone*renewals + (c.watchedFor().Hours()+trials)*(renewals+waiting)
}
