package kubernetes_test

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/lock"
)

// freezer dials connections that it can make fall silent: what is written
// arrives nowhere, nothing comes back, and nobody is told.
type freezer struct {
	mu    sync.Mutex
	conns []*frozen
}

type frozen struct {
	net.Conn
	silent chan struct{} // closed when it falls silent
	closed chan struct{}
	once   sync.Once
}

func (f *freezer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &frozen{Conn: conn, silent: make(chan struct{}), closed: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, c)
	return c, nil
}

// freeze silences all connections that there are.
func (f *freezer) freeze() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		close(c.silent)
	}
	n := len(f.conns)
	f.conns = nil
	return n
}

func (c *frozen) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.silent:
		<-c.closed
		return 0, os.ErrClosed
	default:
		return n, err
	}
}

func (c *frozen) Write(p []byte) (int, error) {
	select {
	case <-c.silent:
		return len(p), nil
	default:
		return c.Conn.Write(p)
	}
}

func (c *frozen) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// Connections fall silent, while new ones work. One request is lost to that; the
// next ones dial, and a wait notices by itself.
func TestOneRequestIsLostToSilentConnections(t *testing.T) {
	beside, namespace := freshLeases(t)
	config, f := shared.RESTConfig(""), &freezer{}
	config.Dial = f.dial
	store := openLeases(t, config, namespace)
	revision := create(t, store, "k")
	waits := waiting(t.Context(), store, "other", "")
	var all sync.WaitGroup
	for range 8 { // connections to be idle
		all.Go(func() {
			if _, err := store.Get(t.Context(), "k"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := f.freeze(); n < 2 {
		t.Fatalf("%d connections to freeze", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := store.CompareAndSwap(ctx, "k", revision, []byte("lost")); !errors.Is(err, context.DeadlineExceeded) || lock.Definite(err) {
		t.Fatal("a write into silence:", err)
	}
	for range 3 {
		if record, err := store.Get(t.Context(), "k"); err != nil || record.Revision != revision {
			t.Errorf("the next read: %+v, %v", record, err)
		}
	}
	create(t, beside, "other")
	if err := ends(t, waits); err != nil {
		t.Error("a wait:", err)
	}
}

// BenchmarkSilence measures, for the package's transport and for the client
// library's own, how long reads go unanswered after the connections fell silent,
// with half a second for each.
func BenchmarkSilence(b *testing.B) {
	namespace := freshNamespace(b, server(b))
	measure := func(b *testing.B, open func(config *rest.Config) func(ctx context.Context) error) {
		var total time.Duration
		for range b.N {
			config, f := shared.RESTConfig(""), &freezer{}
			config.Dial = f.dial
			get := open(config)
			if err := get(b.Context()); err != nil {
				b.Fatal(err)
			}
			f.freeze()
			begun := time.Now()
			for {
				ctx, cancel := context.WithTimeout(b.Context(), time.Second/2)
				err := get(ctx)
				cancel()
				if err == nil {
					break
				}
			}
			total += time.Since(begun)
		}
		b.ReportMetric(total.Seconds()/float64(b.N), "silent-s")
	}
	b.Run("lockproof", func(b *testing.B) {
		measure(b, func(config *rest.Config) func(ctx context.Context) error {
			store := openLeases(b, config, namespace)
			return func(ctx context.Context) error {
				if _, err := store.Get(ctx, "k"); !errors.Is(err, lock.ErrNotFound) {
					return err
				}
				return nil
			}
		})
	})
	b.Run("client-go", func(b *testing.B) {
		if testing.Short() {
			b.Skip("takes most of a minute")
		}
		measure(b, func(config *rest.Config) func(ctx context.Context) error {
			client := rawClient(b, config)
			return func(ctx context.Context) error {
				_, err := client.try(ctx, "GET", "/api/v1/namespaces/"+namespace, typeJSON, "")
				return err
			}
		})
	})
}
