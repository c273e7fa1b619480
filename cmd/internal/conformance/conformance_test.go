package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
)

// Every store that can be had here, and all that is asked of each. The server is
// started once, for that takes longer than the rest; each test has a lock of its own.
func TestEveryStore(t *testing.T) {
	for _, k := range targets.All() {
		t.Run(k.Name, func(t *testing.T) {
			opened, err := k.Open(t.Context(), target.Options{
				Container: fmt.Sprintf("lockproof-conformance-%016x", lock.SystemRuntime{}.Uint64()),
			})
			require.Server(t, k.Server, err)
			t.Cleanup(func() {
				if err := opened.Close(); err != nil {
					t.Error(err)
				}
			})
			for _, c := range []struct {
				name string
				test func(*testing.T, target.Target)
			}{
				{"keeps the contract", keepsTheContract},
				{"hands the lock on", handsTheLockOn},
				{"lets no contenders hold together", letsNoContendersHoldTogether},
				{"has an expired lease taken over", hasAnExpiredLeaseTakenOver},
				{"survives a lost reply", survivesALostReply},
			} {
				t.Run(c.name, func(t *testing.T) { c.test(t, opened) })
			}
		})
	}
}

// connect opens the store for one more client, by way of an address if there is one.
func connect(t *testing.T, opened target.Target, client int, via string) lock.Store {
	t.Helper()
	c, err := opened.Connect(t.Context(), client, via)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.Store
}

func newClient(t *testing.T, store lock.Store, owner string, ttl time.Duration) *lock.Client {
	t.Helper()
	c, err := lock.New(store, lock.SystemRuntime{}, lock.Config{Owner: owner, TTL: ttl, PollEvery: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// patience is a lease that no busy machine outlasts.
const patience = 20 * time.Second

func keepsTheContract(t *testing.T, opened target.Target) {
	store, other := connect(t, opened, 0, ""), connect(t, opened, 1, "")
	for _, c := range backendtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			o := backendtest.Options{Other: other}
			if reason := c.Skip(store, o); reason != "" {
				t.Skip(reason)
			}
			if err := c.Run(t.Context(), store, o); err != nil {
				t.Error(err)
			}
		})
	}
}

func handsTheLockOn(t *testing.T, opened target.Target) {
	first := newClient(t, connect(t, opened, 0, ""), "first", patience)
	second := newClient(t, connect(t, opened, 1, ""), "second", patience)
	held, err := first.Acquire(t.Context(), "handed-on")
	if err != nil {
		t.Fatal(err)
	}
	var refusal *lock.HeldError
	if _, err := second.TryAcquire(t.Context(), "handed-on"); !errors.As(err, &refusal) || refusal.Owner != "first" {
		t.Fatalf("want a refusal that names the holder, got %v", err)
	}
	granted := make(chan error, 1)
	var next *lock.Lease
	go func() {
		var err error
		next, err = second.Acquire(t.Context(), "handed-on")
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
}

func letsNoContendersHoldTogether(t *testing.T, opened target.Target) {
	const clients, rounds = 4, 5
	turns := make(chan error, clients)
	value := 0 // guarded by the lock alone; go test -race watches
	for i := range clients {
		c := newClient(t, connect(t, opened, i, ""), fmt.Sprint("c", i), patience)
		go func() {
			for range rounds {
				err := c.Do(t.Context(), "contended", func(context.Context, *lock.Lease) error { value++; return nil })
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
	info, err := newClient(t, connect(t, opened, clients, ""), "observer", patience).Inspect(t.Context(), "contended")
	if err != nil || info.Token != clients*rounds || value != clients*rounds {
		t.Errorf("token %d and value %d after %d grants, %v", info.Token, value, clients*rounds, err)
	}
}

func hasAnExpiredLeaseTakenOver(t *testing.T, opened target.Target) {
	dead, err := newClient(t, connect(t, opened, 0, ""), "dead", 300*time.Millisecond).Acquire(t.Context(), "expired", lock.ManualRenewal())
	if err != nil {
		t.Fatal(err)
	}
	next, err := newClient(t, connect(t, opened, 1, ""), "next", patience).Acquire(t.Context(), "expired")
	if err != nil {
		t.Fatal(err)
	}
	if dead.Valid() || next.Token() != dead.Token()+1 {
		t.Errorf("taken over with token %d from %d, which is valid: %v", next.Token(), dead.Token(), dead.Valid())
	}
	if err := next.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// noJitter draws nothing: these tests ask the proxy for no jitter.
type noJitter struct{}

func (noJitter) Choose(string, uint64) uint64 { return 0 }

func survivesALostReply(t *testing.T, opened target.Target) {
	if opened.Address(0) == "" {
		t.Skip("it has no connection that could be cut")
	}
	proxy, err := live.NewProxy(opened.Address(0), live.ProxyConfig{Choices: live.NewChoices(noJitter{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	c := newClient(t, connect(t, opened, 0, proxy.Addr()), "c", patience)
	first, err := c.Acquire(t.Context(), "lost-reply", lock.ManualRenewal())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := proxy.CutReplyAfter(0)
	second, err := c.Acquire(t.Context(), "lost-reply", lock.ManualRenewal()) // its first request is the write
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
