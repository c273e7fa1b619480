package lock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func wantCalls(t *testing.T, s *testStore, what string, want ...string) {
	t.Helper()
	if got := s.taken(); !slices.Equal(got, want) {
		t.Errorf("%s: the store was asked %v, want %v", what, got, want)
	}
}

func TestUncontendedAcquireIsOneRoundTrip(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		wantCalls(t, a.store, "first acquire", "cas")
		mustRelease(t, l)
		wantCalls(t, a.store, "release", "cas")
		again := mustAcquire(t, a.Client, "k")
		wantCalls(t, a.store, "second acquire", "cas")
		if again.Token() != l.Token()+1 || !again.Valid() || again.Name() != "k" {
			t.Errorf("token %d after %d, valid %t", again.Token(), l.Token(), again.Valid())
		}
	})
}

func TestFirstAcquireReadsWhereAConflictTellsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		b := newStore(a.store.Store)
		b.caps = lock.Capabilities{}
		blind := newClient(t, b, config("b"))
		mustRelease(t, mustAcquire(t, blind, "k"))
		wantCalls(t, b, "first", "get", "cas", "cas")
		mustRelease(t, mustAcquire(t, a.Client, "k"))
		mustRelease(t, mustAcquire(t, blind, "k"))
		wantCalls(t, b, "with a view out of date", "cas", "get", "cas", "cas")
	})
}

func TestFirstAcquireOfAnExistingFreeLockIsTwoRoundTrips(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		mustRelease(t, mustAcquire(t, a.Client, "k"))
		mustRelease(t, mustAcquire(t, b.Client, "k"))
		wantCalls(t, b.store, "acquire and release", "cas", "cas", "cas")
	})
}

func TestTryAcquireSaysWhoHasIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "alice"), newParty(t, mem, "bob")
		l := mustAcquire(t, a.Client, "k")
		time.Sleep(time.Second)
		if _, err := b.TryAcquire(t.Context(), "k"); err == nil {
			t.Fatal("got a held lock")
		}
		time.Sleep(time.Second)
		_, err := b.TryAcquire(t.Context(), "k")
		var held *lock.HeldError
		if !errors.As(err, &held) || !errors.Is(err, lock.ErrHeld) || errors.Is(err, lock.ErrWaitLimit) {
			t.Fatal(err)
		}
		want := lock.HeldError{Name: "k", Owner: "alice", Token: l.Token(), TTL: ttl, FreeIn: takenAfter - time.Second}
		if *held != want {
			t.Errorf("got %+v, want %+v", *held, want)
		}
		if text := `lock "k" is held by "alice" with token 1; without a renewal it is free in 8.09s`; err.Error() != text {
			t.Errorf("got %q, want %q", err, text)
		}
	})
}

func TestTryAcquireAgainAndAgainTakesOverFromTheDead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		first := mustAcquire(t, a.Client, "k")
		a.store.always(loseRequest)
		began := fakeNow()
		for {
			l, err := b.TryAcquire(t.Context(), "k")
			if err == nil {
				near(t, "taken over after", fakeNow()-began, takenAfter, 100*time.Millisecond)
				if l.Token() <= first.Token() {
					t.Errorf("token %d after %d", l.Token(), first.Token())
				}
				return
			}
			if !errors.Is(err, lock.ErrHeld) {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// allCaps are the kinds of stores.
var allCaps = map[string]lock.Capabilities{
	"watch and current": {Watch: true, ConflictReturnsCurrent: true},
	"watch":             {Watch: true},
	"current":           {ConflictReturnsCurrent: true},
	"neither":           {},
}

func TestAWaiterTakesOverFromTheDead(t *testing.T) {
	for name, caps := range allCaps {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newParty(t, memory.New(), "a")
				s := newStore(a.store.Store)
				s.caps = caps
				b := newClientOn(t, s, bareRuntime{fakeRuntime{}}, config("b"))
				first := mustAcquire(t, a.Client, "k")
				time.Sleep(renewEvery + time.Second) // one renewal
				a.store.always(loseRequest)
				began := fakeNow()
				l := mustAcquire(t, b, "k")
				near(t, "taken over after", fakeNow()-began, takenAfter, 0)
				if first.Valid() || context.Cause(first.Context()) == nil || l.Token() != first.Token()+1 {
					t.Errorf("first valid: %t, cause %v; token %d", first.Valid(), context.Cause(first.Context()), l.Token())
				}
			})
		})
	}
}

func TestAWaiterIsHandedTheLock(t *testing.T) {
	for name, caps := range allCaps {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newParty(t, memory.New(), "a")
				s := newStore(a.store.Store)
				s.caps = caps
				b := newClient(t, s, config("b"))
				l := mustAcquire(t, a.Client, "k")
				under := acquire(t.Context(), b, "k")
				time.Sleep(30 * time.Second)
				if under.ended() {
					t.Fatal("granted while held")
				}
				released := fakeNow()
				mustRelease(t, l)
				slack := time.Duration(0)
				if !caps.Watch {
					slack = ttl / 10 * 5 / 4
				}
				near(t, "handed over after", under.wait(t)-released, 0, slack)
			})
		})
	}
}

func TestAWatchThatFailsIsReplacedByPolling(t *testing.T) {
	for _, e := range []effect{breakReply, unavailable, refuse, loseReply} {
		inBubble(t, func(t *testing.T) {
			mem := memory.New()
			a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
			a.store.set(nil)
			mustAcquire(t, a.Client, "k", lock.ManualRenewal())
			b.store.always(e, "wait")
			began := fakeNow()
			mustRelease(t, mustAcquire(t, b.Client, "k"))
			near(t, "taken over after", fakeNow()-began, takenAfter, 0)
			if calls := b.store.taken(); len(calls) > 40 {
				t.Errorf("%d requests in one lease", len(calls))
			}
		})
	}
}

func TestWaitLimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		mustAcquire(t, a.Client, "k")
		began := fakeNow()
		_, err := b.Acquire(t.Context(), "k", lock.WaitLimit(20*time.Second))
		near(t, "gave up after", fakeNow()-began, 20*time.Second, 0)
		var held *lock.HeldError
		if !errors.Is(err, lock.ErrWaitLimit) || !errors.Is(err, lock.ErrHeld) || !errors.As(err, &held) || held.Owner != "a" || !held.Waited {
			t.Errorf("got %v", err)
		}
		if !strings.HasPrefix(err.Error(), "wait limit reached: lock ") {
			t.Errorf("got %q", err)
		}
		b.store.taken()
		time.Sleep(ttl)
		wantCalls(t, b.store, "nothing was won, so there is nothing to give back")
	})
}

func TestWaitLimitOnASilentStore(t *testing.T) {
	for name, first := range map[string]effect{"at once": loseRequest, "after a look": pass} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				mem := memory.New()
				a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
				mustAcquire(t, a.Client, "k")
				a.store.always(loseRequest)
				b.store.set(func(c call) effect {
					if c.op == "cas" && c.count > 0 {
						return loseRequest // the takeover
					}
					return first
				})
				_, err := b.Acquire(t.Context(), "k", lock.WaitLimit(takenAfter+time.Second))
				if !errors.Is(err, lock.ErrWaitLimit) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		if _, err := a.Acquire(t.Context(), "k", lock.WaitLimit(-1)); err == nil || !strings.Contains(err.Error(), "-1ns is negative") {
			t.Error(err)
		}
	})
}

func TestAcquireEndsWithTheCauseOfItsContext(t *testing.T) {
	for name, caps := range allCaps {
		for _, silent := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					a := newParty(t, memory.New(), "a")
					s := newStore(a.store.Store)
					s.caps = caps
					b := newClient(t, s, config("b"))
					mustAcquire(t, a.Client, "k")
					if silent {
						s.always(loseRequest)
					}
					why := errors.New("why")
					ctx, cancel := context.WithCancelCause(t.Context())
					under := acquire(ctx, b, "k")
					time.Sleep(time.Second)
					cancel(why)
					near(t, "ended at", under.wait(t), fakeNow(), 0)
					if !errors.Is(under.err, why) || errors.Is(under.err, lock.ErrHeld) {
						t.Errorf("got %v", under.err)
					}
					if _, err := b.Acquire(ctx, "k"); !errors.Is(err, why) {
						t.Errorf("with an ended context: %v", err)
					}
				})
			})
		}
	}
}

func TestARefusalEndsAnAcquire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.always(refuse)
		if _, err := a.Acquire(t.Context(), "k"); !errors.Is(err, lock.ErrRefused) || fmtErr(err) != `acquire lock "k": refused` {
			t.Error(err)
		}
		for _, f := range []func() error{
			func() error { _, err := a.Acquire(t.Context(), ""); return err },
			func() error { _, err := a.TryAcquire(t.Context(), ""); return err },
			func() error { _, err := a.Inspect(t.Context(), ""); return err },
			func() error { return a.Do(t.Context(), "", nil) },
		} {
			if err := f(); !errors.Is(err, lock.ErrRefused) || fmtErr(err) != "lock name is empty: refused" {
				t.Errorf("empty name: %v", err)
			}
		}
	})
}

func fmtErr(err error) string {
	if err == nil {
		return "<nil>"
	}
	return err.Error()
}

func TestAnUnavailableStoreIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.always(unavailable)
		under := acquire(t.Context(), a.Client, "k")
		time.Sleep(time.Minute)
		if under.ended() {
			t.Fatal(under.err)
		}
		if n := len(a.store.taken()); n < 40 || n > 120 {
			t.Errorf("%d requests in a minute, want about one each 900 ms", n)
		}
		began := fakeNow()
		if _, err := a.TryAcquire(t.Context(), "k"); err == nil || errors.Is(err, lock.ErrHeld) {
			t.Error(err)
		}
		near(t, "a try gave up after", fakeNow()-began, 0, time.Second)
		a.store.set(nil)
		under.wait(t)
		if under.err != nil {
			t.Fatal(under.err)
		}
	})
}

func TestAForeignRecordIsLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		rev, err := a.store.Put(t.Context(), "k", []byte("mine"))
		if err != nil {
			t.Fatal(err)
		}
		_, acquireErr := a.Acquire(t.Context(), "k")
		_, inspectErr := a.Inspect(t.Context(), "k")
		for _, err := range []error{acquireErr, inspectErr} {
			var format *lock.FormatError
			if !errors.As(err, &format) || format.Name != "k" || !errors.Is(err, lock.ErrRefused) ||
				!strings.Contains(err.Error(), `the record of lock "k" is not a lock record of format 1: not JSON`) {
				t.Errorf("got %v", err)
			}
		}
		if rec, err := a.store.Store.Get(t.Context(), "k"); err != nil || rec.Revision != rev {
			t.Errorf("the record is now %s, %v", rec.Value, err)
		}
	})
}

func TestInspect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		if info, err := b.Inspect(t.Context(), "k"); err != nil || info.Held() || info.Token != 0 || info.Revision != "" {
			t.Errorf("never granted: %+v, %v", info, err)
		}
		l := mustAcquire(t, a.Client, "k")
		time.Sleep(renewEvery + time.Second)
		info, err := b.Inspect(t.Context(), "k")
		if err != nil || !info.Held() || len(info.Holders) != 1 || info.Mode != lock.Exclusive || info.Token != l.Token() {
			t.Fatalf("held: %+v, %v", info, err)
		}
		if h := info.Holders[0]; h.Owner != "a" || h.TTL != ttl || h.Beat != 1 || h.ID == "" {
			t.Errorf("holder %+v", h)
		}
		mustRelease(t, l)
		if info, err := b.Inspect(t.Context(), "k"); err != nil || info.Held() || info.Mode != "" || info.Token != l.Token() {
			t.Errorf("released: %+v, %v", info, err)
		}
		b.store.always(unavailable)
		if _, err := b.Inspect(t.Context(), "k"); !errors.Is(err, lock.ErrUnavailable) {
			t.Error(err)
		}
	})
}

func TestAHundredGoroutinesCountWithoutAnAtomic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		clients := []party{newParty(t, mem, "a"), newParty(t, mem, "b"), newParty(t, mem, "c")}
		counter, last := 0, uint64(0)
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				err := clients[i%3].Do(context.Background(), "k", func(_ context.Context, l *lock.Lease) error {
					counter++
					if l.Token() <= last {
						t.Errorf("token %d after %d", l.Token(), last)
					}
					last = l.Token()
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if counter != 100 {
			t.Errorf("counted %d", counter)
		}
	})
}
