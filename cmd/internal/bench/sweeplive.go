package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lockproof/lockproof/subjects"
)

// liveCells are the settings that are measured live: those of the grid with the
// shortest ttl, under the calm profile, for the network of a live measurement
// is the one that is there.
func (c SweepConfig) liveCells(cells []setting) []setting {
	var all []setting
	for _, s := range cells {
		s.profile = Profile{Name: "calm"}
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b setting) int {
		return cmp.Or(cmp.Compare(a.ttl, b.ttl), cmp.Compare(a.clients, b.clients))
	})
	return all[:min(c.Live, len(all))]
}

// measureLive measures the cells live and puts each after the one that was
// predicted. What goes wrong is a note: the predictions stand by themselves.
func (c SweepConfig) measureLive(ctx context.Context, r *Result, cells []setting) {
	var measured []Cell
	for i, s := range cells {
		if ctx.Err() != nil {
			r.Incomplete = true
			r.note("interrupted: %d of %d cells were measured live", i, len(cells))
			break
		}
		at := slices.IndexFunc(r.Cells, func(cell Cell) bool { return cell.Name == s.name() })
		if at < 0 {
			continue // interrupted before it was predicted
		}
		c.Progress(i, len(cells), "measuring live, ttl "+s.ttl.String())
		live, err := c.live(ctx, s, r.Cells[at])
		if err != nil {
			r.Incomplete = true
			r.note("%s could not be measured live: %v", s.name(), err)
			continue
		}
		r.Cells = slices.Insert(r.Cells, at+1, live)
		measured = append(measured, live)
	}
	if len(measured) > 0 {
		r.Notes = append(r.Notes, faithfulness(c.Backend, measured))
	}
}

// ratioSuffix ends the names of the ratios of what was predicted to what was
// measured.
const ratioSuffix = ", predicted/measured"

// live measures one cell, beside the prediction of the same.
func (c SweepConfig) live(ctx context.Context, s setting, predicted Cell) (_ Cell, err error) {
	who, closeAll, err := OpenContender(ctx, c.Backend, subjects.ReferenceName, s.settings())
	if err != nil {
		return Cell{}, err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	failovers, err := MeasureFailover(ctx, FailoverConfig{
		Contender: who, Failures: []Failure{Crash}, Trials: c.LiveTrials, Waiters: s.clients - 1,
		Parallel: max(1, connections/s.clients),
	})
	if err != nil {
		return Cell{}, err
	}
	if len(failovers.Cells) == 0 {
		return Cell{}, errors.Join(errors.New("no failover was seen"), context.Cause(ctx))
	}
	seen := failovers.Cells[0]
	cell := Cell{Name: s.name() + "/live", Labels: s.labels(c.Backend, measuredBy), Notes: seen.Notes}
	for _, name := range []string{FailoverName, "detect", "acquire", "resume"} {
		cell.addDistribution(seen.Distribution(name))
	}
	cell.addP99(s.ttl)
	for _, name := range []string{FailoverName, "detect", "acquire"} {
		cell.addRatios(name, predicted)
	}
	requests, err := liveRequests(ctx, who, s)
	if err != nil {
		return Cell{}, err
	}
	cell.Metrics = append(cell.Metrics, Metric{Name: RequestsName, Unit: "requests", Value: requests, Better: LowerIsBetter})
	if requests > 0 {
		cell.Metrics = append(cell.Metrics, Metric{Name: RequestsName + ratioSuffix, Unit: "x", Value: predicted.value(RequestsName) / requests})
	}
	return cell, nil
}

// connections are about as many as are open at a time.
const connections = 60

// addRatios compares the quantiles of a prediction with those of the cell. The
// interval is that of the few live samples; the prediction has many.
func (c *Cell) addRatios(name string, prediction Cell) {
	predicted, _ := prediction.Distribution(name)
	live, _ := c.Distribution(name)
	for _, share := range []float64{0.5, 0.9, 0.99} {
		p, ok := predicted.Quantile(share)
		l, seen := live.Quantile(share)
		if !ok || !seen || l.Value <= 0 {
			continue
		}
		m := Metric{Name: fmt.Sprintf("%s p%g%s", name, 100*share, ratioSuffix), Unit: "x", Value: float64(p.Value) / float64(l.Value)}
		if l.Low > 0 {
			m.Low, m.High = float64(p.Value)/float64(l.High), float64(p.Value)/float64(l.Low)
		}
		c.Metrics = append(c.Metrics, m)
	}
}

// liveRequests counts the requests for one lock that one client holds and the
// others wait for, over some renewals.
func liveRequests(ctx context.Context, who Contender, s setting) (perLockHour float64, err error) {
	const lockName = "requests"
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	var seats []*Seat
	defer func() {
		cancel()
		waiting.Wait()
		for _, seat := range seats {
			seat.Close()
		}
	}()
	for i := range s.clients {
		seat, err := who.seat(ctx, Place{Client: i})
		if err != nil {
			return 0, err
		}
		seats = append(seats, seat)
		if i > 0 {
			// It ends with ctx, which ends with this function.
			waiting.Go(func() { _, _ = seat.Locker.Acquire(ctx, lockName, noOptions) })
			continue
		}
		lease, err := seat.Locker.Acquire(ctx, lockName, noOptions)
		if err != nil {
			return 0, fmt.Errorf("acquire %s: %w", lockName, err)
		}
		defer func() { _ = lease.Release(context.WithoutCancel(ctx)) }()
	}
	if err := pause(ctx, s.ttl); err != nil {
		return 0, err
	}
	// From one renewal to another, and so long that the requests of those who
	// wait are whole ones, too.
	renewals := max(10, int64(10*time.Second/s.renew))
	if err := nextRenewal(ctx, seats[0], 1); err != nil {
		return 0, err
	}
	before, begun := countAll(seats), time.Now()
	if err := nextRenewal(ctx, seats[0], renewals); err != nil {
		return 0, err
	}
	asked := countAll(seats).minus(before)
	return float64(asked.Requests) / time.Since(begun).Hours(), nil
}

// nextRenewal waits until the holder has sent so many more.
func nextRenewal(ctx context.Context, holder *Seat, n int64) error {
	for target := holder.Counts().Swaps + n; holder.Counts().Swaps < target; {
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func countAll(seats []*Seat) Counts {
	var sum Counts
	for _, s := range seats {
		sum = sum.plus(s.Counts())
	}
	return sum
}

// faithfulness says in one sentence how well the predictions did.
func faithfulness(backend string, cells []Cell) string {
	var parts []string
	for _, m := range []struct{ metric, says string }{
		{FailoverName + " p50" + ratioSuffix, "the median failover"},
		{FailoverName + " p99" + ratioSuffix, "the p99 failover"},
		{RequestsName + ratioSuffix, "the requests"},
	} {
		low, high, n := 0.0, 0.0, 0
		for _, c := range cells {
			if ratio, ok := c.Metric(m.metric); ok {
				if n == 0 {
					low, high = ratio.Value, ratio.Value
				}
				low, high, n = min(low, ratio.Value), max(high, ratio.Value), n+1
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s at %s of what was measured", m.says, ratioRange(low, high)))
		}
	}
	where := "in the cell that was"
	if len(cells) > 1 {
		where = fmt.Sprintf("in the %d cells that were", len(cells))
	}
	return fmt.Sprintf("%s measured live on %s the simulator predicted %s", where, backend, listed(parts))
}

func ratioRange(low, high float64) string {
	if a, b := fmt.Sprintf("%.2f", low), fmt.Sprintf("%.2f", high); a != b {
		return a + " to " + b
	}
	return fmt.Sprintf("%.2f", low)
}
