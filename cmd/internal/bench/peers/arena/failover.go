package arena

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/subjects"
)

// failoverLimit bounds a failover, beyond three leases.
const failoverLimit = time.Minute

// failover crashes holders, all contenders' at once: a failover is a matter of
// seconds of waiting, and side by side they meet the same server. Each holder is
// a client of its own that keeps its lease for one or two renewals, and dies at
// a random moment; one client of the contender waits for each of its locks.
func failover(ctx context.Context, s *Server, o Options) []outcome {
	outcomes := make([]outcome, len(s.Contenders))
	var all sync.WaitGroup
	for i, c := range s.Contenders {
		if c.NoFailover != "" {
			outcomes[i].notes = []string{"not measured: " + c.NoFailover}
			continue
		}
		all.Go(func() { outcomes[i] = failovers(ctx, c, o.Failovers) })
	}
	all.Wait()
	return outcomes
}

func failovers(ctx context.Context, c Contender, n int) outcome {
	ctx, cancel := context.WithTimeout(ctx, failoverLimit+6*c.Lease.TTL)
	defer cancel()
	waiter, err := c.Open(ctx, c.Lock+"-waiter")
	if err != nil {
		return outcome{err: err}
	}
	defer waiter.Close()
	times, errs := make([]time.Duration, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { times[i], errs[i] = oneFailover(ctx, c, waiter, strconv.Itoa(i)) })
	}
	all.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return outcome{err: errs[i]}
	}
	var ns, parts []float64
	for _, d := range times {
		ns, parts = append(ns, float64(d)), append(parts, float64(d)/float64(c.Lease.TTL))
	}
	return outcome{
		times: times,
		series: []series{
			{name: "failover", unit: "ns", samples: ns, compared: true},
			{name: "failover/ttl", unit: "x", samples: parts},
		},
		extra: []bench.Metric{{Name: "slowest failover/ttl", Unit: "x", Value: slices.Max(parts), Better: bench.LowerIsBetter}},
	}
}

func oneFailover(ctx context.Context, c Contender, waiter Client, number string) (time.Duration, error) {
	holder, err := c.Open(ctx, c.Lock+"-holder-"+number)
	if err != nil {
		return 0, err
	}
	defer holder.Close()
	name := lockName(c, "failover-"+number)
	held, err := holder.Acquire(ctx, name, subjects.Options{})
	if err != nil {
		return 0, fmt.Errorf("acquire: %w", err)
	}
	type grant struct {
		at    time.Time
		lease subjects.Lease
		err   error
	}
	granted := make(chan grant, 1)
	waiting, stop := context.WithCancel(ctx)
	go func() {
		l, err := waiter.Acquire(waiting, name, subjects.Options{})
		granted <- grant{time.Now(), l, err}
	}()
	alive := sleep(ctx, between(c.Lease.RenewEvery, 2*c.Lease.RenewEvery))
	crashed := time.Now()
	holder.Crash()
	if !alive {
		stop()
	}
	next := <-granted
	stop()
	switch {
	case next.err != nil:
		return 0, fmt.Errorf("acquire after the crash: %w", next.err)
	case next.at.Before(crashed):
		return 0, fmt.Errorf("the lock was granted %s before its holder crashed (lost: %v)", crashed.Sub(next.at), held.Lost().Err())
	}
	ending, cancel := context.WithTimeout(ctx, operationLimit)
	defer cancel()
	return next.at.Sub(crashed), next.lease.Release(ending)
}
