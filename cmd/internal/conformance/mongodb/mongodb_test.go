package mongodb_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/backends/mongodb"
	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/lock"
)

// patience is how long what must happen may take.
const patience = 30 * time.Second

// shared is the server of all tests, and why there is none.
var (
	shared    *servers.MongoDB
	errShared error
)

func TestMain(m *testing.M) {
	shared, errShared = servers.StartMongoDB(context.Background(), servers.MongoDBConfig{})
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// connect gives the test a client with connections of its own, through the
// address via if that is not empty.
func connect(t testing.TB, via string) *mongo.Client {
	t.Helper()
	require.Server(t, "mongodb", errShared)
	return connectTo(t, shared, via)
}

func connectTo(t testing.TB, srv *servers.MongoDB, via string) *mongo.Client {
	t.Helper()
	client, closeAll, err := srv.Connect(via)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAll)
	return client
}

// freshDatabase is a database of the test's own, dropped afterwards.
func freshDatabase(t testing.TB, client *mongo.Client) *mongo.Database {
	t.Helper()
	database := client.Database("lockproof-" + rand.Text()[:10])
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := database.Drop(ctx); err != nil {
			t.Error(err)
		}
	})
	return database
}

// freshCollection makes a collection of the test's own.
func freshCollection(t testing.TB, client *mongo.Client) *mongo.Collection {
	t.Helper()
	database := freshDatabase(t, client)
	if err := mongodb.CreateCollection(t.Context(), database, mongodb.CollectionConfig{Name: "locks"}); err != nil {
		t.Fatal(err)
	}
	return database.Collection("locks")
}

// at is the same collection by another client.
func at(client *mongo.Client, collection *mongo.Collection) *mongo.Collection {
	return client.Database(collection.Database().Name()).Collection(collection.Name())
}

func open(t testing.TB, collection *mongo.Collection, config mongodb.Config) *mongodb.Store {
	t.Helper()
	store, err := mongodb.Open(t.Context(), collection, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// fresh makes a collection for the test and opens it.
func fresh(t testing.TB) (*mongodb.Store, *mongo.Collection) {
	t.Helper()
	collection := freshCollection(t, connect(t, ""))
	return open(t, collection, mongodb.Config{}), collection
}

func keepsTheContract(t *testing.T, store, other lock.Store) {
	t.Helper()
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

func one(t *testing.T, collection *mongo.Collection, key string) bson.Raw {
	t.Helper()
	document, err := collection.FindOne(t.Context(), bson.D{{Key: "_id", Value: key}}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestRecordsAreReadableInTheShell(t *testing.T) {
	store, collection := fresh(t)
	first, err := store.CompareAndSwap(t.Context(), "my report", "", []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	document := one(t, collection, "my report")
	if value, ok := document.Lookup("value").StringValueOK(); !ok || value != `{"a":1}` {
		t.Errorf("JSON is stored as %v", document)
	}
	if r, ok := document.Lookup("revision").StringValueOK(); !ok || r != string(first) {
		t.Errorf("revision %q is stored as %v", first, document)
	}
	if _, err := store.CompareAndSwap(t.Context(), "my report", first, []byte("\xff")); err != nil {
		t.Fatal(err)
	}
	if _, data, ok := one(t, collection, "my report").Lookup("value").BinaryOK(); !ok || string(data) != "\xff" {
		t.Error("what is not UTF-8 is not stored as binary")
	}
}

func TestDeletesTellMissingFromChanged(t *testing.T) {
	store, _ := fresh(t)
	ctx := t.Context()
	first, err := store.CompareAndSwap(ctx, "k", "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := store.CompareAndSwap(ctx, "k", first, []byte("w"))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, "k", first); !errors.Is(err, lock.ErrConflict) {
		t.Errorf("delete of an older revision: %v", err)
	}
	if err := store.Delete(ctx, "k", second); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, "k", second); !errors.Is(err, lock.ErrNotFound) || errors.Is(err, lock.ErrConflict) {
		t.Errorf("delete of a deleted document: %v", err)
	}
}

func TestDocumentsOfSomethingElseAreRefused(t *testing.T) {
	store, collection := fresh(t)
	good := "ABCDEFGHIJKLM-1-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i, foreign := range []bson.D{
		{{Key: "owner", Value: "me"}},
		{{Key: "revision", Value: good}},
		{{Key: "revision", Value: 1}, {Key: "value", Value: "v"}},
		{{Key: "revision", Value: "1"}, {Key: "value", Value: "v"}},
		{{Key: "revision", Value: good}, {Key: "value", Value: 1}},
	} {
		key := fmt.Sprint("foreign", i)
		if _, err := collection.InsertOne(t.Context(), append(bson.D{{Key: "_id", Value: key}}, foreign...)); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(t.Context(), key); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "locks") {
			t.Errorf("get of document %d: %v", i, err)
		}
		if _, err := store.CompareAndSwap(t.Context(), key, "", []byte("v")); !errors.Is(err, lock.ErrConflict) {
			t.Errorf("create over document %d: %v", i, err)
		}
		if len(foreign) > 0 && one(t, collection, key).Lookup(foreign[0].Key).IsZero() {
			t.Errorf("document %d was overwritten", i)
		}
	}
	c := client(t, store, "c", lock.Config{TTL: 3 * time.Second})
	if _, err := c.Acquire(t.Context(), "foreign0"); !errors.Is(err, lock.ErrRefused) {
		t.Errorf("acquire: %v", err)
	}
}

func TestKeysThatTheStoreCannotTakeAreRefused(t *testing.T) {
	store, _ := fresh(t)
	for name, key := range map[string]string{"empty": "", "too long": strings.Repeat("k", 1025), "not UTF-8": "a\xffb"} {
		_, getErr := store.Get(t.Context(), key)
		_, writeErr := store.CompareAndSwap(t.Context(), key, "", nil)
		for _, err := range []error{getErr, writeErr} {
			if !errors.Is(err, lock.ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, key := range []string{strings.Repeat("é", 512), "$where", "a.b", "a\x00b", "A", "a", "{}"} {
		if _, err := store.CompareAndSwap(t.Context(), key, "", []byte(key)); err != nil {
			t.Errorf("%q: %v", shorten(key), err)
		}
		if record, err := store.Get(t.Context(), key); err != nil || string(record.Value) != key {
			t.Errorf("%q: got %q, %v", shorten(key), record.Value, err)
		}
	}
}

func shorten(s string) string { return s[:min(len(s), 40)] }

func TestRevisionsOfOtherStoresAreRefused(t *testing.T) {
	store, _ := fresh(t)
	for _, r := range []lock.Revision{"1", "a-b-c", "ABCDEFGHIJKLM-01-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ABCDEFGHIJKLM-0-ABCDEFGHIJKLMNOPQRSTUVWXYZ"} {
		if _, err := store.CompareAndSwap(t.Context(), "k", r, nil); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("write at %q: %v", r, err)
		}
		if err := store.Delete(t.Context(), "k", r); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("delete at %q: %v", r, err)
		}
	}
}

// The largest document that is sent is one that is taken.
func TestTheLimitOfADocument(t *testing.T) {
	store, collection := fresh(t)
	revision, err := store.CompareAndSwap(t.Context(), "k", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	// The next revision has as many characters.
	largest := 16<<20 - 16<<10 - len(one(t, collection, "k"))
	if _, err = store.CompareAndSwap(t.Context(), "k", revision, bytes.Repeat([]byte("v"), largest+1)); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "16760832") {
		t.Errorf("%d bytes: %v", largest+1, err)
	}
	if _, err = store.CompareAndSwap(t.Context(), "k", revision, bytes.Repeat([]byte("v"), largest)); err != nil {
		t.Errorf("%d bytes: %v", largest, err)
	}
}

func TestClientsMayShareAStore(t *testing.T) {
	store, _ := fresh(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := store.CompareAndSwap(t.Context(), fmt.Sprint(i), "", []byte("v")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// A lock must not become part of somebody's session, let alone a transaction.
func TestASessionInTheContextIsIgnored(t *testing.T) {
	store, collection := fresh(t)
	session, err := collection.Database().Client().StartSession()
	if err != nil {
		t.Skip("the server has no sessions: ", err)
	}
	defer session.EndSession(t.Context())
	if err := session.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	ctx := mongo.NewSessionContext(t.Context(), session)
	if _, err := store.CompareAndSwap(ctx, "k", "", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), "k"); err != nil {
		t.Errorf("it is not there before the transaction ends: %v", err)
	}
}
