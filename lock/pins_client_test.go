package lock_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// taskRuntime counts its tasks. It hides WithTimeoutCause, so that every
// request has a task of its own.
type taskRuntime struct {
	lock.Runtime
	tasks, started *atomic.Int64
	onGo           func()
	lag            time.Duration // how long a task takes to be gone: who waits for it can be told
}

func (r taskRuntime) Go(f func()) (join func()) {
	if r.onGo != nil {
		r.onGo()
	}
	r.tasks.Add(1)
	r.started.Add(1)
	lag := r.lag * time.Duration(r.started.Load()) // no two are gone at once
	return r.Runtime.Go(func() {
		defer r.tasks.Add(-1)
		f()
		time.Sleep(lag)
	})
}

func countingTasks() taskRuntime {
	return taskRuntime{Runtime: bareRuntime{fakeRuntime{}}, tasks: new(atomic.Int64), started: new(atomic.Int64)}
}

func TestNoTaskOutlivesWhatItIsFor(t *testing.T) {
	for name, f := range map[string]func(t *testing.T, c *lock.Client, s *testStore){
		"inspect": func(t *testing.T, c *lock.Client, _ *testStore) {
			if _, err := c.Inspect(t.Context(), "k"); err != nil {
				t.Error(err)
			}
		},
		"acquire with a limit": func(t *testing.T, c *lock.Client, _ *testStore) {
			mustRelease(t, mustAcquire(t, c, "k", lock.WaitLimit(time.Hour)))
		},
		"acquire that waits": func(t *testing.T, c *lock.Client, s *testStore) {
			holder := newParty(t, s.Store, "holder")
			l := mustAcquire(t, holder.Client, "k")
			under := acquire(t.Context(), c, "k")
			time.Sleep(time.Second)
			mustRelease(t, l)
			under.wait(t)
			mustRelease(t, under.lease)
		},
		"limit reached": func(t *testing.T, c *lock.Client, s *testStore) {
			l := mustAcquire(t, newParty(t, s.Store, "holder").Client, "k")
			if _, err := c.Acquire(t.Context(), "k", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrHeld) {
				t.Error(err)
			}
			mustRelease(t, l)
		},
		"abandoned": func(t *testing.T, c *lock.Client, s *testStore) {
			s.once(loseReply, "cas")
			if _, err := c.Acquire(t.Context(), "k", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
				t.Error(err)
			}
			time.Sleep(5 * time.Second)
		},
		"closed while it gives back": func(t *testing.T, c *lock.Client, s *testStore) {
			s.always(unavailable, "get")
			s.set(func(call call) effect {
				if call.op == "cas" {
					return loseRequest
				}
				return unavailable
			})
			if _, err := c.Acquire(t.Context(), "k", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
				t.Error(err)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"released twice at once": func(t *testing.T, c *lock.Client, s *testStore) {
			s.always(slow, "cas")
			l := mustAcquire(t, c, "k")
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() { mustRelease(t, l) })
			}
			both.Wait()
		},
	} {
		for kind, caps := range allCaps {
			t.Run(name+", "+kind, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					rt := countingTasks()
					rt.lag = time.Millisecond
					s := newStore(memory.New())
					s.caps = caps
					c := newClientOn(t, s, rt, config("a"))
					f(t, c, s)
					if n := rt.tasks.Load(); n != 0 {
						t.Errorf("%d tasks are left", n)
					}
					if leases, acquires, _ := c.Kept(); leases+acquires != 0 {
						t.Errorf("%d leases and %d acquires are kept", leases, acquires)
					}
				})
			})
		}
	}
}

func TestWhatIsOverIsNotKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		lost := mustAcquire(t, a.Client, "k")
		tamper(t, a.store, heldBy("b-1", 2, 0))
		<-lost.Context().Done()
		synctest.Wait()
		if leases, _, _ := a.Kept(); leases != 0 {
			t.Errorf("%d leases are kept after the loss", leases)
		}
		a.store.always(loseRequest)
		for range 5 {
			if _, err := a.Acquire(t.Context(), "other", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
				t.Fatal(err)
			}
			time.Sleep(2 * ttl) // what it may have won, it gave back
		}
		if _, acquires, chores := a.Kept(); acquires != 0 || chores > 1 {
			t.Errorf("%d acquires and %d chores are kept", acquires, chores)
		}
	})
}

// Close may come between the end of an acquire and its clearing up.
func TestAChoreThatMeetsCloseIsEndedWithTheAcquire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		rt := countingTasks()
		rt.lag = time.Millisecond
		s := newStore(memory.New())
		var c *lock.Client
		var once sync.Once
		var closing atomic.Bool
		rt.onGo = func() {
			if closing.Load() {
				once.Do(func() { _ = c.Close(context.Background()) })
			}
		}
		c = newClientOn(t, s, rt, config("a"))
		s.always(loseRequest)
		ctx, cancel := context.WithCancel(t.Context())
		under := acquire(ctx, c, "k")
		time.Sleep(100 * time.Millisecond)
		closing.Store(true) // the next task that starts is the chore
		cancel()
		began := fakeNow()
		near(t, "the acquire ended", under.wait(t)-began, 0, ttl/9)
		if n := rt.tasks.Load(); n != 0 {
			t.Errorf("%d tasks are left", n)
		}
		s.taken()
		time.Sleep(time.Minute)
		wantCalls(t, s, "after Close")
	})
}

func TestAClosedClientAsksNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Acquire(t.Context(), "k"); !errors.Is(err, lock.ErrClosed) {
			t.Error(err)
		}
		wantCalls(t, a.store, "after Close")
	})
}

func TestCloseEndsAllThereIsInTheOrderOfTheGrants(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		holder, a := newParty(t, mem, "holder"), newParty(t, mem, "a")
		var want []string
		for i := range 12 {
			name := fmt.Sprint("mine-", i)
			mustAcquire(t, a.Client, name)
			want = append(want, name)
		}
		var waiting []*acquiring
		for i := range 4 {
			name := fmt.Sprint("theirs-", i)
			mustAcquire(t, holder.Client, name)
			waiting = append(waiting, acquire(t.Context(), a.Client, name))
		}
		time.Sleep(time.Second)
		var order []string
		a.store.set(func(c call) effect {
			if c.op == "cas" {
				order = append(order, c.key)
			}
			return pass
		})
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !slices.Equal(order, want) {
			t.Errorf("released %v, want %v", order, want)
		}
		for i, w := range waiting {
			if !w.ended() || !errors.Is(w.err, lock.ErrClosed) {
				t.Errorf("acquire %d after Close: ended %v, %v", i, w.ended(), w.err)
			}
		}
	})
}

func TestCloseWaitsForEveryChore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		rt := countingTasks()
		s := newStore(memory.New())
		c := newClientOn(t, s, rt, config("a"))
		s.set(func(call call) effect {
			if call.op == "cas" {
				return loseRequest
			}
			return unavailable
		})
		for i := range 3 {
			if _, err := c.Acquire(t.Context(), fmt.Sprint("k", i), lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
				t.Fatal(err)
			}
		}
		began := fakeNow()
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		near(t, "Close took", fakeNow()-began, ttl/6, 0)
		if n := rt.tasks.Load(); n != 0 {
			t.Errorf("%d tasks are left after Close", n)
		}
	})
}

func TestOwnersThatWereNotNamedDiffer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		seen := map[string]bool{}
		for i := range 3 {
			c := newClient(t, newStore(mem), lock.Config{TTL: ttl})
			name := fmt.Sprint("k", i)
			mustAcquire(t, c, name)
			info, err := c.Inspect(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if owner := info.Holders[0].Owner; owner == "" || seen[owner] {
				t.Errorf("owner %q", owner)
			} else {
				seen[owner] = true
			}
		}
	})
}

func TestAStoreThatDoesNotDeclareAWatchIsNotWatched(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		holder, a := newParty(t, mem, "holder"), newParty(t, mem, "a")
		l := mustAcquire(t, holder.Client, "k")
		a.store.caps.Watch = false
		c := newClient(t, a.store, config("a"))
		under := acquire(t.Context(), c, "k")
		time.Sleep(5 * time.Second)
		mustRelease(t, l)
		under.wait(t)
		if slices.Contains(a.store.taken(), "wait") {
			t.Error("it was watched")
		}
	})
}

func TestInspectTellsAllThatTheRecordHolds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		tamper(t, a.store, `{"v":1,"token":5,"mode":"shared","holders":[{"id":"x-1","owner":"x","ttl_ms":9000,"beat":3},`+
			`{"id":"y-2","owner":"y","ttl_ms":8000,"beat":4}],"data":"AQI=","attributes":{"one":"1","two":"2"}}`)
		rec, err := a.store.Store.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Inspect(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		want := lock.Info{
			Name: "k", Token: 5, Mode: lock.Shared, Revision: rec.Revision, Data: []byte{1, 2},
			Attributes: map[string]string{"one": "1", "two": "2"},
			Holders:    []lock.HolderInfo{{ID: "x-1", Owner: "x", TTL: ttl, Beat: 3}, {ID: "y-2", Owner: "y", TTL: 8 * time.Second, Beat: 4}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		none, err := a.Inspect(t.Context(), "never granted")
		if err != nil || none.Attributes == nil || none.Held() {
			t.Errorf("got %+v, %v", none, err)
		}
		none.Attributes["mine"] = "to write to"
	})
}

func TestAnErrorIsOnlyWhatItIs(t *testing.T) {
	held := &lock.HeldError{Waited: true}
	if !errors.Is(held, lock.ErrWaitLimit) || !errors.Is(held, lock.ErrHeld) || errors.Is(held, lock.ErrClosed) {
		t.Error("a HeldError after a wait is another error")
	}
}

// logged is what a client with a logger of all levels says.
func logged(t *testing.T, mem *memory.Store, owner string) (party, func() string) {
	t.Helper()
	var mu sync.Mutex
	var out bytes.Buffer
	write := writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(p)
	})
	s := newStore(mem)
	cfg := config(owner)
	cfg.Logger = slog.New(slog.NewTextHandler(write, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return party{newClient(t, s, cfg), s}, func() string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		defer out.Reset()
		return out.String()
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestWhatIsLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, said := logged(t, mem, "a")
		b, saidB := logged(t, mem, "b")
		want := func(what, got string, lines ...string) {
			t.Helper()
			if n := strings.Count(got, "\n"); n != len(lines) {
				t.Errorf("%s: %d lines, want %d:\n%s", what, n, len(lines), got)
			}
			for _, l := range lines {
				if !strings.Contains(got, l) {
					t.Errorf("%s: nothing of %s in\n%s", what, l, got)
				}
			}
		}
		mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		want("grant", said(), `level=DEBUG msg="lock granted" owner=a lock=k token=1`)
		a.store.always(loseRequest)
		mustAcquire(t, b.Client, "k")
		want("takeover", saidB(), `level=INFO msg="lock taken over" owner=b lock=k token=2`, `msg="lock granted" owner=b lock=k token=2`)
		want("loss", said(), `level=WARN msg="lease lost" owner=a lock=k token=1 reason=expired`)
		a.store.once(breakReply, "cas")
		mustAcquire(t, a.Client, "other")
		want("lost reply", said(), `level=DEBUG msg="no answer to an acquire" owner=a lock=other error="connection reset"`,
			`level=DEBUG msg="acquire goes on" owner=a lock=other failures=1 error="connection reset"`,
			`msg="lock granted" owner=a lock=other token=1`)
	})
}

// hangingCtx counts what hangs on it and was not let go.
type hangingCtx struct {
	context.Context
	done    chan struct{}
	hanging *atomic.Int64
}

func (c hangingCtx) Done() <-chan struct{} { return c.done }

func (c hangingCtx) Err() error { return nil }

// AfterFunc is what package context asks of a context that is not its own.
func (c hangingCtx) AfterFunc(func()) (stop func() bool) {
	c.hanging.Add(1)
	return func() bool {
		c.hanging.Add(-1)
		return true
	}
}

// A caller's context may last for ever, and what hangs on it as long.
func TestNothingIsLeftHangingOnTheContextOfACall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx := hangingCtx{t.Context(), make(chan struct{}), new(atomic.Int64)}
		a := newParty(t, memory.New(), "a")
		l, err := a.Acquire(ctx, "k", lock.WaitLimit(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Renew(ctx); err != nil {
			t.Error(err)
		}
		a.store.always(slow, "cas")
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := l.Release(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if err := a.Close(ctx); err != nil {
			t.Error(err)
		}
		if n := ctx.hanging.Load(); n != 0 {
			t.Errorf("%d contexts hang on it", n)
		}
	})
}

// A lease may be lost before its Acquire has returned.
func TestALeaseThatIsLostBeforeItIsKnownIsNotKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(memory.New())
		rt := countingTasks()
		rt.Runtime = fakeRuntime{} // a task is one of a lease
		rt.onGo = func() {
			if rt.started.Load() == 1 { // the first has begun, and no renewal brings an answer
				s.always(loseRequest)
				time.Sleep(2 * ttl)
			}
		}
		c := newClientOn(t, s, timed{rt}, config("a"))
		l := mustAcquire(t, c, "k")
		if !errors.Is(context.Cause(l.Context()), lock.ErrLost) {
			t.Fatal("it was not lost")
		}
		synctest.Wait()
		if leases, _, _ := c.Kept(); leases != 0 {
			t.Errorf("%d leases are kept", leases)
		}
	})
}

// timed brings WithTimeoutCause back.
type timed struct{ taskRuntime }

func (timed) WithTimeoutCause(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	return fakeRuntime{}.WithTimeoutCause(ctx, d, cause)
}

func TestCloseDoesNotOutlastItsChores(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		a.store.set(func(c call) effect {
			if c.op == "get" {
				return slow
			}
			return loseRequest
		})
		if _, err := a.Acquire(t.Context(), "k", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
			t.Fatal(err)
		}
		mustAcquire(t, b.Client, "k") // what a wrote can land no more
		began := fakeNow()
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		near(t, "Close took", fakeNow()-began, time.Second, 0)
	})
}

// The end watch has ended with the lease; the renewal that goes on is waited for.
func TestCloseWaitsForTheRenewalOfALeaseThatIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := deaf{newStore(memory.New()), new(atomic.Int64)}
		c := newClient(t, s, config("a"))
		l := mustAcquire(t, c, "k")
		s.sleep.Store(int64(10 * time.Second)) // of the renewal at 3 s
		<-l.Context().Done()
		time.Sleep(time.Second)
		began := fakeNow()
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		near(t, "Close took", fakeNow()-began, 13*time.Second-leaseLasts-time.Second, 0)
	})
}

// deaf does not notice that its context has ended.
type deaf struct {
	*testStore
	sleep *atomic.Int64
}

func (s deaf) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	time.Sleep(time.Duration(s.sleep.Swap(0)))
	return s.testStore.CompareAndSwap(ctx, key, old, value)
}
