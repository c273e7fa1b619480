package targets_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/lock"
)

// value is as long as the record of a held lock.
var value = []byte(`{"v":1,"token":1000,"mode":"x","holders":[{"id":"0123456789abcdef-1000","owner":"bench","ttl":60000,"beat":1}]}`)

// eachTarget runs f on every store that can be had here.
func eachTarget(b *testing.B, f func(b *testing.B, t target.Target)) {
	for _, k := range targets.All() {
		b.Run(k.Name, func(b *testing.B) {
			t, err := k.Open(b.Context(), target.Options{Container: "lockproof-bench"})
			require.Server(b, k.Server, err)
			b.Cleanup(func() {
				if err := t.Close(); err != nil {
					b.Error(err)
				}
			})
			f(b, t)
		})
	}
}

func connect(b *testing.B, t target.Target, client int) (*target.Connection, *lock.Client) {
	b.Helper()
	c, err := t.Connect(b.Context(), client, "")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	locks, err := lock.New(c.Store, lock.SystemRuntime{}, lock.Config{TTL: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	return c, locks
}

func floor(b *testing.B, c *target.Connection) func() time.Duration {
	b.Helper()
	swap, err := c.Floor(b.Context(), "floor")
	if err != nil {
		b.Fatal(err)
	}
	return func() time.Duration {
		begun := time.Now()
		if err := swap(b.Context(), value); err != nil {
			b.Fatal(err)
		}
		return time.Since(begun)
	}
}

// ratio reports the medians, because one slow sync says nothing about a lock.
func ratio(b *testing.B, name string, measured, cas []time.Duration) {
	slices.Sort(measured)
	slices.Sort(cas)
	m, c := measured[len(measured)/2], cas[len(cas)/2]
	b.ReportMetric(float64(m)/float64(c), name)
	b.ReportMetric(float64(c.Nanoseconds())/1e3, "CAS-us")
}

// BenchmarkUncontended: an acquire of a free lock against a conditional update
// by the store's own client, turn by turn on one connection.
func BenchmarkUncontended(b *testing.B) {
	eachTarget(b, func(b *testing.B, t target.Target) {
		connection, locks := connect(b, t, 0)
		raw := floor(b, connection)
		var acquires, swaps []time.Duration
		for b.Loop() {
			begun := time.Now()
			lease, err := locks.Acquire(b.Context(), "l")
			acquires = append(acquires, time.Since(begun))
			if err != nil {
				b.Fatal(err)
			}
			if err := lease.Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			swaps = append(swaps, raw())
		}
		ratio(b, "acquire/CAS", acquires, swaps)
	})
}

// BenchmarkHandOff: from the call of Release at one client to the return of
// Acquire at another, which waits on a connection of its own.
func BenchmarkHandOff(b *testing.B) {
	eachTarget(b, func(b *testing.B, t target.Target) {
		connection, first := connect(b, t, 0)
		if !lock.CapabilitiesOf(connection.Store).Watch {
			b.Skip("it cannot watch: how often a waiter looks decides, not the store")
		}
		_, second := connect(b, t, 1)
		raw := floor(b, connection)
		var handOffs, swaps []time.Duration
		holder := acquire(b, first)
		for b.Loop() {
			handOffs = append(handOffs, handOff(b, holder, second))
			holder = acquire(b, first)
			swaps = append(swaps, raw())
		}
		ratio(b, "hand-off/CAS", handOffs, swaps)
	})
}

func acquire(b *testing.B, locks *lock.Client) *lock.Lease {
	b.Helper()
	lease, err := locks.Acquire(b.Context(), "l")
	if err != nil {
		b.Fatal(err)
	}
	return lease
}

// handOff gives the lock to a client that has begun to wait, and returns it.
func handOff(b *testing.B, holder *lock.Lease, next *lock.Client) time.Duration {
	b.Helper()
	type outcome struct {
		lease *lock.Lease
		at    time.Time
		err   error
	}
	got := make(chan outcome)
	go func() {
		lease, err := next.Acquire(context.WithoutCancel(b.Context()), "l")
		got <- outcome{lease, time.Now(), err}
	}()
	time.Sleep(settle)
	begun := time.Now()
	if err := holder.Release(b.Context()); err != nil {
		b.Fatal(err)
	}
	o := <-got
	if o.err != nil {
		b.Fatal(o.err)
	}
	if err := o.lease.Release(b.Context()); err != nil {
		b.Fatal(err)
	}
	return o.at.Sub(begun)
}

// settle is how long a waiter takes to wait, at most.
const settle = 20 * time.Millisecond
