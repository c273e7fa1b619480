package nats_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/lock"
)

// cluster starts three servers, each with a client that knows it alone, and a
// bucket on all of them.
func cluster(t *testing.T) (*servers.NATSCluster, []lock.Store) {
	t.Helper()
	c, err := servers.StartNATSCluster(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	var stores []lock.Store
	for _, url := range c.URLs() {
		conn, err := natsgo.Connect(url, natsgo.MaxReconnects(-1), natsgo.ReconnectWait(20*time.Millisecond),
			natsgo.ReconnectBufSize(-1), natsgo.IgnoreDiscoveredServers())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		js, err := jetstream.New(conn)
		if err != nil {
			t.Fatal(err)
		}
		if err := nats.CreateBucket(t.Context(), js, nats.BucketConfig{Bucket: "replicated", Replicas: 3}); err != nil {
			t.Fatal(err)
		}
		store, err := nats.Open(t.Context(), js, nats.Config{Bucket: "replicated"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(store.Close)
		stores = append(stores, store)
	}
	return c, stores
}

// A lock outlives any one server: what the holder wrote is known to the others,
// and a token is not given out twice.
func TestALockOutlivesAServerOfTheCluster(t *testing.T) {
	c, stores := cluster(t)
	var clients []*lock.Client
	for _, s := range stores {
		client, err := lock.New(s, lock.SystemRuntime{}, lock.Config{TTL: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, client)
	}
	last := uint64(0)
	for i, name := range []string{"lockproof-0", "lockproof-1", "lockproof-2"} {
		holder := acquire(t, clients[i])
		if holder.Token() <= last {
			t.Fatalf("token %d after %d", holder.Token(), last)
		}
		last = holder.Token()
		if err := c.ShutdownServer(name); err != nil {
			t.Fatal(err)
		}
		// The holder's server is gone, and with it its renewals: the others
		// take over.
		next := acquire(t, clients[(i+1)%3])
		if next.Token() <= last {
			t.Fatalf("token %d after %d, on another server", next.Token(), last)
		}
		last = next.Token()
		if err := c.StartServer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if err := next.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// acquire is patient with an election.
func acquire(t *testing.T, c *lock.Client) *lock.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		lease, err := c.Acquire(ctx, "l")
		if err == nil {
			return lease
		}
		if ctx.Err() != nil || errors.Is(err, lock.ErrRefused) {
			t.Fatal(err)
		}
	}
}

// The server acknowledges a write a moment before it forgets that the write is
// under way, and turns down what comes in between, though it names the right
// revision. Nobody else writes here, so nothing may be called a conflict.
func TestAWriterAloneMeetsNoConflictOnACluster(t *testing.T) {
	_, stores := cluster(t)
	var writers sync.WaitGroup
	for i := range 4 * len(stores) {
		store, key := stores[i%len(stores)], fmt.Sprintf("alone-%d", i)
		writers.Go(func() {
			for round := range 150 {
				revision, err := store.CompareAndSwap(t.Context(), key, "", []byte("1"))
				if err == nil {
					revision, err = store.CompareAndSwap(t.Context(), key, revision, []byte("2"))
				}
				if err == nil {
					err = store.Delete(t.Context(), key, revision)
				}
				if err != nil {
					t.Errorf("%s, round %d: %v", key, round, err)
					return
				}
			}
		})
	}
	writers.Wait()
}
