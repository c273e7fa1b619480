package mongodb_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lockproof/lockproof/backends/mongodb"
	"github.com/lockproof/lockproof/lock"
)

// losing makes one write whose reply is lost. The driver's own heartbeat may
// take the cut for itself, so it is tried until a call fails.
func losing(t *testing.T, proxy interface{ CutReplyAfter(int) <-chan struct{} }, write func() error) error {
	t.Helper()
	for range 20 {
		done := proxy.CutReplyAfter(0)
		if err := write(); err != nil && !errors.Is(err, lock.ErrUnavailable) {
			<-done
			return err
		}
	}
	t.Fatal("no reply was lost")
	return nil
}

func TestALostReplyIsIndefiniteAndTheWriteThere(t *testing.T) {
	beside, collection := fresh(t)
	behind, proxy := behindProxy(t, collection)
	key := ""
	err := losing(t, proxy, func() error {
		key += "k"
		_, err := behind.CompareAndSwap(t.Context(), key, "", []byte("v"))
		return err
	})
	if lock.Definite(err) {
		t.Fatalf("a write whose reply was lost: %v", err)
	}
	record, err := beside.Get(t.Context(), key)
	if err != nil || string(record.Value) != "v" {
		t.Fatalf("it was not applied: %q, %v", record.Value, err)
	}
	// Sent again it meets its own first try: what a retrying driver would report.
	if _, err := behind.CompareAndSwap(t.Context(), key, "", []byte("v")); !errors.Is(err, lock.ErrConflict) {
		t.Fatalf("the second try: %v", err)
	}
}

func TestADeleteWhoseReplyIsLostIsIndefinite(t *testing.T) {
	beside, collection := fresh(t)
	behind, proxy := behindProxy(t, collection)
	key := ""
	err := losing(t, proxy, func() error {
		key += "k"
		revision, err := beside.CompareAndSwap(t.Context(), key, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return behind.Delete(t.Context(), key, revision)
	})
	if lock.Definite(err) {
		t.Fatalf("a delete whose reply was lost: %v", err)
	}
	if _, err := beside.Get(t.Context(), key); !errors.Is(err, lock.ErrNotFound) {
		t.Fatalf("it was not applied: %v", err)
	}
}

// Whatever the client says of retries, a write goes out once.
func TestWritesAreSentOnceWithTheirConcerns(t *testing.T) {
	collection := freshCollection(t, connect(t, ""))
	var sent []bson.Raw
	client, err := mongo.Connect(options.Client().ApplyURI(shared.URI("")).SetRetryWrites(true).SetMonitor(&event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			switch e.CommandName {
			case "insert", "update", "delete", "find":
				sent = append(sent, append(bson.Raw{}, e.Command...))
			}
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	store := open(t, at(client, collection), mongodb.Config{NoWatch: true})
	revision := create(t, store, "k")
	if revision, err = store.CompareAndSwap(t.Context(), "k", revision, []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), "k", revision); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatal(err)
	}
	if len(sent) != 4 {
		t.Fatalf("%d commands were sent for 4 calls: %v", len(sent), sent)
	}
	for _, command := range sent[:3] {
		if w, _ := command.Lookup("writeConcern", "w").StringValueOK(); w != "majority" || !command.Lookup("writeConcern", "j").Boolean() {
			t.Errorf("no such write concern: %v", command)
		}
		if !command.Lookup("txnNumber").IsZero() {
			t.Errorf("the driver would retry it: %v", command)
		}
	}
	for _, command := range sent {
		if limit, ok := command.Lookup("maxTimeMS").AsInt64OK(); !ok || limit <= 0 || limit > 5000 {
			t.Errorf("the server is not told how long the call waits: %v", command)
		}
	}
	if level, ok := sent[3].Lookup("readConcern", "level").StringValueOK(); !ok || level != "local" && level != "linearizable" {
		t.Errorf("no such read concern: %v", sent[3])
	}
}

func nobodyListens(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	return listener.Addr().String()
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	connect(t, "") // or skip
	address := nobodyListens(t)
	collection := connectTo(t, shared, address).Database("d").Collection("locks")
	slow := errors.New("too slow")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, slow)
	defer cancel()
	_, err := mongodb.Open(ctx, collection, mongodb.Config{})
	if !errors.Is(err, lock.ErrUnavailable) || !errors.Is(err, slow) || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), `"d.locks"`) {
		t.Errorf("want an error that names address and collection, got %v", err)
	}
}

func TestWritesToAServerThatWentAwayAreUnavailable(t *testing.T) {
	_, collection := fresh(t)
	behind, proxy := behindProxy(t, collection)
	proxy.RefuseDials()
	proxy.ResetAll()
	// The pool may hold a connection that was just reset; a write to it is
	// indefinite. After at most a few there is none left.
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := behind.CompareAndSwap(ctx, "k", "", nil)
		cancel()
		if errors.Is(err, lock.ErrUnavailable) {
			return
		} else if lock.Definite(err) {
			t.Fatal(err)
		}
	}
	t.Fatal("no write was told that nothing listens")
}

func TestEndedContextsSendNothing(t *testing.T) {
	store, _ := fresh(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := store.CompareAndSwap(ctx, "k", "", nil); !errors.Is(err, lock.ErrUnavailable) || !errors.Is(err, enough) {
		t.Error(err)
	}
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Error(err)
	}
}

// The reply is held back: the call ends with its context, and says why.
func TestACallEndsWithItsContext(t *testing.T) {
	beside, collection := fresh(t)
	behind, proxy := behindProxy(t, collection)
	proxy.Hold()
	slow := errors.New("too slow")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, slow)
	defer cancel()
	_, err := behind.CompareAndSwap(ctx, "k", "", nil)
	if !errors.Is(err, slow) || lock.Definite(err) {
		t.Errorf("got %v", err)
	}
	proxy.Release()
	eventually(t, "the late write", func() bool {
		_, err := beside.Get(t.Context(), "k")
		return err == nil
	})
}

func TestADisconnectedClientIsUnavailable(t *testing.T) {
	collection := freshCollection(t, connect(t, ""))
	client, closeAll, err := shared.Connect("")
	if err != nil {
		t.Fatal(err)
	}
	store := open(t, at(client, collection), mongodb.Config{NoWatch: true})
	closeAll()
	if _, err := store.CompareAndSwap(t.Context(), "k", "", nil); !errors.Is(err, lock.ErrUnavailable) {
		t.Error(err)
	}
}

// A server without users refuses a client that would log in.
func TestAFailedLogInIsNotAPartialWrite(t *testing.T) {
	connect(t, "")
	if !shared.Local() {
		t.Skip("the server of MONGODB_URI may know the user")
	}
	client, err := mongo.Connect(options.Client().ApplyURI(shared.URI("")).SetAuth(options.Credential{Username: "u", Password: "p"}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	_, err = mongodb.Open(t.Context(), client.Database("d").Collection("locks"), mongodb.Config{})
	if err == nil || !strings.Contains(err.Error(), "auth") {
		t.Errorf("got %v", err)
	}
}
