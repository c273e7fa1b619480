package nats_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/lock"
)

// patience is how long what must happen may take.
const patience = 20 * time.Second

// consumers lists the consumers of the test's bucket.
func consumers(t *testing.T, js jetstream.JetStream) int {
	t.Helper()
	stream, err := js.Stream(t.Context(), "KV_"+bucketName(t))
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Consumers
}

// eventually asks again until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, again := time.NewTimer(patience), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// waiting starts a Wait and returns where its error will be.
func waiting(ctx context.Context, store *nats.Store, key string, after lock.Revision) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := store.Wait(ctx, key, after)
		done <- err
	}()
	return done
}

// ends returns how a call ended, which it must.
func ends(t *testing.T, done <-chan error) error {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case err := <-done:
		return err
	case <-deadline.C:
		t.Fatalf("a call still hangs after %v", patience)
		return nil
	}
}

func create(t *testing.T, store *nats.Store, key string) lock.Revision {
	t.Helper()
	revision, err := store.CompareAndSwap(t.Context(), key, "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func TestWaitersForAKeyShareOneConsumer(t *testing.T) {
	store, js := fresh(t, shared)
	ctx, cancel := context.WithCancel(t.Context())
	var waits []<-chan error
	for i := range 20 {
		key := "k" + strconv.Itoa(i%5)
		waits = append(waits, waiting(ctx, store, key, ""))
	}
	eventually(t, "a consumer for each key", func() bool { return consumers(t, js) >= 5 })
	if n := consumers(t, js); n != 5 {
		t.Errorf("%d consumers for 20 waits for 5 keys", n)
	}
	for i := range 4 {
		create(t, store, "k"+strconv.Itoa(i))
	}
	for i, done := range waits {
		if i%5 == 4 {
			continue
		}
		if err := ends(t, done); err != nil {
			t.Errorf("wait %d: %v", i, err)
		}
	}
	if n := consumers(t, js); n < 1 || n > 5 {
		t.Errorf("%d consumers while waits go on", n)
	}
	cancel()
	for i := 4; i < len(waits); i += 5 {
		if err := ends(t, waits[i]); !errors.Is(err, context.Canceled) {
			t.Errorf("wait %d, given up: %v", i, err)
		}
	}
}

func TestConsumerGoesAfterTheLastWaiter(t *testing.T) {
	store, js := fresh(t, shared)
	ctx, cancel := context.WithCancel(t.Context())
	done := waiting(ctx, store, "k", "")
	eventually(t, "a consumer", func() bool { return consumers(t, js) == 1 })
	cancel()
	_ = ends(t, done)
	eventually(t, "no consumer", func() bool { return consumers(t, js) == 0 })
	again := waiting(t.Context(), store, "k", "")
	eventually(t, "a consumer again", func() bool { return consumers(t, js) == 1 })
	create(t, store, "k")
	if err := ends(t, again); err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsWaitsAndRemovesTheConsumer(t *testing.T) {
	store, js := fresh(t, shared)
	done := waiting(t.Context(), store, "k", "")
	eventually(t, "a consumer", func() bool { return consumers(t, js) == 1 })
	store.Close()
	store.Close()
	if err := ends(t, done); !errors.Is(err, lock.ErrRefused) {
		t.Error("a wait that Close ended:", err)
	}
	if _, err := store.Wait(t.Context(), "k", ""); !errors.Is(err, lock.ErrRefused) {
		t.Error("a wait after Close:", err)
	}
	if n := consumers(t, js); n != 0 {
		t.Errorf("%d consumers after Close", n)
	}
	revision := create(t, store, "k")
	if err := store.Delete(t.Context(), "k", revision); err != nil {
		t.Error("a delete after Close:", err)
	}
}

// A consumer that an operator removes must not leave its waiters asleep.
func TestLostConsumerEndsWaits(t *testing.T) {
	store, js := fresh(t, shared)
	done := waiting(t.Context(), store, "k", "")
	eventually(t, "a consumer", func() bool { return consumers(t, js) == 1 })
	stream, err := js.Stream(t.Context(), "KV_"+bucketName(t))
	if err != nil {
		t.Fatal(err)
	}
	for name := range stream.ConsumerNames(t.Context()).Name() {
		if err := stream.DeleteConsumer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := ends(t, done); !errors.Is(err, lock.ErrUnavailable) {
		t.Fatal(err)
	}
	again := waiting(t.Context(), store, "k", "")
	create(t, store, "k")
	if err := ends(t, again); err != nil {
		t.Fatal("a wait after the loss:", err)
	}
}

func TestRestartEndsWaitsAndLaterOnesWork(t *testing.T) {
	srv, err := servers.StartNATS(t.Context(), servers.NATSConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()
	store, js := fresh(t, srv)
	revision := create(t, store, "k")
	for range 3 {
		done := waiting(t.Context(), store, "k", revision)
		eventually(t, "a consumer", func() bool { return consumers(t, js) == 1 })
		if err := srv.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ends(t, done); !errors.Is(err, lock.ErrUnavailable) {
			t.Fatal("a wait during a restart:", err)
		}
		eventually(t, "a connection", func() bool { return js.Conn().Status() == natsgo.CONNECTED })
		record, err := store.Get(t.Context(), "k")
		if err != nil || record.Revision != revision {
			t.Fatalf("after a restart: %+v, %v; want revision %q", record, err, revision)
		}
		again := waiting(t.Context(), store, "k", revision)
		if revision, err = store.CompareAndSwap(t.Context(), "k", revision, []byte("v")); err != nil {
			t.Fatal(err)
		}
		if err := ends(t, again); err != nil {
			t.Fatal("a wait after a restart:", err)
		}
	}
}

// Writers go on while the server restarts. Each call must end, and each claim
// must be true: what was acknowledged is there, what was definitely not written
// never shows, and only indefinite writes may go either way.
func TestWritesDuringRestartEndAndTellTheTruth(t *testing.T) {
	srv, err := servers.StartNATS(t.Context(), servers.NATSConfig{SyncAlways: true})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()
	_, js := fresh(t, srv)
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		store := open(t, connect(t, srv))
		writers.Go(func() { writeUntil(t, stop, store, "k"+strconv.Itoa(i)) })
	}
	for range 3 {
		if err := srv.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a connection", func() bool { return js.Conn().Status() == natsgo.CONNECTED })
	}
	close(stop)
	writers.Wait()
}

// writeUntil keeps writing key, of which it is the only writer, and checks at
// each step that what it finds is explained by what it was told.
func writeUntil(t *testing.T, stop <-chan struct{}, store *nats.Store, key string) {
	acknowledged, refuted, count := "", map[string]bool{}, 0
	for {
		select {
		case <-stop:
			return
		default:
		}
		record, err := store.Get(t.Context(), key)
		found := string(record.Value)
		switch {
		case err != nil && !errors.Is(err, lock.ErrNotFound):
			continue // the server is away
		case refuted[found]:
			t.Errorf("%s: %q was written, though its error denied it", key, found)
			return
		case found != acknowledged && number(found) < number(acknowledged):
			t.Errorf("%s: %q was acknowledged, %q was found", key, acknowledged, found)
			return
		}
		count++
		value := strconv.Itoa(count)
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		_, err = store.CompareAndSwap(ctx, key, record.Revision, []byte(value))
		cancel()
		switch {
		case err == nil:
			acknowledged = value
		case lock.Definite(err):
			refuted[value] = true
		}
	}
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
