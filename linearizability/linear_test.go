package linearizability

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// manyLocks makes a history in which each of many locks is acquired and released
// some times. clientOf and processOf say by whom. All that acquire do so at once
// before the first is granted.
func manyLocks(locks, rounds int, clientOf, processOf func(lock int) int) (Params, History) {
	p := Params{TTL: 10 * time.Second, LivenessTTLs: 5, Promises: LeasePromises(10*time.Second, 0)}
	p.Promises.Tokens = true
	h := make(History, 0, 4*locks*rounds)
	names := make([]string, locks)
	for i := range names {
		names[i] = fmt.Sprintf("lock-%d", i)
	}
	now, grant := int64(0), int64(0)
	for range rounds {
		for _, do := range []struct {
			op    Op
			phase Phase
		}{{OpAcquire, Invoke}, {OpAcquire, Ok}, {OpRelease, Invoke}, {OpRelease, Ok}} {
			for i, name := range names {
				now++
				e := Event{At: now, Client: clientOf(i), Process: processOf(i), Lock: name, Op: do.op, Phase: do.phase}
				if do.op == OpRelease || do.phase == Ok {
					e.Grant = grant + 1 + int64(i)
				}
				if do.op == OpAcquire && do.phase == Ok {
					e.Token = uint64(e.Grant)
				}
				h = append(h, e)
			}
		}
		grant += int64(locks)
	}
	return p, h
}

// TestMemoryIsLinearInEvents: four times the locks, and so the events, may cost
// about four times the memory. A row of clients for each lock would cost 16 times.
func TestMemoryIsLinearInEvents(t *testing.T) {
	one, each := func(int) int { return 0 }, func(lock int) int { return lock }
	for name, of := range map[string]struct{ client, process func(int) int }{
		"a client for each lock":                      {each, each},
		"one client, one process":                     {one, one},
		"one client, a process for each lock":         {one, each},
		"a hundred clients, a process for each lock":  {func(lock int) int { return lock % 100 }, each},
		"a hundred clients, a process for each of it": {func(lock int) int { return lock % 100 }, func(lock int) int { return lock % 100 }},
	} {
		cost := func(locks int) uint64 {
			p, h := manyLocks(locks, 3, of.client, of.process)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			v := Check(context.Background(), p, h)
			runtime.ReadMemStats(&after)
			if v.Verdict == Violation || v.Malformed != "" {
				t.Fatalf("%s: %+v", name, v)
			}
			return after.TotalAlloc - before.TotalAlloc
		}
		small, large := cost(2_000), cost(8_000)
		t.Logf("%s: %d and %d bytes", name, small, large)
		if large > 6*small {
			t.Errorf("%s: 2,000 locks cost %d bytes, 8,000 cost %d", name, small, large)
		}
	}
}

// BenchmarkManyLocks judges a million events of ten thousand locks.
func BenchmarkManyLocks(b *testing.B) {
	one, each := func(int) int { return 0 }, func(lock int) int { return lock }
	for name, of := range map[string]func(int) int{"each": each, "one": one} {
		b.Run(name, func(b *testing.B) {
			p, h := manyLocks(10_000, 25, of, of)
			b.ReportAllocs()
			for b.Loop() {
				if v := Check(context.Background(), p, h); v.Verdict == Violation || v.Malformed != "" {
					b.Fatal(v)
				}
			}
		})
	}
}
