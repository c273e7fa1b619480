package nats_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/servers"
)

// BenchmarkUncontended measures an acquire of a free lock against one raw
// conditional update by the NATS client, turn by turn on one connection.
func BenchmarkUncontended(b *testing.B) {
	srv, err := servers.StartNATS(b.Context(), servers.NATSConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = srv.Stop() })
	conn, err := srv.Connect("bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		b.Fatal(err)
	}
	if err := nats.CreateBucket(b.Context(), js, nats.BucketConfig{Bucket: "bench"}); err != nil {
		b.Fatal(err)
	}
	store, err := nats.Open(b.Context(), js, nats.Config{Bucket: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(store.Close)
	kv, err := js.KeyValue(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	client, err := lock.New(store, lock.SystemRuntime{}, lock.Config{TTL: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	value := []byte(`{"v":1,"token":1000,"mode":"exclusive","holders":[{"id":"0123456789abcdef-1000","owner":"bench","ttl_ms":60000,"beat":1}]}`)
	revision, err := kv.Create(b.Context(), "raw", value)
	if err != nil {
		b.Fatal(err)
	}
	var acquire, swap time.Duration
	for b.Loop() {
		begun := time.Now()
		lease, err := client.Acquire(b.Context(), "l")
		acquire += time.Since(begun)
		if err != nil {
			b.Fatal(err)
		}
		if err := lease.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
		begun = time.Now()
		revision, err = kv.Update(b.Context(), "raw", value, revision)
		swap += time.Since(begun)
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(acquire)/float64(swap), "acquire/CAS")
	b.ReportMetric(float64(swap.Microseconds())/float64(b.N), "CAS-us")
}
