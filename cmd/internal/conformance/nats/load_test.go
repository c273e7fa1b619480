package nats_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/lock"
)

// delivered is how many messages the server has sent to the consumers of the
// test's bucket.
func delivered(t *testing.T, js jetstream.JetStream) (messages uint64) {
	t.Helper()
	stream, err := js.Stream(t.Context(), "KV_"+bucketName(t))
	if err != nil {
		t.Fatal(err)
	}
	list := stream.ListConsumers(t.Context())
	for info := range list.Info() {
		messages += info.Delivered.Consumer
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return messages
}

func TestAWaiterIsSentTheWritesOfItsKeyAlone(t *testing.T) {
	store, js := fresh(t, shared)
	mine, beside := create(t, store, "mine"), create(t, store, "mine.too")
	done := waiting(t.Context(), store, "mine", mine)
	eventually(t, "a consumer", func() bool { return consumers(t, js) == 1 })
	for i := range 200 {
		create(t, store, "other"+strconv.Itoa(i))
	}
	if _, err := store.CompareAndSwap(t.Context(), "mine.too", beside, []byte("v")); err != nil {
		t.Fatal(err)
	}
	if n := delivered(t, js); n != 0 {
		t.Errorf("%d messages for 201 writes of other keys", n)
	}
	if _, err := store.CompareAndSwap(t.Context(), "mine", mine, []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, done); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the count of that", func() bool { return delivered(t, js) > 0 })
	if n := delivered(t, js); n != 1 {
		t.Errorf("%d messages for one write", n)
	}
}

func TestWaitsForManyKeysHaveABoundedNumberOfConsumers(t *testing.T) {
	const keys, most = 200, 64 + 1
	store, js := fresh(t, shared)
	revisions := make([]lock.Revision, keys)
	for i := range revisions {
		revisions[i] = create(t, store, "k"+strconv.Itoa(i))
	}
	for round := range 2 {
		var waits []<-chan error
		for i, revision := range revisions {
			waits = append(waits, waiting(t.Context(), store, "k"+strconv.Itoa(i), revision))
		}
		eventually(t, "all the consumers", func() bool { return consumers(t, js) >= most })
		if n := consumers(t, js); n != most {
			t.Errorf("round %d: %d consumers for %d keys", round, n, keys)
		}
		for i := range revisions {
			var err error
			if revisions[i], err = store.CompareAndSwap(t.Context(), "k"+strconv.Itoa(i), revisions[i], []byte("v")); err != nil {
				t.Fatal(err)
			}
		}
		for i, done := range waits {
			if err := ends(t, done); err != nil {
				t.Errorf("round %d: wait %d: %v", round, i, err)
			}
		}
	}
	eventually(t, "no consumer", func() bool { return consumers(t, js) == 0 })
}

// The filter is in the subject of the request that makes the consumer.
func TestTheLongestKeyCanBeWaitedFor(t *testing.T) {
	store, js := fresh(t, shared)
	key := strings.Repeat("k", 1024)
	revision := create(t, store, key)
	done := waiting(t.Context(), store, key, revision)
	eventually(t, "a consumer", func() bool { return consumers(t, js) == 1 })
	if err := store.Delete(t.Context(), key, revision); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, done); !errors.Is(err, lock.ErrNotFound) {
		t.Error(err)
	}
}

// A restart ends the waits of every key, and leaves nothing behind.
func TestARestartEndsTheWaitsOfEveryKey(t *testing.T) {
	srv, err := servers.StartNATS(t.Context(), servers.NATSConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()
	store, js := fresh(t, srv)
	for range 2 {
		var waits []<-chan error
		for i := range 100 {
			waits = append(waits, waiting(t.Context(), store, "k"+strconv.Itoa(i), ""))
		}
		eventually(t, "consumers", func() bool { return consumers(t, js) == 65 })
		if err := srv.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, done := range waits {
			if err := ends(t, done); !errors.Is(err, lock.ErrUnavailable) {
				t.Fatalf("wait %d during a restart: %v", i, err)
			}
		}
		eventually(t, "a connection", js.Conn().IsConnected)
	}
}

// BenchmarkWriteBesideWaiters writes a key that nobody waits for, beside clients
// that each wait for another.
func BenchmarkWriteBesideWaiters(b *testing.B) {
	for _, clients := range []int{0, 100, 300} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) { writeBeside(b, clients) })
	}
}

func writeBeside(b *testing.B, clients int) {
	ctx, cancel := context.WithCancel(b.Context())
	connection := func() (jetstream.JetStream, func()) {
		conn, err := shared.Connect("benchmark")
		if err != nil {
			b.Fatal(err)
		}
		js, err := jetstream.New(conn)
		if err != nil {
			b.Fatal(err)
		}
		return js, conn.Close
	}
	js, hangUp := connection()
	defer hangUp()
	bucket := "beside" + strconv.Itoa(clients)
	if err := nats.CreateBucket(ctx, js, nats.BucketConfig{Bucket: bucket}); err != nil {
		b.Fatal(err)
	}
	store, err := nats.Open(ctx, js, nats.Config{Bucket: bucket})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = js.DeleteKeyValue(context.Background(), bucket) }()
	defer store.Close()
	received := make([]func() uint64, 0, clients)
	for i := range clients {
		js, hangUp := connection()
		defer hangUp()
		waiter, err := nats.Open(ctx, js, nats.Config{Bucket: bucket})
		if err != nil {
			b.Fatal(err)
		}
		defer waiter.Close()
		done := waiting(ctx, waiter, "waited"+strconv.Itoa(i), "")
		defer drain(done)
		received = append(received, func() uint64 { return js.Conn().Stats().InMsgs })
	}
	defer cancel()
	total := func() (sum uint64) {
		for _, f := range received {
			sum += f()
		}
		return sum
	}
	stream, err := js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		b.Fatal(err)
	}
	for {
		info, err := stream.Info(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if info.State.Consumers >= clients {
			break
		}
	}
	var revision lock.Revision
	before := total()
	for b.Loop() {
		if revision, err = store.CompareAndSwap(ctx, "k", revision, []byte("v")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(total()-before)/float64(b.N), "messages/write")
}

// drain waits for the one value of a channel.
func drain[T any](c <-chan T) { <-c }
