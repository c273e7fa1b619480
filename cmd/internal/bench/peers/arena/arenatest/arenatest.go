// Package arenatest has what every contender of a comparison must do, as a test:
// an adapter that misuses a library would make its figures worthless.
package arenatest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// patience is how long something that must happen may take beyond the lease.
const patience = 60 * time.Second

// Options of Run.
type Options struct {
	// Unsafe: the protocol lets two in, so nothing is counted.
	Unsafe bool
	// NoLossNotice: a holder is never told that its lease ran out.
	NoLossNotice bool
}

// Run tests one contender. It takes about a lease's length.
func Run(t *testing.T, c arena.Contender, o Options) {
	t.Helper()
	t.Run("a held lock is refused to a try, and given back", func(t *testing.T) { tryAndRelease(t, c) })
	t.Run("waiting ends with its context", func(t *testing.T) { waitingEnds(t, c) })
	t.Run("renewal outlives the lease", func(t *testing.T) { renewal(t, c) })
	t.Run("a crashed holder is followed", func(t *testing.T) { crash(t, c, o) })
	if !o.Unsafe {
		t.Run("one at a time", func(t *testing.T) { exclusion(t, c) })
	}
}

// open opens a client and closes it after the test.
func open(t *testing.T, c arena.Contender, owner string) arena.Client {
	t.Helper()
	client, err := c.Open(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// limited is a context for everything that must happen once l.TTL has passed.
func limited(t *testing.T, c arena.Contender) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience+2*c.Lease.TTL)
	t.Cleanup(cancel)
	return ctx
}

func take(t *testing.T, ctx context.Context, client arena.Client, name string) subjects.Lease {
	t.Helper()
	l, err := client.Acquire(ctx, name, subjects.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func tryAndRelease(t *testing.T, c arena.Contender) {
	ctx := limited(t, c)
	a, b := open(t, c, "a"), open(t, c, "b")
	l := take(t, ctx, a, "try")
	if _, err := b.Acquire(ctx, "try", subjects.Options{Try: true}); !errors.Is(err, lock.ErrHeld) {
		t.Fatalf("want ErrHeld, got %v", err)
	}
	if err := l.Release(ctx); err != nil {
		t.Fatal(err)
	}
	second := take(t, ctx, b, "try")
	if second.Token() != 0 && second.Token() <= l.Token() {
		t.Errorf("token %d after %d", second.Token(), l.Token())
	}
	if err := second.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

func waitingEnds(t *testing.T, c arena.Contender) {
	ctx := limited(t, c)
	a, b := open(t, c, "a"), open(t, c, "b")
	l := take(t, ctx, a, "wait")
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := b.Acquire(short, "wait", subjects.Options{}); err == nil {
		t.Fatal("a held lock was granted")
	}
	if err := l.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

func renewal(t *testing.T, c arena.Contender) {
	ctx := limited(t, c)
	a, b := open(t, c, "a"), open(t, c, "b")
	l := take(t, ctx, a, "renew")
	for until := time.Now().Add(c.Lease.TTL + c.Lease.TTL/2); time.Now().Before(until); {
		if _, err := b.Acquire(ctx, "renew", subjects.Options{Try: true}); !errors.Is(err, lock.ErrHeld) {
			t.Fatalf("want ErrHeld, got %v", err)
		}
		time.Sleep(c.Lease.TTL / 10)
	}
	if err := l.Lost().Err(); err != nil {
		t.Fatal(context.Cause(l.Lost()))
	}
	if err := l.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

func crash(t *testing.T, c arena.Contender, o Options) {
	ctx := limited(t, c)
	a, b := open(t, c, "a"), open(t, c, "b")
	l := take(t, ctx, a, "crash")
	a.Crash()
	next := take(t, ctx, b, "crash")
	if err := next.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if o.NoLossNotice {
		return
	}
	select {
	case <-l.Lost().Done():
	case <-ctx.Done():
		t.Error("the crashed holder was never told")
	}
}

// exclusion counts without any protection but the lock.
func exclusion(t *testing.T, c arena.Contender) {
	const clients, rounds = 3, 4
	ctx := limited(t, c)
	counter := 0
	var mu sync.Mutex // for the race detector, held over single accesses only
	var all sync.WaitGroup
	for i := range clients {
		client := open(t, c, string(rune('a'+i)))
		all.Go(func() {
			for range rounds {
				l, err := client.Acquire(ctx, "count", subjects.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen := counter
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				counter = seen + 1
				mu.Unlock()
				if err := l.Release(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if counter != clients*rounds && !t.Failed() {
		t.Errorf("%d updates of %d are left: two held the lock at once", counter, clients*rounds)
	}
}
