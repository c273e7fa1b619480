package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
)

// BenchmarkSwitch is one step of a task: out of the scheduler, into the
// coroutine and back, two tasks taking turns.
func BenchmarkSwitch(b *testing.B) {
	w := newWorld(b, sim.Config{Chooser: sim.NewRandom(1), Clients: 1})
	b.ReportAllocs()
	for range 2 {
		n := w.Node(0)
		n.Go(func() {
			for range b.N / 2 {
				_ = n.Runtime().Sleep(context.Background(), 1)
			}
		})
	}
	b.ResetTimer()
	run(b, w, time.Hour)
	report(b, w.Counters().Switches, "switches/s")
}

// BenchmarkStoreOp is five clients that read and swap one key each, which is
// three events, a switch and four choices for each operation.
func BenchmarkStoreOp(b *testing.B) {
	w := newWorld(b, sim.Config{Chooser: sim.NewRandom(1), Clients: 5})
	b.ReportAllocs()
	for i := range 5 {
		n := w.Node(i)
		n.Go(func() { getAndSwap(b, n, n.String(), b.N/10) })
	}
	b.ResetTimer()
	run(b, w, 1000*time.Hour)
	report(b, w.Counters().StoreOps, "ops/s")
}

// BenchmarkStoreOpWithTimeout does what a lock does around each request: a task
// that sleeps for the timeout and cancels the request's context.
func BenchmarkStoreOpWithTimeout(b *testing.B) {
	w := newWorld(b, sim.Config{Chooser: sim.NewRandom(1), Clients: 5})
	b.ReportAllocs()
	for i := range 5 {
		n := w.Node(i)
		n.Go(func() {
			for range b.N / 5 {
				ctx, cancel := context.WithCancelCause(context.Background())
				join := n.Go(func() {
					if n.Runtime().Sleep(ctx, 5*time.Second) == nil {
						cancel(context.DeadlineExceeded)
					}
				})
				_, _ = n.Store().Get(ctx, "k")
				cancel(nil)
				join()
			}
		})
	}
	b.ResetTimer()
	run(b, w, 1000*time.Hour)
	report(b, w.Counters().StoreOps, "ops/s")
}

// BenchmarkTaskStart is a task started, run to its end and joined.
func BenchmarkTaskStart(b *testing.B) {
	w := newWorld(b, sim.Config{Chooser: sim.NewRandom(1), Clients: 1})
	b.ReportAllocs()
	n := w.Node(0)
	n.Go(func() {
		for range b.N {
			n.Go(func() {})()
		}
	})
	b.ResetTimer()
	run(b, w, 1)
	report(b, w.Counters().Tasks, "tasks/s")
}

// BenchmarkWorld is a world made, started and closed: the cost of one seed.
func BenchmarkWorld(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		w := newWorld(b, sim.Config{Chooser: sim.NewRandom(uint64(i)), Clients: 5})
		for j := range 5 {
			w.Node(j).Go(func() { getAndSwap(b, w.Node(j), "k", 1) })
		}
		run(b, w, time.Second)
		w.Close()
	}
}

func getAndSwap(tb testing.TB, n *sim.Node, key string, times int) {
	ctx := context.Background()
	var rev lock.Revision
	for range times {
		var err error
		if rev, err = n.Store().CompareAndSwap(ctx, key, rev, []byte("value")); err != nil {
			rev = ""
		}
		r, err := n.Store().Get(ctx, key)
		if err != nil && err != lock.ErrNotFound {
			tb.Error(err)
		}
		rev = r.Revision
	}
}

func report(b *testing.B, count uint64, unit string) {
	b.ReportMetric(float64(count)/b.Elapsed().Seconds(), unit)
}
