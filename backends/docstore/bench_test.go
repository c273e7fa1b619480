package docstore_test

import (
	"context"
	"testing"
	"time"

	gocloud "gocloud.dev/docstore"

	"github.com/lockproof/lockproof/lock"
)

// BenchmarkUncontended compares an acquire with one conditional replacement by
// docstore alone, by turns on the same connection.
func BenchmarkUncontended(b *testing.B) {
	for _, d := range []driver{memory(), onDynamoDB(), onFirestore()} {
		b.Run(d.name, func(b *testing.B) {
			coll := d.fresh(b)(b, "")
			c := client(b, open(b, coll, d.config), "bench", lock.Config{TTL: time.Minute})
			swap := rawSwap(b, coll)
			var acquire, swaps time.Duration
			for b.Loop() {
				begun := time.Now()
				lease, err := c.Acquire(b.Context(), "l")
				acquire += time.Since(begun)
				if err != nil {
					b.Fatal(err)
				}
				if err := lease.Release(b.Context()); err != nil {
					b.Fatal(err)
				}
				begun = time.Now()
				swap()
				swaps += time.Since(begun)
			}
			b.ReportMetric(float64(acquire)/float64(swaps), "acquire/CAS")
			b.ReportMetric(float64(swaps.Microseconds())/float64(b.N), "CAS-us")
		})
	}
}

// rawSwap returns a function that replaces a document of its own, as long as
// that of a held lock, on the condition that it is unchanged.
func rawSwap(b *testing.B, coll *gocloud.Collection) func() {
	doc := map[string]any{
		"ID": "raw", gocloud.DefaultRevisionField: nil,
		"Value": `{"v":1,"token":1000,"mode":"x","holders":[{"id":"0123456789abcdef-1000","owner":"bench","ttl":60000,"beat":1}]}`,
	}
	if err := coll.Create(b.Context(), doc); err != nil {
		b.Fatal(err)
	}
	n := 0
	return func() {
		n++
		doc["n"] = n // Firestore keeps the revision of what stays as it is
		if err := coll.Replace(b.Context(), doc); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandOff measures from the call of a release to the return of the
// acquire that waits for it, on another connection, which finds out by polling
// every 5 ms.
func BenchmarkHandOff(b *testing.B) {
	for _, d := range []driver{memory(), onDynamoDB(), onFirestore()} {
		b.Run(d.name, func(b *testing.B) {
			opener := d.fresh(b)
			config := lock.Config{TTL: time.Minute, PollEvery: 5 * time.Millisecond}
			first := opener(b, "")
			holder := client(b, open(b, first, d.config), "holder", config)
			asked := make(chan struct{}, 1)
			waiter := client(b, noticing{open(b, opener(b, ""), d.config), asked}, "waiter", config)
			swap := rawSwap(b, first)
			var handOff, swaps time.Duration
			for b.Loop() {
				handOff += handOver(b, holder, waiter, asked)
				begun := time.Now()
				swap()
				swaps += time.Since(begun)
			}
			b.ReportMetric(float64(handOff)/float64(swaps), "handoff/CAS")
			b.ReportMetric(float64(handOff.Microseconds())/float64(b.N), "handoff-us")
		})
	}
}

// noticing tells when a client has looked at the record.
type noticing struct {
	lock.Store
	asked chan<- struct{}
}

func (n noticing) Get(ctx context.Context, key string) (lock.Record, error) {
	record, err := n.Store.Get(ctx, key)
	select {
	case n.asked <- struct{}{}:
	default:
	}
	return record, err
}

func handOver(b *testing.B, holder, waiter *lock.Client, asked <-chan struct{}) time.Duration {
	held, err := holder.Acquire(b.Context(), "l")
	if err != nil {
		b.Fatal(err)
	}
	select {
	case <-asked: // of the turn before
	default:
	}
	var next *lock.Lease
	var granted time.Time
	done := make(chan error, 1)
	go func() {
		var err error
		next, err = waiter.Acquire(b.Context(), "l")
		granted = time.Now()
		done <- err
	}()
	<-asked
	begun := time.Now()
	if err := held.Release(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if err := next.Release(b.Context()); err != nil {
		b.Fatal(err)
	}
	return granted.Sub(begun)
}
