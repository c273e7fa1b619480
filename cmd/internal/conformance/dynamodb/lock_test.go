package dynamodb_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/dynamodb"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
)

// noJitter draws nothing: these tests ask the proxy for no jitter.
type noJitter struct{}

func (noJitter) Choose(string, uint64) uint64 { return 0 }

// behindProxy opens a store on the table through a proxy, whose connection is
// established.
func behindProxy(t *testing.T, table string) (*dynamodb.Store, *live.Proxy) {
	t.Helper()
	p, err := live.NewProxy(strings.TrimPrefix(shared.Endpoint(), "http://"), live.ProxyConfig{Choices: live.NewChoices(noJitter{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return open(t, connect(t, "http://"+p.Addr()), dynamodb.Config{Table: table}), p
}

// needLocal skips tests that need the server on plain TCP.
func needLocal(t *testing.T) {
	if shared != nil && !strings.HasPrefix(shared.Endpoint(), "http://") {
		t.Skip("a proxy cannot stand before " + shared.Endpoint())
	}
}

func TestALostReplyIsIndefiniteAndTheWriteThere(t *testing.T) {
	needLocal(t)
	beside, _, table := fresh(t)
	behind, proxy := behindProxy(t, table)
	done := proxy.CutReplyAfter(0)
	_, err := behind.CompareAndSwap(t.Context(), "k", "", []byte("v"))
	if err == nil || lock.Definite(err) {
		t.Fatalf("a write whose reply was lost: %v", err)
	}
	<-done
	record, err := beside.Get(t.Context(), "k")
	if err != nil || string(record.Value) != "v" {
		t.Fatalf("it was not applied: %q, %v", record.Value, err)
	}
	// Sent again it meets its own first try: what a retrying SDK would report.
	_, err = behind.CompareAndSwap(t.Context(), "k", "", []byte("v"))
	var conflict *lock.ConflictError
	if !errors.As(err, &conflict) || conflict.Current.Revision != record.Revision {
		t.Fatalf("the second try: %v", err)
	}
	done = proxy.CutReplyAfter(0)
	if err := behind.Delete(t.Context(), "k", record.Revision); err == nil || lock.Definite(err) {
		t.Fatalf("a delete whose reply was lost: %v", err)
	}
	<-done
	if _, err := beside.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatalf("it was not applied: %v", err)
	}
}

// throttling stands before the server and turns down the first calls, as
// DynamoDB does when a table's capacity is used up.
func throttling(t *testing.T, first int64) (url string) {
	t.Helper()
	target, err := neturl.Parse(shared.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{}
	forward.Transport = transport
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeTable") || calls.Add(1) > first {
			forward.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`)
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}

func TestThrottlingIsDefiniteAndNotWaitedFor(t *testing.T) {
	_, _, table := fresh(t)
	store := open(t, connect(t, throttling(t, 1)), dynamodb.Config{Table: table})
	if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v")); !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "slow down") {
		t.Fatalf("a throttled write: %v", err)
	}
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatalf("it was applied: %v", err)
	}
}

func TestAnAcquireOutlastsThrottling(t *testing.T) {
	_, _, table := fresh(t)
	store := open(t, connect(t, throttling(t, 5)), dynamodb.Config{Table: table})
	c := client(t, store, "c", lock.Config{TTL: 3 * time.Second, PollEvery: 10 * time.Millisecond})
	lease, err := c.Acquire(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestARefusedDialIsDefinite(t *testing.T) {
	needLocal(t)
	_, _, table := fresh(t)
	behind, proxy := behindProxy(t, table)
	proxy.RefuseDials()
	proxy.ResetAll()
	// The pool may hold the connection that was just reset; a write to it is
	// indefinite. After at most a few there is none left.
	for range 10 {
		if _, err := behind.CompareAndSwap(t.Context(), "k", "", nil); errors.Is(err, lock.ErrUnavailable) {
			return
		} else if lock.Definite(err) {
			t.Fatal(err)
		}
	}
	t.Fatal("no write was told that nothing listens")
}

func client(t testing.TB, store lock.Store, owner string, config lock.Config) *lock.Client {
	t.Helper()
	config.Owner = owner
	c, err := lock.New(store, lock.SystemRuntime{}, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(t.Context()) })
	return c
}
