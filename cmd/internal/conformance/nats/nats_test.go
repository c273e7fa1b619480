package nats_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/lock"
)

// shared is the server of all tests that do not restart theirs.
var shared *servers.NATS

func TestMain(m *testing.M) {
	var err error
	if shared, err = servers.StartNATS(context.Background(), servers.NATSConfig{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := keepOneStream(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// keepOneStream: when its last stream is deleted, nats-server 2.15 removes the
// account's directory in the background, and a stream that is created meanwhile
// fails ("error creating store for stream").
func keepOneStream() error {
	conn, err := shared.Connect("keep")
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	return nats.CreateBucket(context.Background(), js, nats.BucketConfig{Bucket: "keep"})
}

// connect opens a connection of its own and closes it after the test.
func connect(t *testing.T, srv *servers.NATS, opts ...natsgo.Option) jetstream.JetStream {
	t.Helper()
	conn, err := srv.Connect(t.Name(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if srv == shared {
		dropAfter(t, js)
	}
	return js
}

// dropAfter deletes the test's bucket after the test, to keep the server small.
func dropAfter(t *testing.T, js jetstream.JetStream) {
	t.Cleanup(func() {
		if js.Conn().IsClosed() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := js.DeleteKeyValue(ctx, bucketName(t)); err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
			t.Error(err)
		}
	})
}

// buckets holds the bucket of each test that runs: repeated runs of a test must
// not meet in one bucket, nor in one that is still being removed.
var buckets sync.Map

// bucketName is the test's name, fit for a bucket, and a random part.
func bucketName(t *testing.T) string {
	fit := strings.NewReplacer("/", "_", "#", "_").Replace(t.Name())
	name, _ := buckets.LoadOrStore(t, fit+"_"+rand.Text()[:8])
	return name.(string)
}

func open(t *testing.T, js jetstream.JetStream) *nats.Store {
	t.Helper()
	store, err := nats.Open(t.Context(), js, nats.Config{Bucket: bucketName(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// fresh makes a bucket for the test and opens it.
func fresh(t *testing.T, srv *servers.NATS) (*nats.Store, jetstream.JetStream) {
	t.Helper()
	js := connect(t, srv)
	if err := nats.CreateBucket(t.Context(), js, nats.BucketConfig{Bucket: bucketName(t)}); err != nil {
		t.Fatal(err)
	}
	return open(t, js), js
}

// Buckets made by `nats kv add` allow direct gets and keep delete markers with
// a history.
func TestStoreKeepsTheContractOnAnOrdinaryBucket(t *testing.T) {
	js := connect(t, shared)
	_, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucketName(t), History: 5, Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
	keepsTheContract(t, open(t, js), open(t, connect(t, shared)))
}

func keepsTheContract(t *testing.T, store, other lock.Store) {
	options := backendtest.Options{Other: other}
	for _, c := range backendtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if why := c.Skip(store, options); why != "" {
				t.Skip(why)
			}
			if err := c.Run(t.Context(), store, options); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRecordsAreReadableWithTheKeyValueAPI(t *testing.T) {
	store, js := fresh(t, shared)
	revision, err := store.CompareAndSwap(t.Context(), "team/my report", "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bucketName(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := kv.Get(t.Context(), "team/my=20report")
	if err != nil || string(got.Value()) != "v" || fmt.Sprint(got.Revision()) != string(revision) {
		t.Fatalf("got %+v, %v; want v at %s", got, err, revision)
	}
	if err := kv.Delete(t.Context(), "team/my=20report"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), "team/my report"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatal("after a delete by the key-value API:", err)
	}
}

// Removing delete markers must not bring old revisions back.
func TestPurgedMarkersKeepRevisionsApart(t *testing.T) {
	store, js := fresh(t, shared)
	ctx := t.Context()
	first, err := store.CompareAndSwap(ctx, "k", "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, "k", first); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(ctx, bucketName(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(-1)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.CompareAndSwap(ctx, "k", first, nil); !errors.Is(err, lock.ErrConflict) {
		t.Fatal("update with a revision from before:", err)
	}
	second, err := store.CompareAndSwap(ctx, "k", "", []byte("v"))
	if err != nil || second == first {
		t.Fatalf("made anew at %q, before at %q, %v", second, first, err)
	}
}

func TestPutAndRemoveAskForNothing(t *testing.T) {
	store, _ := fresh(t, shared)
	ctx := t.Context()
	if err := store.Remove(ctx, "k"); err != nil {
		t.Fatal("remove of a missing key:", err)
	}
	if _, err := store.CompareAndSwap(ctx, "k", "", []byte("one")); err != nil {
		t.Fatal("create over a purge marker:", err)
	}
	revision, err := store.Put(ctx, "k", []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	if record, err := store.Get(ctx, "k"); err != nil || string(record.Value) != "two" || record.Revision != revision {
		t.Fatalf("got %+v, %v", record, err)
	}
	if err := store.Remove(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(ctx, "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatal("after remove:", err)
	}
}

func TestForeignRevisionsAreRefused(t *testing.T) {
	store, _ := fresh(t, shared)
	for _, revision := range []lock.Revision{"0", "00", "007", "+1", "-1", "x", "18446744073709551616"} {
		if _, err := store.CompareAndSwap(t.Context(), "k", revision, nil); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("update with revision %q: %v", revision, err)
		}
		if err := store.Delete(t.Context(), "k", revision); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("delete with revision %q: %v", revision, err)
		}
		if _, err := store.Wait(t.Context(), "k", revision); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("wait beyond revision %q: %v", revision, err)
		}
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	store, _ := fresh(t, shared)
	if _, err := store.CompareAndSwap(t.Context(), "k", "", make([]byte, 2<<20)); !errors.Is(err, lock.ErrRefused) {
		t.Error("value beyond max_payload:", err)
	}
	if _, err := store.CompareAndSwap(t.Context(), strings.Repeat("k", 1025), "", nil); !errors.Is(err, lock.ErrRefused) {
		t.Error("key beyond 1024 bytes:", err)
	}
	if _, err := store.CompareAndSwap(t.Context(), strings.Repeat("k", 1024), "", nil); err != nil {
		t.Error("key of 1024 bytes:", err)
	}
}

func TestMissingStreamIsDefinite(t *testing.T) {
	store, js := fresh(t, shared)
	if err := js.DeleteKeyValue(t.Context(), bucketName(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.CompareAndSwap(t.Context(), "k", "", nil); !errors.Is(err, lock.ErrUnavailable) {
		t.Error("write without responders:", err)
	}
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrRefused) {
		t.Error("read of a deleted bucket:", err)
	}
}

func TestClosedConnectionIsRefused(t *testing.T) {
	store, js := fresh(t, shared)
	connect(t, shared) // drops the bucket
	js.Conn().Close()
	if _, err := store.CompareAndSwap(t.Context(), "k", "", nil); !errors.Is(err, lock.ErrRefused) {
		t.Error(err)
	}
}

// A server that is down must not get the write when it comes back: the client
// library would keep it and send it then.
func TestNothingIsSentLaterWhileDisconnected(t *testing.T) {
	srv, err := servers.StartNATS(t.Context(), servers.NATSConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()
	lost, back := make(chan struct{}, 8), make(chan struct{}, 8)
	js := connect(t, srv,
		natsgo.DisconnectErrHandler(func(*natsgo.Conn, error) { lost <- struct{}{} }),
		natsgo.ReconnectHandler(func(*natsgo.Conn) { back <- struct{}{} }))
	if err := nats.CreateBucket(t.Context(), js, nats.BucketConfig{Bucket: bucketName(t)}); err != nil {
		t.Fatal(err)
	}
	store := open(t, js)
	srv.Shutdown()
	<-lost
	began := time.Now()
	if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte("late")); !errors.Is(err, lock.ErrUnavailable) {
		t.Fatal("write while disconnected:", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Fatalf("a write that was not sent took %v", took)
	}
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-back
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatal("after reconnecting:", err)
	}
}
