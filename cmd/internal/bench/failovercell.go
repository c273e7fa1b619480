package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lockproof/lockproof/subjects"
)

// outcome is what the trials of a cell came to.
type outcome struct {
	mu      sync.Mutex
	times   []times
	missing int             // the lock did not pass on
	void    int             // it did so before the failure
	down    []time.Duration // from the call that stopped a server to the return of that which started it
	failure error
}

func (o *outcome) add(t times, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.times = append(o.times, t)
	case errors.Is(err, errNoFailover):
		o.missing++
	case errors.Is(err, errVoid):
		o.void++
	case o.failure == nil:
		o.failure = err
	}
}

func (r *failoverRun) newTrial(f Failure) *trial {
	n := r.trials
	r.trials++
	return &trial{
		c: &r.c, failure: f, number: n, name: fmt.Sprintf("%s-%d", f, n),
		random: rand.New(rand.NewPCG(r.seed, uint64(n))), resource: &resource{latency: r.c.ResourceLatency},
	}
}

// left is how many trials are still wanted. One that was void is made again, up
// to as many as there should be: a machine that is too busy must come to an end.
func (o *outcome) left(wanted int) int {
	if o.failure != nil || o.void > wanted {
		return 0
	}
	return max(0, wanted-len(o.times)-o.missing)
}

// cell measures one failure, in batches of trials side by side.
func (r *failoverRun) cell(ctx context.Context, f Failure) error {
	var o outcome
	beside, err := r.watchMachine(ctx)
	if err != nil {
		return err
	}
	for o.left(r.c.Trials) > 0 && ctx.Err() == nil {
		trials := make([]*trial, min(o.left(r.c.Trials), r.c.Parallel))
		for i := range trials {
			trials[i] = r.newTrial(f)
		}
		if f == Restart {
			beside.stop() // a raw write beside a server that is down says nothing
			r.restartBatch(ctx, trials, &o)
			r.advance(r.c.Downtime)
		} else {
			r.batch(ctx, trials, &o)
		}
		r.advance(r.ttl + 2*r.c.Contender.Settings.RenewEvery)
	}
	beside.stop()
	if len(o.times) > 0 {
		r.result.Cells = append(r.result.Cells, r.describe(f, &o, beside))
	}
	if len(o.times) < r.c.Trials {
		r.result.Incomplete = true
	}
	return o.failure
}

// batch runs trials side by side and waits for them.
func (r *failoverRun) batch(ctx context.Context, trials []*trial, o *outcome) {
	var all sync.WaitGroup
	for _, t := range trials {
		all.Go(func() {
			defer t.disarm()
			if err := t.arm(ctx); err != nil {
				o.add(times{}, err)
				return
			}
			o.add(t.perform(ctx, t.strikeAlone))
		})
	}
	all.Wait()
}

// restartBatch is a batch that shares one restart of the server: each trial
// meets it at its own phase. The server is up again when it returns, or the
// outcome says why not.
func (r *failoverRun) restartBatch(ctx context.Context, trials []*trial, o *outcome) {
	var all, ready sync.WaitGroup
	struck := make(chan struct{}) // closed with the failure
	for _, t := range trials {
		ready.Add(1)
		all.Go(func() {
			defer t.disarm()
			here := sync.OnceFunc(ready.Done)
			defer here()
			if err := t.arm(ctx); err != nil {
				o.add(times{}, err)
				return
			}
			o.add(t.perform(ctx, func(ctx context.Context) error {
				here()
				select {
				case <-struck:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}))
		})
	}
	ready.Wait()
	// Each acquired at a time of its own; one more of them spreads the failure.
	_ = pause(ctx, time.Duration(rand.Int64N(int64(r.c.Contender.Settings.RenewEvery))))
	if ctx.Err() == nil {
		for _, t := range trials {
			t.failNow()
		}
		stopped := time.Now()
		err := r.c.Contender.Faults.Stop()
		close(struck)
		_ = pause(ctx, r.c.Downtime)
		if err = errors.Join(err, r.c.Contender.Faults.Start()); err != nil {
			o.add(times{}, fmt.Errorf("restart of %s: %w", r.c.Contender.Backend, err))
		}
		o.down = append(o.down, time.Since(stopped))
	}
	all.Wait()
}

// describe makes the cell.
func (r *failoverRun) describe(f Failure, o *outcome, beside *machineWatch) Cell {
	c := r.c.Contender.cell(string(f), Label{"failure", string(f)}, Label{"waiters", fmt.Sprint(r.c.Waiters)})
	part := func(name string, get func(times) time.Duration, tried bool) {
		var all []time.Duration
		for _, t := range o.times {
			if !tried || t.tried {
				all = append(all, get(t))
			}
		}
		d, ok := distribution(name, all)
		c.addDistribution(d, ok)
		if ok && name != "phase" {
			c.addShares(d, all, r.ttl)
		}
	}
	part("detect", func(t times) time.Duration { return t.detect }, true)
	part("acquire", func(t times) time.Duration { return t.acquire }, true)
	part("resume", func(t times) time.Duration { return t.resume }, false)
	part("outage", func(t times) time.Duration { return t.outage }, false)
	part("failover", func(t times) time.Duration { return t.failover }, false)
	part("phase", func(t times) time.Duration { return t.phase }, false)
	r.addLateness(&c, f, o)
	c.Metrics = append(c.Metrics, Metric{Name: "trials", Unit: "trials", Value: float64(len(o.times))})
	stale, doubled := int64(0), 0
	for _, t := range o.times {
		stale += t.stale
		if t.doubled {
			doubled++
		}
	}
	c.Metrics = append(c.Metrics, Metric{Name: "stale accesses refused", Unit: "accesses", Value: float64(stale), Better: LowerIsBetter},
		Metric{Name: "two holders", Unit: "trials", Value: float64(doubled), Better: LowerIsBetter})
	if doubled > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("in %d trials the old holder still believed in its lease when the new one was granted, and went on writing: their outage says nothing", doubled))
	}
	if n := len(o.times); n < r.c.Trials {
		c.Notes = append(c.Notes, fmt.Sprintf("%d of %d trials", n, r.c.Trials))
	}
	if o.missing > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("in %d further trials the lock did not pass to another client", o.missing))
	}
	if o.void > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("%d further trials do not count: the holder lost its lock before it was made to fail, so the machine is too busy, or the ttl too short for it", o.void))
	}
	if f == Restart {
		c.addDistribution(distribution("downtime", o.down))
		c.Notes = append(c.Notes, fmt.Sprintf("the server was started again after %s (downtime is until that had been done); up to %d locks met the same restart, so the samples are not quite independent",
			r.c.Downtime, r.c.Parallel))
	}
	if len(o.times) > 0 && !o.times[0].tried {
		c.Notes = append(c.Notes, "the requests of this lock cannot be seen: detect and acquire are not told apart")
	}
	beside.describe(&c, r.ttl)
	return c
}

// LatenessName is the distribution of what a failover takes beyond what its lease
// says.
const LatenessName = "beyond the lease"

// addLateness tells what was measured from what could have been computed. A
// holder that fails has its lease for the rest of it: the ttl, and the drift that
// is allowed for, less the age of its last renewal. That is nearly all of a
// failover, on any machine, and its quantiles are those of the phase. What comes
// on top is the lock's and the machine's. It is of the failures after which no
// renewal arrives.
func (r *failoverRun) addLateness(c *Cell, f Failure, o *outcome) {
	if r.c.Contender.Name != subjects.ReferenceName || f != Crash && f != Partition && f != PartitionRequests {
		return
	}
	lease := r.ttl + r.ttl/maxPartsPerMillion*time.Duration(r.c.Contender.Settings.MaxClockDriftPPM)
	var late []time.Duration
	for _, t := range o.times {
		late = append(late, max(0, t.failover-(lease-t.phase)))
	}
	c.addDistribution(distribution(LatenessName, late))
	c.Notes = append(c.Notes, fmt.Sprintf(
		"of a failover %s less the age of the last renewal (phase) is arithmetic: the ttl and the clock drift that the lock allows for; %q is what was measured on top", lease, LatenessName))
}

// addShares gives a part as a share of the ttl: its median with the samples, and
// its 99th percentile.
func (c *Cell) addShares(d Distribution, all []time.Duration, ttl time.Duration) {
	samples := make([]float64, len(all))
	for i, t := range all {
		samples[i] = float64(t) / float64(ttl)
	}
	for _, m := range []struct {
		share   float64
		name    string
		samples []float64
	}{{0.5, "/ttl", samples}, {0.99, " p99/ttl", nil}} {
		q, ok := d.Quantile(m.share)
		if !ok {
			continue
		}
		c.Metrics = append(c.Metrics, Metric{
			Name: d.Name + m.name, Unit: "x", Value: float64(q.Value) / float64(ttl),
			Low: float64(q.Low) / float64(ttl), High: float64(q.High) / float64(ttl), Better: LowerIsBetter, Samples: m.samples,
		})
	}
}
