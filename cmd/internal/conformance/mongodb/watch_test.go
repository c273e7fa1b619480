package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lockproof/lockproof/backends/mongodb"
	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
)

// streaming starts a server of the test's own that has change streams.
func streaming(t testing.TB) *servers.MongoDB {
	t.Helper()
	srv, err := servers.StartMongoDB(t.Context(), servers.MongoDBConfig{ChangeStreams: true})
	require.Server(t, "mongodb", err)
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// watching opens a store that has change streams, or skips the test.
func watching(t testing.TB, collection *mongo.Collection) *mongodb.Store {
	t.Helper()
	store := open(t, collection, mongodb.Config{})
	if !store.Capabilities().Watch {
		t.Skip("the server of MONGODB_URI has no change streams")
	}
	return store
}

// counting is a client that counts the commands called name.
func counting(t testing.TB, srv *servers.MongoDB, name string) (*mongo.Client, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	client, err := mongo.Connect(options.Client().ApplyURI(srv.URI("")).SetMonitor(&event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if e.CommandName == name {
				n.Add(1)
			}
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client, &n
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
func waiting(ctx context.Context, store *mongodb.Store, key string, after lock.Revision) <-chan error {
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

func create(t *testing.T, store *mongodb.Store, key string) lock.Revision {
	t.Helper()
	revision, err := store.CompareAndSwap(t.Context(), key, "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func TestStoreKeepsTheContractWithChangeStreams(t *testing.T) {
	srv := streaming(t)
	collection := freshCollection(t, connectTo(t, srv, ""))
	keepsTheContract(t, watching(t, collection), watching(t, at(connectTo(t, srv, ""), collection)))
}

func TestWaitersShareOneChangeStream(t *testing.T) {
	srv := streaming(t)
	client, opened := counting(t, srv, "aggregate")
	store := watching(t, freshCollection(t, client))
	probe := opened.Load()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var waits []<-chan error
	for i := range 20 {
		waits = append(waits, waiting(ctx, store, "k"+strconv.Itoa(i%5), ""))
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
	cancel()
	for i := 4; i < len(waits); i += 5 {
		if err := ends(t, waits[i]); !errors.Is(err, context.Canceled) {
			t.Errorf("wait %d, given up: %v", i, err)
		}
	}
	if n := opened.Load() - probe; n != 1 {
		t.Errorf("%d change streams were opened for 20 waits", n)
	}
}

func TestCloseEndsWaits(t *testing.T) {
	srv := streaming(t)
	client, asked := counting(t, srv, "getMore")
	store := watching(t, freshCollection(t, client))
	done := waiting(t.Context(), store, "k", "")
	eventually(t, "a change stream", func() bool { return asked.Load() > 0 })
	store.Close()
	store.Close()
	if err := ends(t, done); !errors.Is(err, lock.ErrRefused) {
		t.Error("a wait that Close ended:", err)
	}
	if _, err := store.Wait(t.Context(), "k", ""); !errors.Is(err, lock.ErrRefused) {
		t.Error("a wait after Close:", err)
	}
	revision := create(t, store, "k")
	if err := store.Delete(t.Context(), "k", revision); err != nil {
		t.Error("a delete after Close:", err)
	}
}

// What somebody else does by hand wakes, whether the event shows it or not.
func TestForeignWritesWake(t *testing.T) {
	srv := streaming(t)
	collection := freshCollection(t, connectTo(t, srv, ""))
	store := watching(t, collection)
	for i, update := range []bson.D{
		{{Key: "$set", Value: bson.D{{Key: "note", Value: "hello"}}}, {Key: "$unset", Value: bson.D{{Key: "revision", Value: 1}}}},
		{{Key: "$unset", Value: bson.D{{Key: "value", Value: 1}}}},
	} {
		key := fmt.Sprint("k", i)
		revision := create(t, store, key)
		done := waiting(t.Context(), store, key, revision)
		if _, err := collection.UpdateByID(t.Context(), key, update); err != nil {
			t.Fatal(err)
		}
		if err := ends(t, done); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("update %d: %v", i, err)
		}
	}
}

// Waits go on over a restart, or end; none sleeps through a change after it.
func TestNoWaitSleepsThroughARestart(t *testing.T) {
	srv := streaming(t)
	if !srv.Local() {
		t.Skip("the server is not ours to restart")
	}
	client, asked := counting(t, srv, "getMore")
	store := watching(t, freshCollection(t, client))
	revision := create(t, store, "k")
	for range 3 {
		before := asked.Load()
		done := waiting(t.Context(), store, "k", revision)
		eventually(t, "a change stream", func() bool { return asked.Load() > before })
		if err := srv.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the record as it was", func() bool {
			record, err := store.Get(t.Context(), "k")
			return err == nil && record.Revision == revision
		})
		ended := false
		eventually(t, "the end of a wait", func() bool {
			if next, err := store.CompareAndSwap(t.Context(), "k", revision, []byte("v")); err == nil {
				revision = next
			}
			select {
			case err := <-done:
				if ended = true; err != nil && !errors.Is(err, lock.ErrUnavailable) {
					t.Errorf("a wait during a restart: %v", err)
				}
			default:
			}
			return ended
		})
	}
}

// A connection on which nothing comes any more, and nothing breaks, is noticed.
func TestASilentConnectionEndsWaits(t *testing.T) {
	srv := streaming(t)
	collection := freshCollection(t, connectTo(t, srv, ""))
	beside := watching(t, collection)
	proxy, err := live.NewProxy(srv.Address(), live.ProxyConfig{Choices: live.NewChoices(noJitter{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	store := watching(t, at(connectTo(t, srv, proxy.Addr()), collection))
	revision := create(t, beside, "k")
	done := waiting(t.Context(), store, "k", revision)
	other, err := store.CompareAndSwap(t.Context(), "other", "", nil) // the way is open
	if err != nil {
		t.Fatal(err)
	}
	proxy.Cut(live.Requests, live.Replies)
	if _, err := beside.CompareAndSwap(t.Context(), "k", revision, nil); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, done); !errors.Is(err, lock.ErrUnavailable) {
		t.Errorf("a wait on a silent connection: %v", err)
	}
	proxy.Heal(live.Requests, live.Replies)
	eventually(t, "a wait that works again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience/3)
		defer cancel()
		record, err := store.Wait(ctx, "k", revision)
		return err == nil && record.Revision != revision && record.Revision != other
	})
}

func TestWaitsPollWithoutChangeStreams(t *testing.T) {
	store := open(t, freshCollection(t, connect(t, "")), mongodb.Config{NoWatch: true})
	if store.Capabilities().Watch {
		t.Error("it declares that it can watch")
	}
	revision := create(t, store, "k")
	done := waiting(t.Context(), store, "k", revision)
	if err := store.Delete(t.Context(), "k", revision); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, done); !errors.Is(err, lock.ErrNotFound) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	done = waiting(ctx, store, "k", "")
	enough := errors.New("enough")
	cancel(enough)
	if err := ends(t, done); !errors.Is(err, enough) {
		t.Error(err)
	}
}
