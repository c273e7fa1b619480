package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/lock"
)

func client(t testing.TB, store lock.Store, owner string, config lock.Config) *lock.Client {
	t.Helper()
	config.Owner = owner
	c, err := lock.New(store, lock.SystemRuntime{}, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// inBothLayouts runs a test with a way to open stores that share their locks.
func inBothLayouts(t *testing.T, test func(t *testing.T, open func() *kubernetes.Store)) {
	t.Run("leases", func(t *testing.T) {
		namespace := freshNamespace(t, server(t))
		test(t, func() *kubernetes.Store { return openLeases(t, shared.RESTConfig(""), namespace) })
	})
	t.Run("annotations", func(t *testing.T) {
		_, options := freshAnnotations(t)
		test(t, func() *kubernetes.Store { return openAnnotations(t, shared.RESTConfig(""), options) })
	})
}

func TestTheLockIsHandedOn(t *testing.T) {
	inBothLayouts(t, func(t *testing.T, open func() *kubernetes.Store) {
		config := lock.Config{TTL: 20 * time.Second}
		first := client(t, open(), "first", config)
		second := client(t, open(), "second", config)
		held, err := first.Acquire(t.Context(), "l")
		if err != nil {
			t.Fatal(err)
		}
		var refusal *lock.HeldError
		if _, err := second.TryAcquire(t.Context(), "l"); !errors.As(err, &refusal) || refusal.Owner != "first" {
			t.Fatalf("want a refusal that names the holder, got %v", err)
		}
		granted := make(chan error, 1)
		var next *lock.Lease
		go func() {
			var err error
			next, err = second.Acquire(t.Context(), "l")
			granted <- err
		}()
		if err := held.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-granted; err != nil {
			t.Fatal(err)
		}
		if next.Token() != held.Token()+1 {
			t.Errorf("token %d came after %d", next.Token(), held.Token())
		}
		if err := next.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestContendersNeverHoldTogether(t *testing.T) {
	inBothLayouts(t, func(t *testing.T, open func() *kubernetes.Store) {
		const clients, rounds = 4, 5
		config := lock.Config{TTL: 20 * time.Second}
		turns := make(chan error, clients)
		value := 0 // guarded by the lock alone; go test -race watches
		for i := range clients {
			c := client(t, open(), fmt.Sprint("c", i), config)
			go func() {
				for range rounds {
					err := c.Do(t.Context(), "l", func(context.Context, *lock.Lease) error { value++; return nil })
					if err != nil {
						turns <- err
						return
					}
				}
				turns <- nil
			}()
		}
		for range clients {
			if err := <-turns; err != nil {
				t.Error(err)
			}
		}
		info, err := client(t, open(), "observer", config).Inspect(t.Context(), "l")
		if err != nil || info.Token != clients*rounds || value != clients*rounds {
			t.Errorf("token %d and value %d after %d grants, %v", info.Token, value, clients*rounds, err)
		}
	})
}

func TestAnExpiredLeaseIsTakenOver(t *testing.T) {
	inBothLayouts(t, func(t *testing.T, open func() *kubernetes.Store) {
		dead, err := client(t, open(), "dead", lock.Config{TTL: 300 * time.Millisecond}).Acquire(t.Context(), "l", lock.ManualRenewal())
		if err != nil {
			t.Fatal(err)
		}
		next, err := client(t, open(), "next", lock.Config{TTL: 20 * time.Second}).Acquire(t.Context(), "l")
		if err != nil {
			t.Fatal(err)
		}
		if dead.Valid() || next.Token() != dead.Token()+1 {
			t.Errorf("taken over with token %d from %d, which is valid: %v", next.Token(), dead.Token(), dead.Valid())
		}
		if err := next.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The lock finds its own attempt where its reply was lost.
func TestAnAcquireSurvivesALostReply(t *testing.T) {
	namespace := freshNamespace(t, server(t))
	proxy := newProxy(t)
	c := client(t, openLeases(t, shared.RESTConfig(proxy.Addr()), namespace), "c", lock.Config{TTL: 20 * time.Second})
	first, err := c.Acquire(t.Context(), "l", lock.ManualRenewal())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := proxy.CutReplyAfter(0)
	second, err := c.Acquire(t.Context(), "l", lock.ManualRenewal()) // its first request is the write
	if err != nil {
		t.Fatal(err)
	}
	<-done
	if second.Token() != first.Token()+1 {
		t.Errorf("token %d came after %d", second.Token(), first.Token())
	}
	if err := second.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
