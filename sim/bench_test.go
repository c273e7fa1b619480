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

// BenchmarkReferenceLock is five clients of the real lock that contend for one
// lock under crashes, pauses and lost replies; no history is written.
func BenchmarkReferenceLock(b *testing.B) {
	b.Run("uninterrupted", func(b *testing.B) { benchmarkReferenceLock(b, 0) })
	b.Run("preempted", func(b *testing.B) { benchmarkReferenceLock(b, 120) })
}

func benchmarkReferenceLock(b *testing.B, preemptEvery int) {
	var ops uint64
	const virtual = 2 * time.Minute
	for i := range b.N {
		w, err := sim.New(sim.Config{Chooser: sim.NewRandom(uint64(i)), Clients: 5, Plan: everything(uint64(i)),
			PreemptEvery: preemptEvery})
		if err != nil {
			b.Fatal(err)
		}
		for j := range 5 {
			n := w.Node(j)
			n.OnStart(func() { contend(b, n) })
		}
		run(b, w, virtual)
		ops += w.Counters().StoreOps
		w.Close()
	}
	report(b, ops, "ops/s")
	b.ReportMetric(float64(b.N)*virtual.Seconds()/b.Elapsed().Seconds(), "x-real-time")
}

func contend(tb testing.TB, n *sim.Node) {
	ctx := context.Background()
	client, err := lock.New(n.Store(), n.Runtime(), lock.Config{Owner: n.String(), TTL: 10 * time.Second})
	if err != nil {
		tb.Error(err)
		return
	}
	for {
		lease, err := client.Acquire(ctx, "orders")
		if err != nil {
			_ = n.Runtime().Sleep(ctx, time.Second)
			continue
		}
		_ = n.Runtime().Sleep(lease.Context(), time.Second)
		_ = lease.Release(ctx)
	}
}

// BenchmarkTaskStart is a task started, run to its end and joined.
func BenchmarkTaskStart(b *testing.B) {
	w := newWorld(b, sim.Config{Chooser: sim.NewRandom(1), Clients: 1})
	b.ReportAllocs()
	n := w.Node(0)
	n.Go(func() {
		for i := range b.N {
			n.Go(func() {})()
			if i%1000 == 0 { // an instant must end some time
				_ = n.Runtime().Sleep(context.Background(), 1)
			}
		}
	})
	b.ResetTimer()
	run(b, w, time.Hour)
	report(b, w.Counters().Tasks, "tasks/s")
}

// BenchmarkWorld is a world made, started and closed: the cost of one seed.
func BenchmarkWorld(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		w, err := sim.New(sim.Config{Chooser: sim.NewRandom(uint64(i)), Clients: 5})
		if err != nil {
			b.Fatal(err)
		}
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
		_, _ = n.Store().CompareAndSwap(ctx, key, rev, []byte("value")) // a conflict is read again
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
