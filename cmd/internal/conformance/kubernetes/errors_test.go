package kubernetes_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/lock"
)

func TestOpenOfAMissingPlaceIsRefused(t *testing.T) {
	config := server(t).RESTConfig("")
	_, leases := kubernetes.Open(t.Context(), config, kubernetes.Config{Namespace: "nowhere"})
	if !errors.Is(leases, lock.ErrRefused) || !strings.Contains(leases.Error(), `"nowhere"`) || !strings.Contains(leases.Error(), "kubectl create namespace") {
		t.Error(leases)
	}
	for says, options := range map[string]kubernetes.AnnotationConfig{
		"there is no such object": configMaps("default", "nowhere"),
		`"nowhere/locks"`:         configMaps("nowhere", "locks"),
	} {
		if _, err := kubernetes.OpenAnnotations(t.Context(), config, options); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
	unknown := configMaps("default", "x")
	unknown.Resource.Group, unknown.Resource.Resource = "example.com", "widgets"
	if _, err := kubernetes.OpenAnnotations(t.Context(), config, unknown); err == nil || !strings.Contains(err.Error(), "widgets") {
		t.Error("an unknown kind:", err)
	}
}

func TestANamespaceThatGoesIsRefused(t *testing.T) {
	store, namespace := freshLeases(t)
	rawClient(t, shared.RESTConfig("")).must(http.MethodDelete, "/api/v1/namespaces/"+namespace, typeJSON, "")
	if _, err := store.CompareAndSwap(t.Context(), "k", "", nil); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), namespace) {
		t.Error("in a namespace that is being deleted:", err)
	}
	unchecked, err := kubernetes.Open(t.Context(), shared.RESTConfig(""), kubernetes.Config{Namespace: "nowhere", Unchecked: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unchecked.Close)
	if _, err := unchecked.CompareAndSwap(t.Context(), "k", "", nil); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "nowhere") {
		t.Error("in a namespace that never was:", err)
	}
}

func TestUsersWithoutPermissionAreRefused(t *testing.T) {
	_, namespace := freshLeases(t)
	nobody := shared.NobodyConfig("")
	if nobody == nil {
		t.Skip("the cluster has no user without rights that we know of")
	}
	stranger := rest.CopyConfig(nobody)
	stranger.BearerToken = "made up"
	for name, config := range map[string]*rest.Config{"nobody": nobody, "a stranger": stranger} {
		_, openErr := kubernetes.Open(t.Context(), config, kubernetes.Config{Namespace: namespace})
		store, err := kubernetes.Open(t.Context(), config, kubernetes.Config{Namespace: namespace, Unchecked: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(store.Close)
		_, getErr := store.Get(t.Context(), "k")
		_, createErr := store.CompareAndSwap(t.Context(), "k", "", nil)
		_, updateErr := store.CompareAndSwap(t.Context(), "k", "1", nil)
		_, waitErr := store.Wait(t.Context(), "k", "")
		_, annotationsErr := kubernetes.OpenAnnotations(t.Context(), config, configMaps("default", "kube-root-ca.crt"))
		for what, err := range map[string]error{"open": openErr, "get": getErr, "create": createErr, "update": updateErr,
			"delete": store.Delete(t.Context(), "k", "1"), "wait": waitErr, "open annotations": annotationsErr} {
			if !errors.Is(err, lock.ErrRefused) {
				t.Errorf("%s by %s: %v", what, name, err)
			}
		}
	}
}

func TestWrongEndpointsAreNamed(t *testing.T) {
	server(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	config := shared.RESTConfig(address)
	if _, err := kubernetes.Open(t.Context(), config, kubernetes.Config{Namespace: "default"}); !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), address) {
		t.Error("nobody listens:", err)
	}
	other := shared.RESTConfig("")
	other.CAData, other.ServerName = nil, "another.example"
	if _, err := kubernetes.Open(t.Context(), other, kubernetes.Config{Namespace: "default"}); !errors.Is(err, lock.ErrRefused) {
		t.Error("another certificate:", err)
	}
	for _, namespace := range []string{"", "A", "a/b", "..", strings.Repeat("n", 64)} {
		if _, err := kubernetes.Open(t.Context(), config, kubernetes.Config{Namespace: namespace}); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("namespace %q: %v", namespace, err)
		}
	}
	if _, err := kubernetes.Open(t.Context(), nil, kubernetes.Config{Namespace: "default"}); !errors.Is(err, lock.ErrRefused) {
		t.Error("no configuration:", err)
	}
	for _, options := range []kubernetes.AnnotationConfig{{}, configMaps("", ""), configMaps("default", "a/b"), configMaps("A", "a")} {
		if _, err := kubernetes.OpenAnnotations(t.Context(), config, options); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("%+v: %v", options, err)
		}
	}
}

func TestALostReplyIsIndefiniteAndTheWriteThere(t *testing.T) {
	beside, namespace := freshLeases(t)
	annotations, options := freshAnnotations(t)
	proxy := newProxy(t)
	for name, c := range map[string]struct{ beside, behind *kubernetes.Store }{
		"leases":      {beside, openLeases(t, shared.RESTConfig(proxy.Addr()), namespace)},
		"annotations": {annotations, openAnnotations(t, shared.RESTConfig(proxy.Addr()), options)},
	} {
		proxy.ResetAll() // one connection, whose reply is then the one that is cut
		if _, err := c.behind.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
			_, err = c.behind.Get(t.Context(), "k")
			if !errors.Is(err, lock.ErrNotFound) {
				t.Fatal(name, err)
			}
		}
		done := proxy.CutReplyAfter(0)
		_, err := c.behind.CompareAndSwap(t.Context(), "k", "", []byte("v"))
		if err == nil || lock.Definite(err) {
			t.Fatalf("%s: a write whose reply was lost: %v", name, err)
		}
		<-done
		var record lock.Record
		eventually(t, "the write", func() bool {
			record, err = c.beside.Get(t.Context(), "k")
			return err == nil
		})
		if _, err := c.behind.CompareAndSwap(t.Context(), "k", "", []byte("v")); !errors.Is(err, lock.ErrConflict) {
			t.Fatalf("%s: the second try: %v", name, err)
		}
		if err := c.beside.Delete(t.Context(), "k", record.Revision); err != nil {
			t.Fatal(name, err)
		}
	}
}

// inFront stands before the server, and answers the first writes itself.
func inFront(t *testing.T, first int64, status int, body string) (config *rest.Config, writes *atomic.Int64) {
	t.Helper()
	config = server(t).RESTConfig("")
	secure, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{TLSClientConfig: secure}
	forward.Transport = transport
	writes = new(atomic.Int64)
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.URL.Query().Get("dryRun") != "" || writes.Add(1) > first {
			forward.ServeHTTP(w, r)
			return
		}
		if strings.HasPrefix(body, "{") {
			w.Header().Set("Content-Type", "application/json")
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	front.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	front.StartTLS()
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	config.Host, config.CAData, config.CAFile, config.Insecure = front.URL, nil, "", true
	return config, writes
}

// The library would wait for a second and send again, up to ten times.
func TestThrottlingIsDefiniteAndNotWaitedFor(t *testing.T) {
	namespace := freshNamespace(t, server(t))
	config, writes := inFront(t, 1, http.StatusTooManyRequests, "Too many requests, please try again later.\n")
	store := openLeases(t, config, namespace)
	if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v")); !errors.Is(err, lock.ErrUnavailable) {
		t.Fatalf("a throttled write: %v", err)
	}
	if n := writes.Load(); n != 1 {
		t.Fatalf("it was sent %d times", n)
	}
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatalf("it was applied: %v", err)
	}
}

// A server that has just started refuses with a status that otherwise lasts.
func TestAServerThatIsNotReadyIsUnavailable(t *testing.T) {
	namespace := freshNamespace(t, server(t))
	config, _ := inFront(t, 1, http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,
		"message":"leases.coordination.k8s.io \"k\" is forbidden: not yet ready to handle request"}`)
	store := openLeases(t, config, namespace)
	if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v")); !errors.Is(err, lock.ErrUnavailable) {
		t.Fatal(err)
	}
	create(t, store, "k")
}

func TestServerErrorsAreIndefiniteAndNotRetried(t *testing.T) {
	namespace := freshNamespace(t, server(t))
	for _, c := range []struct {
		status int
		body   string
	}{
		{500, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500}`},
		{503, "bad gateway"},
		{504, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Timeout","code":504}`},
		{403, "a firewall's page"}, {404, "not here"}, {409, "what?"},
	} {
		config, writes := inFront(t, 1, c.status, c.body)
		store := openLeases(t, config, namespace)
		if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v")); err == nil || lock.Definite(err) {
			t.Errorf("status %d: %v", c.status, err)
		}
		if n := writes.Load(); n != 1 {
			t.Errorf("status %d: it was sent %d times", c.status, n)
		}
	}
}

func TestAnAcquireOutlastsThrottling(t *testing.T) {
	namespace := freshNamespace(t, server(t))
	config, _ := inFront(t, 5, http.StatusTooManyRequests, "slow down")
	c := client(t, openLeases(t, config, namespace), "c", lock.Config{TTL: 10 * time.Second, PollEvery: 10 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lease, err := c.Acquire(ctx, "l")
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Error(err)
	}
}
