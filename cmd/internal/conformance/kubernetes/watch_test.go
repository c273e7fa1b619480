package kubernetes_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
)

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
func waiting(ctx context.Context, store *kubernetes.Store, key string, after lock.Revision) <-chan error {
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

func create(t testing.TB, store *kubernetes.Store, key string) lock.Revision {
	t.Helper()
	revision, err := store.CompareAndSwap(t.Context(), key, "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// counting counts the lists and watches that a configuration's clients begin, and
// spoils watches.
type counting struct {
	base    http.RoundTripper
	lists   atomic.Int64
	watches atomic.Int64
	spoil   func(r *http.Request)
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	switch {
	case query.Get("watch") != "":
		if c.spoil != nil {
			r = r.Clone(r.Context())
			c.spoil(r)
		}
		c.watches.Add(1)
	case query.Get("labelSelector") != "" || query.Get("fieldSelector") != "":
		c.lists.Add(1)
	}
	return c.base.RoundTrip(r)
}

func counted(config *rest.Config) (*rest.Config, *counting) {
	c := &counting{}
	config.Wrap(func(base http.RoundTripper) http.RoundTripper {
		c.base = base
		return c
	})
	return config, c
}

func TestWaitersShareOneWatch(t *testing.T) {
	_, namespace := freshLeases(t)
	config, count := counted(shared.RESTConfig(""))
	store := openLeases(t, config, namespace)
	ctx, cancel := context.WithCancel(t.Context())
	var waits []<-chan error
	for i := range 20 {
		waits = append(waits, waiting(ctx, store, "k"+strconv.Itoa(i%5), ""))
	}
	eventually(t, "a watch", func() bool { return count.watches.Load() > 0 })
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
	if n := count.lists.Load(); n != 1 {
		t.Errorf("%d lists for 20 waits", n)
	}
	// The watch is asked for again every few seconds, without a list.
	seen := count.watches.Load()
	eventually(t, "the next watch", func() bool { return count.watches.Load() > seen })
	create(t, store, "k4")
	for i := 4; i < len(waits); i += 5 {
		if err := ends(t, waits[i]); err != nil {
			t.Errorf("wait %d: %v", i, err)
		}
	}
	if n := count.lists.Load(); n != 1 {
		t.Errorf("%d lists after the watch was renewed", n)
	}
	cancel()
}

func TestCloseEndsWaits(t *testing.T) {
	store, _ := freshLeases(t)
	done := waiting(t.Context(), store, "k", "")
	store.Close()
	store.Close()
	if err := ends(t, done); !errors.Is(err, lock.ErrRefused) {
		t.Error("a wait that Close ended:", err)
	}
	if _, err := store.Wait(t.Context(), "k", ""); !errors.Is(err, lock.ErrRefused) {
		t.Error("a wait after Close:", err)
	}
	if err := store.Delete(t.Context(), "k", create(t, store, "k")); err != nil {
		t.Error("a delete after Close:", err)
	}
}

func TestWaitsOutliveARestart(t *testing.T) {
	server(t)
	if !shared.Local() {
		t.Skip("the server is not ours to restart")
	}
	srv, err := servers.StartKubernetes(t.Context(), servers.KubernetesConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop() })
	namespace := freshNamespace(t, srv)
	config, count := counted(srv.RESTConfig(""))
	store := openLeases(t, config, namespace)
	revision := create(t, store, "k")
	changed, created := waiting(t.Context(), store, "k", revision), waiting(t.Context(), store, "new", "")
	eventually(t, "a watch", func() bool { return count.watches.Load() > 0 })
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	record, err := store.Get(t.Context(), "k")
	if err != nil || record.Revision != revision {
		t.Fatalf("after a restart: %+v, %v; want revision %q", record, err, revision)
	}
	if _, err := store.CompareAndSwap(t.Context(), "k", revision, []byte("w")); err != nil {
		t.Fatal(err)
	}
	create(t, store, "new")
	for _, done := range []<-chan error{changed, created} {
		if err := ends(t, done); err != nil {
			t.Error("a wait across a restart:", err)
		}
	}
	watchFromTooLongAgo(t, srv, namespace)
}

// After a restart the server has forgotten what came before, and a watch that
// names an old version is told so (status 410).
func watchFromTooLongAgo(t *testing.T, srv *servers.Kubernetes, namespace string) {
	config, count := counted(srv.RESTConfig(""))
	var spoilt atomic.Int64
	count.spoil = func(r *http.Request) {
		if spoilt.Add(1) > 2 {
			return
		}
		query := r.URL.Query()
		query.Set("resourceVersion", "1")
		r.URL.RawQuery = query.Encode()
	}
	store := openLeases(t, config, namespace)
	done := waiting(t.Context(), store, "later", "")
	eventually(t, "a third list", func() bool { return count.lists.Load() >= 3 })
	create(t, store, "later")
	if err := ends(t, done); err != nil {
		t.Fatal("a wait from too long ago:", err)
	}
	answer, err := rawClient(t, srv.RESTConfig("")).client.Get().AbsPath("/apis/coordination.k8s.io/v1/leases").
		Param("watch", "1").Param("resourceVersion", "1").Param("timeoutSeconds", "1").DoRaw(t.Context())
	if !strings.Contains(string(answer), `"code":410`) {
		t.Errorf("the server does not answer with status 410: %s %v", answer, err)
	}
}

// noJitter draws nothing: these tests ask the proxy for no jitter.
type noJitter struct{}

func (noJitter) Choose(string, uint64) uint64 { return 0 }

func newProxy(t *testing.T) *live.Proxy {
	t.Helper()
	p, err := live.NewProxy(server(t).Address(), live.ProxyConfig{Choices: live.NewChoices(noJitter{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// The network swallows a connection without a word. A request ends with its
// context, the one after it works, and so does a wait.
func TestConnectionsThatFallSilentAreGivenUp(t *testing.T) {
	beside, namespace := freshLeases(t)
	proxy := newProxy(t)
	store := openLeases(t, shared.RESTConfig(proxy.Addr()), namespace)
	revision := create(t, store, "k")
	done := waiting(t.Context(), store, "k", revision)
	for range 3 { // connections to be idle
		if _, err := store.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	proxy.Cut(live.Requests, live.Replies)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := store.CompareAndSwap(ctx, "k", revision, []byte("lost")); err == nil || lock.Definite(err) {
		t.Fatal("a write into a cut:", err)
	}
	proxy.Heal(live.Requests, live.Replies)
	if _, err := store.Get(t.Context(), "k"); err != nil {
		t.Error("the first read after the cut:", err)
	}
	if _, err := beside.CompareAndSwap(t.Context(), "k", revision, []byte("w")); err != nil && !errors.Is(err, lock.ErrConflict) {
		t.Error(err)
	}
	if err := ends(t, done); err != nil {
		t.Error("a wait across a cut:", err)
	}
}
