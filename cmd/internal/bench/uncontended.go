package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/lockproof/lockproof/harness/target"
)

// pairing is how a cell without contention takes its samples: acquire and raw
// compare-and-swap by turns, so that both meet the same machine.
type pairing struct {
	who  Contender
	cell Cell
	swap target.Swap // nil: there is none
	// next says which client acquires which lock.
	next func(ctx context.Context) (*Seat, string, error)

	acquires, releases, swaps histogram
	ratios                    []float64
	counts                    Counts
	counted                   bool
	grants                    int64
	unreleased                int64
}

func (r *acquireRun) uncontended(ctx context.Context) (Cell, error) {
	s, swap, err := r.seat(ctx, 0)
	if err != nil {
		return Cell{}, err
	}
	return r.paired(ctx, "uncontended", swap, func(context.Context) (*Seat, string, error) {
		return s, r.key("new"), nil
	})
}

func (r *acquireRun) reacquire(ctx context.Context) (Cell, error) {
	s, swap, err := r.seat(ctx, 0)
	if err != nil {
		return Cell{}, err
	}
	name := r.key("again")
	return r.paired(ctx, "reacquire", swap, func(context.Context) (*Seat, string, error) { return s, name, nil })
}

// byTurns times the first client; another takes the lock before each of its
// turns.
func (r *acquireRun) byTurns(ctx context.Context) (Cell, error) {
	first, swap, err := r.seat(ctx, 0)
	if err != nil {
		return Cell{}, err
	}
	second, _, err := r.seat(ctx, 1)
	if err != nil {
		return Cell{}, err
	}
	name := r.key("turns")
	return r.paired(ctx, "by-turns", swap, func(ctx context.Context) (*Seat, string, error) {
		ctx, cancel := r.c.Contender.patiently(ctx)
		defer cancel()
		l, err := second.Locker.Acquire(ctx, name, noOptions)
		if err != nil {
			return nil, "", fmt.Errorf("acquire %s: %w", name, err)
		}
		_, err = release(ctx, l)
		return first, name, err
	})
}

// paired measures a cell in rounds. The first round warms up, says how many
// samples fit into one, and does not count.
func (r *acquireRun) paired(ctx context.Context, name string, swap target.Swap, next func(context.Context) (*Seat, string, error)) (Cell, error) {
	p := &pairing{
		who: r.c.Contender, cell: r.c.Contender.cell(name), swap: swap, next: next,
		acquires: newHistogram(), releases: newHistogram(), swaps: newHistogram(),
	}
	const warmUp = 5
	begun := time.Now()
	err := p.round(ctx, warmUp, nil)
	each := max(time.Since(begun)/warmUp, time.Nanosecond)
	samples := min(max(int(r.c.Duration/time.Duration(r.c.Rounds)/each), 5), r.c.Samples)
	for round := 0; round < r.c.Rounds && err == nil; round++ {
		err = p.round(ctx, samples, p)
	}
	return p.result(r.c.Rounds), err
}

// round takes samples and adds them to into, if that is not nil. Who comes first
// changes from one sample to the next. A round that is cut short does not count.
func (p *pairing) round(ctx context.Context, samples int, into *pairing) error {
	acquires, swaps := make([]time.Duration, 0, samples), make([]time.Duration, 0, samples)
	releases := make([]time.Duration, 0, samples)
	value := floorValue()
	var counts Counts
	for i := range samples {
		if p.swap != nil && i%2 == 0 {
			d, err := timedSwap(ctx, p.swap, value)
			if err != nil {
				return err
			}
			swaps = append(swaps, d)
		}
		seat, name, err := p.next(ctx)
		if err != nil {
			return err
		}
		acquired, released, used, err := p.timedAcquire(ctx, seat, name)
		if err != nil {
			return err
		}
		acquires, releases, counts = append(acquires, acquired), append(releases, released), counts.plus(used)
		p.counted = seat.Counts != nil
		if p.swap != nil && i%2 == 1 {
			d, err := timedSwap(ctx, p.swap, value)
			if err != nil {
				return err
			}
			swaps = append(swaps, d)
		}
	}
	if into != nil {
		into.add(acquires, releases, swaps, counts)
	}
	return nil
}

func (p *pairing) add(acquires, releases, swaps []time.Duration, counts Counts) {
	for i := range acquires {
		p.acquires.add(acquires[i])
		p.releases.add(releases[i])
	}
	for _, d := range swaps {
		p.swaps.add(d)
	}
	if len(swaps) > 0 {
		p.ratios = append(p.ratios, medianOf(acquires)/medianOf(swaps))
	}
	p.counts = p.counts.plus(counts)
	p.grants += int64(len(acquires))
}

// timedAcquire acquires and releases; used is what the acquire alone asked of
// the store.
func (p *pairing) timedAcquire(ctx context.Context, s *Seat, name string) (acquired, released time.Duration, used Counts, err error) {
	ctx, cancel := p.who.patiently(ctx)
	defer cancel()
	var before Counts
	if s.Counts != nil {
		before = s.Counts()
	}
	begun := time.Now()
	l, err := s.Locker.Acquire(ctx, name, noOptions)
	acquired = time.Since(begun)
	if err != nil {
		return 0, 0, used, fmt.Errorf("acquire %s: %w", name, err)
	}
	if s.Counts != nil {
		used = s.Counts().minus(before)
	}
	begun = time.Now()
	confirmed, err := release(ctx, l)
	if !confirmed {
		p.unreleased++
	}
	return acquired, time.Since(begun), used, err
}

func timedSwap(ctx context.Context, swap target.Swap, value []byte) (time.Duration, error) {
	begun := time.Now()
	if err := swap(ctx, value); err != nil {
		return 0, fmt.Errorf("raw compare-and-swap: %w", err)
	}
	return time.Since(begun), nil
}

// result is the cell of the rounds that there were.
func (p *pairing) result(rounds int) Cell {
	c := p.cell
	c.addDistribution(p.acquires.describe("acquire"))
	c.addDistribution(p.swaps.describe("raw CAS"))
	c.addDistribution(p.releases.describe("release"))
	c.addRatio("acquire/CAS", p.ratios)
	if p.grants > 0 {
		c.Metrics = append(c.Metrics, Metric{Name: "grants", Unit: "grants", Value: float64(p.grants)})
	}
	if p.counted && p.grants > 0 {
		c.addCounts(p.counts, p.grants)
	}
	c.unreleased(p.unreleased)
	if n := len(p.ratios); p.swap != nil && n < rounds {
		c.Notes = append(c.Notes, fmt.Sprintf("%d of %d rounds", n, rounds))
	}
	return c
}

func (c *Cell) addDistribution(d Distribution, ok bool) {
	if ok {
		c.Distributions = append(c.Distributions, d)
	}
}

func (c *Cell) addRatio(name string, ratios []float64) {
	if len(ratios) > 0 {
		c.Metrics = append(c.Metrics, ratioMetric(name, ratios))
	}
}

// addCounts gives what an acquire asks of the store.
func (c *Cell) addCounts(counts Counts, grants int64) {
	per := func(n int64) float64 { return float64(n) / float64(grants) }
	c.Metrics = append(c.Metrics,
		Metric{Name: "requests/acquire", Unit: "requests", Value: per(counts.Requests), Better: LowerIsBetter},
		Metric{Name: "conflicts/acquire", Unit: "conflicts", Value: per(counts.Conflicts), Better: LowerIsBetter},
		Metric{Name: "waits/acquire", Unit: "waits", Value: per(counts.Waits)})
}
