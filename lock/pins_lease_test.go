package lock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// aheadRuntime is a clock that can be put ahead without any timer noticing, as
// after a suspend.
type aheadRuntime struct {
	fakeRuntime
	by *atomic.Int64
}

func (r aheadRuntime) Now() time.Duration { return fakeNow() + time.Duration(r.by.Load()) }

func TestALeaseIsOverAtItsEndBeforeAnyTimerHasNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		rt := aheadRuntime{by: new(atomic.Int64)}
		s := newStore(memory.New())
		l := mustAcquire(t, newClientOn(t, s, rt, config("a")), "k")
		rt.by.Store(int64(leaseLasts - 1))
		if !l.Valid() || l.Remaining() != 1 {
			t.Errorf("a nanosecond before the end: valid %v for %s", l.Valid(), l.Remaining())
		}
		for _, later := range []time.Duration{0, 1, time.Hour} {
			rt.by.Store(int64(leaseLasts + later))
			if l.Valid() || l.Remaining() != 0 {
				t.Errorf("%s after the end: valid %v for %s", later, l.Valid(), l.Remaining())
			}
		}
		s.taken()
		var lost *lock.LostError
		if err := l.Renew(t.Context()); !errors.As(err, &lost) || *lost != (lock.LostError{Name: "k", Token: 1, Reason: lock.LostExpired}) {
			t.Errorf("a renewal after the end: %v", err)
		}
		wantCalls(t, s, "a renewal after the end")
	})
}

func TestTheFirstReasonOfALossStandsUnlessItIsTheEnd(t *testing.T) {
	for _, c := range []struct{ first, second, want lock.LostReason }{
		{lock.LostTaken, lock.LostFreed, lock.LostTaken},
		{lock.LostTaken, lock.LostExpired, lock.LostTaken},
		{lock.LostFreed, lock.LostTaken, lock.LostFreed},
		{lock.LostExpired, lock.LostTaken, lock.LostTaken},
	} {
		inBubble(t, func(t *testing.T) {
			a, said := logged(t, memory.New(), "a")
			l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
			said()
			l.Lose(c.first)
			l.Lose(c.second)
			var lost *lock.LostError
			if err := l.Renew(t.Context()); !errors.As(err, &lost) || *lost != (lock.LostError{Name: "k", Token: 1, Reason: c.want}) {
				t.Errorf("%s, then %s: %v", c.first, c.second, err)
			}
			if got := said(); strings.Count(got, "lease lost") != 1 {
				t.Errorf("%s, then %s, is logged as\n%s", c.first, c.second, got)
			}
		})
	}
}

func TestALossDuringAReleaseIsNotReported(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, said := logged(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		said()
		a.store.always(slow, "cas")
		released := make(chan error)
		go func() { released <- l.Release(context.Background()) }()
		synctest.Wait()
		l.Lose(lock.LostTaken)
		if err := <-released; err != nil {
			t.Error(err)
		}
		if cause := context.Cause(l.Context()); !errors.Is(cause, lock.ErrReleased) {
			t.Errorf("the context ended with %v", cause)
		}
		if got := said(); strings.Contains(got, "lease lost") {
			t.Errorf("a lease that was given back is logged as\n%s", got)
		}
	})
}

// Renewals that fail are tried again soon, and less and less so; one that
// succeeds ends that.
func TestAHeartbeatThatFailsIsTriedAgainWithinTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		a.store.taken()
		a.store.set(func(c call) effect {
			if c.op == "cas" && c.count < 3 {
				return unavailable
			}
			return pass
		})
		time.Sleep(renewEvery + renewEvery*4/5)
		if calls := a.store.taken(); len(calls) != 4 {
			t.Errorf("after three renewals that were throttled: %v", calls)
		}
		a.store.set(nil)
		time.Sleep(10 * renewEvery)
		if calls := a.store.taken(); len(calls) < 9 || len(calls) > 11 {
			t.Errorf("ten renewals later: %v", calls)
		}
		mustRelease(t, l)
	})
}

func TestARenewalThatIsThrottledEndsWithThat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		a.store.taken()
		a.store.always(unavailable)
		if err := l.Renew(t.Context()); !errors.Is(err, lock.ErrUnavailable) || errors.Is(err, lock.ErrLost) {
			t.Error(err)
		}
		wantCalls(t, a.store, "a renewal that is throttled", "cas")
		// The lease counts from the renewal that succeeded, not from that one.
		a.store.set(nil)
		time.Sleep(time.Second)
		sent := fakeNow()
		if err := l.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		near(t, "ends", l.ValidUntil(), sent+leaseLasts, 0)
	})
}

// ErrNotFound is what some stores say of a record that was removed.
type notFoundStore struct{ *testStore }

func (s notFoundStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	rev, err := s.testStore.CompareAndSwap(ctx, key, old, value)
	if errors.Is(err, lock.ErrConflict) {
		err = lock.ErrNotFound
	}
	return rev, err
}

func TestNotFoundIsAConflict(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		s := newStore(mem)
		s.caps.ConflictReturnsCurrent = false
		c := newClient(t, notFoundStore{s}, config("a"))
		mustRelease(t, mustAcquire(t, c, "k"))
		tamper(t, s, `{"v":1,"token":7}`) // another was granted it and gave it back
		s.taken()
		began := fakeNow()
		l := mustAcquire(t, c, "k", lock.ManualRenewal())
		if l.Token() != 8 || fakeNow() != began {
			t.Errorf("token %d after %s", l.Token(), fakeNow()-began)
		}
		wantCalls(t, s, "an acquire that knew an old revision", "cas", "get", "cas")
		tamper(t, s, heldBy("b-1", 9, 0))
		if err := l.Renew(t.Context()); lostBecause(err) != lock.LostTaken {
			t.Errorf("a renewal of a lock that was taken over: %v", err)
		}
	})
}

func TestAThrottledWriteIsSentAgainWithoutALook(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.once(unavailable, "cas")
		mustAcquire(t, a.Client, "k")
		wantCalls(t, a.store, "an acquire that was throttled", "cas", "cas")
	})
}

// A conflict of which the store does not know the reason says nothing of what
// there is.
type speechlessStore struct{ *testStore }

func (s speechlessStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	rev, err := s.testStore.CompareAndSwap(ctx, key, old, value)
	if errors.Is(err, lock.ErrConflict) {
		err = &lock.ConflictError{}
	}
	return rev, err
}

func TestAConflictWithoutARecordIsLookedInto(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		holder := newParty(t, mem, "holder")
		mustAcquire(t, holder.Client, "k")
		s := newStore(mem)
		c := newClient(t, speechlessStore{s}, config("a"))
		var held *lock.HeldError
		if _, err := c.TryAcquire(t.Context(), "k"); !errors.As(err, &held) || held.Owner != "holder" {
			t.Error(err)
		}
		wantCalls(t, s, "a try", "cas", "get")
	})
}

// Two writes of one grant are under way; the record shows the second.
func TestAGrantCountsFromTheWriteThatTheRecordShows(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		var sent []time.Duration
		a.store.set(func(c call) effect {
			if c.op != "cas" {
				return pass
			}
			sent = append(sent, fakeNow())
			return []effect{loseRequest, loseReply, pass}[min(2, len(sent)-1)]
		})
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		if len(sent) != 2 {
			t.Fatalf("%d writes", len(sent))
		}
		near(t, "ends", l.ValidUntil(), sent[1]+leaseLasts, 0)
		info, err := a.Inspect(t.Context(), "k")
		if err != nil || info.Holders[0].Beat != 1 {
			t.Errorf("the second write carries %+v, %v", info.Holders, err)
		}
	})
}

func TestARefusalEndsAnAcquireThatHasToEarnItsGrantAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.set(func(c call) effect {
			switch {
			case c.op == "cas" && c.count == 0:
				return loseReply
			case c.op == "cas":
				return refuse
			case fakeNow() < 2*ttl:
				return unavailable
			}
			return pass
		})
		under := acquire(t.Context(), a.Client, "k")
		time.Sleep(3 * ttl)
		if !under.ended() || !strings.Contains(under.err.Error(), lock.ErrRefused.Error()) {
			t.Fatalf("ended %v with %v", under.ended(), under.err)
		}
	})
}

// Nobody took over, so that the release succeeds; f ran without the lock for a
// while all the same.
func TestDoTellsOfALossEvenIfTheLockWasStillThereToRelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		err := a.Do(t.Context(), "k", func(ctx context.Context, _ *lock.Lease) error {
			<-ctx.Done()
			return nil
		}, lock.ManualRenewal(), lock.WaitLimit(time.Minute))
		if lostBecause(err) != lock.LostExpired {
			t.Error(err)
		}
		if got := record(t, a.store); got != `{"v":1,"token":1}` {
			t.Errorf("the record is %s", got)
		}
	})
}

func TestATakeoverOfAHolderLongKnownIsOneRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		a.store.always(loseRequest)
		if _, err := b.TryAcquire(t.Context(), "k"); !errors.Is(err, lock.ErrHeld) {
			t.Fatal(err)
		}
		time.Sleep(takenAfter)
		b.store.taken()
		if _, err := b.TryAcquire(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, b.store, "a takeover", "cas")
	})
}

// With nothing drawn on top a pause is three quarters of RenewEvery, which is 3 s,
// after the fifth failure in a row halved once, and once more for each before it.
func TestRenewalsThatFailComeLessAndLessOften(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(memory.New())
		l := mustAcquire(t, newClientOn(t, s, evenRuntime{}, config("a")), "k")
		got := pauses(s, func(call) effect { return unavailable })
		<-l.Context().Done()
		want := []time.Duration{140625 * time.Microsecond, 281250 * time.Microsecond, 562500 * time.Microsecond, 1125 * time.Millisecond, 1125 * time.Millisecond}
		if gaps := got(); len(gaps) < len(want) || !slices.Equal(gaps[:len(want)], want) {
			t.Errorf("pauses %v, want %v", gaps, want)
		}
	})
}

func TestARenewalThatFailsAfterTheEndIsALoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		time.Sleep(leaseLasts - 100*time.Millisecond)
		a.store.always(loseRequest)
		if err := l.Renew(t.Context()); lostBecause(err) != lock.LostExpired {
			t.Errorf("error %v, want a loss: %q", err, lock.LostExpired)
		}
	})
}

// A lease may be renewed for years.
func TestRenewalsThatAreDecidedAreNotKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		renew := func(what string, e effect, want int) {
			t.Helper()
			a.store.once(e, "cas")
			_ = l.Renew(t.Context())
			if got := l.Open(); got != want {
				t.Errorf("%d renewals are open after one that %s, want %d", got, what, want)
			}
		}
		renew("was confirmed", pass, 0)
		renew("was throttled", unavailable, 0)
		renew("brought no answer", breakRequest, 1)
		renew("was throttled", unavailable, 1)
		renew("was confirmed", pass, 0)
		mustRelease(t, l)
	})
}
