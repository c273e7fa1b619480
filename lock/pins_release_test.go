package lock_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// busyStore notes whether two writes of one client were ever under way at once.
type busyStore struct {
	*testStore
	writing, most *atomic.Int64
}

func (s busyStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	s.most.Store(max(s.most.Load(), s.writing.Add(1)))
	defer s.writing.Add(-1)
	return s.testStore.CompareAndSwap(ctx, key, old, value)
}

func TestAReleaseWaitsForTheRenewalUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(memory.New())
		busy := busyStore{s, new(atomic.Int64), new(atomic.Int64)}
		l := mustAcquire(t, newClient(t, busy, config("a")), "k")
		s.always(slow, "cas")
		time.Sleep(renewEvery + 100*time.Millisecond)
		if busy.writing.Load() != 1 {
			t.Fatal("no renewal is under way")
		}
		mustRelease(t, l)
		if n := busy.most.Load(); n != 1 {
			t.Errorf("%d writes were under way at once", n)
		}
	})
}

// The first requests of a release fail and what follows tells how.
func TestAReleaseWithAnOpenWriteDoesNotSayLost(t *testing.T) {
	for _, c := range []struct {
		name    string
		effects []effect
		after   string // what the record becomes before the second write
		want    []string
		lost    lock.LostReason
	}{
		// The first write may be the one that freed it; the conflict proves nothing else.
		{"no answer, then taken over", []effect{breakRequest, pass}, heldBy("b-1", 2, 0), []string{"cas", "get"}, ""},
		{"conflict, removed", []effect{pass}, "-", []string{"cas"}, lock.LostFreed},
		{"no answer, removed", []effect{breakRequest}, "-", []string{"cas", "get"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newParty(t, memory.New(), "a")
				l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
				a.store.taken()
				n := 0
				if c.effects[0] == pass {
					change(t, a.store, c.after)
				}
				a.store.set(func(call call) effect {
					switch call.op {
					case "cas":
						n++
						return c.effects[min(n, len(c.effects))-1]
					case "get":
						if n == 1 && c.effects[0] != pass {
							change(t, a.store, c.after)
						}
					}
					return pass
				})
				err := l.Release(t.Context())
				if c.lost == "" && err != nil || c.lost != "" && lostBecause(err) != c.lost {
					t.Errorf("error %v, want a loss: %q", err, c.lost)
				}
				if calls := a.store.taken(); !slices.Equal(calls, c.want) {
					t.Errorf("asked %v, want %v", calls, c.want)
				}
			})
		})
	}
}

// change makes text the record, "-" none.
func change(t *testing.T, s *testStore, text string) {
	t.Helper()
	if text != "-" {
		tamper(t, s, text)
		return
	}
	if err := s.Remove(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
}

// What a release found out, the next acquire need not ask.
func TestAfterAReleaseWhoseReplyWasLostTheNextAcquireIsOneRequest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.caps.ConflictReturnsCurrent = false
		l := mustAcquire(t, a.Client, "k")
		a.store.once(breakReply, "cas")
		mustRelease(t, l)
		a.store.taken()
		mustAcquire(t, a.Client, "k")
		wantCalls(t, a.store, "the next acquire", "cas")
	})
}

// With nothing drawn on top a pause is three quarters of PollEvery, which is 900 ms,
// halved five times, and once less after each failure in a row.
func TestPausesOfARelease(t *testing.T) {
	const at = time.Duration(0)
	for _, c := range []struct {
		name   string
		decide func(call) effect
		want   []time.Duration
	}{
		{"where nothing works", func(call) effect { return unavailable }, []time.Duration{
			at, 21093750, at, 42187500, at, 84375000, at, 168750000, at, 337500000, at, 675000000, at, 675000000,
		}},
		{"where reads work", func(c call) effect {
			if c.op == "cas" {
				return breakRequest
			}
			return pass
		}, []time.Duration{at, at, at, at, at, at, at, 168750000, at, 337500000, at, 675000000, at, 675000000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStore(memory.New())
				l := mustAcquire(t, newClientOn(t, s, evenRuntime{}, config("a")), "k", lock.ManualRenewal())
				got := pauses(s, c.decide)
				if err := l.Release(t.Context()); err == nil {
					t.Error("it was released")
				}
				if gaps := got(); len(gaps) < len(c.want) || !slices.Equal(gaps[:len(c.want)], c.want) {
					t.Errorf("pauses %v, want %v", gaps, c.want)
				}
			})
		})
	}
}

func TestAReleaseOnAStoreThatFailsIsTriedAtOnceAndThenSlowly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		a.store.taken()
		a.store.always(unavailable)
		began := fakeNow()
		if err := l.Release(t.Context()); err == nil || lock.Definite(err) {
			t.Error("it says what became of the lock")
		}
		near(t, "Release took", fakeNow()-began, ttl, 2*time.Second)
		if n := len(a.store.taken()); n < 20 || n > 80 {
			t.Errorf("%d requests", n)
		}
	})
}

// A release that begins after the lease has ended is tried twice all the same.
func TestAReleaseAfterTheEndIsTriedAgainOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		time.Sleep(2 * ttl)
		a.store.once(breakRequest, "cas")
		mustRelease(t, l)
		if got := record(t, a.store); got != `{"v":1,"token":1}` {
			t.Errorf("the record is %s", got)
		}
	})
}

func TestAReleaseAfterTheEndIsNotTriedMoreThanTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		time.Sleep(2 * ttl)
		a.store.taken()
		a.store.always(breakRequest, "cas")
		if err := l.Release(t.Context()); err == nil {
			t.Error("it was released")
		}
		wantCalls(t, a.store, "the release", "cas", "get", "cas", "get")
	})
}

// A conflict after a write without an answer may be with that very write, seen
// through what others did since.
func TestAReleaseRemembersItsFirstWriteOverItsSecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newOdd()
		l := mustAcquire(t, newClient(t, s, config("a")), "k", lock.ManualRenewal())
		writes := 0
		s.set(func(c call) effect {
			if c.op != "cas" {
				return pass
			}
			if writes++; writes == 1 {
				return breakRequest
			}
			if writes == 2 {
				tamper(t, s.testStore, heldBy("b-1", 2, 0))
			}
			return pass
		})
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("error %v: nobody could take it over yet, so it was released", err)
		}
	})
}

// odd answers reads with an older record, or says of a swap that there is no
// record, as often as its counts say.
type odd struct {
	*testStore
	old     lock.Record
	olds    int
	missing int
}

func (s *odd) Get(ctx context.Context, key string) (lock.Record, error) {
	rec, err := s.testStore.Get(ctx, key)
	if s.olds > 0 && err == nil {
		s.olds--
		return s.old, nil
	}
	return rec, err
}

func (s *odd) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	rev, err := s.testStore.CompareAndSwap(ctx, key, old, value)
	if s.missing > 0 && errors.Is(err, lock.ErrConflict) {
		s.missing--
		return "", lock.ErrNotFound
	}
	return rev, err
}

func newOdd() *odd {
	s := &odd{testStore: newStore(memory.New())}
	s.caps.ConflictReturnsCurrent = false
	return s
}

// A read that is older than the grant says nothing of the release.
func TestAReleaseIsNotDoneBecauseAnOldRecordWasRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newOdd()
		c := newClient(t, s, config("a"))
		mustRelease(t, mustAcquire(t, c, "k"))
		old, err := s.Store.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		l := mustAcquire(t, c, "k", lock.ManualRenewal())
		s.taken()
		s.old, s.olds = old, 1
		s.once(breakRequest, "cas")
		mustRelease(t, l)
		wantCalls(t, s.testStore, "the release", "cas", "get", "cas")
		if info, err := c.Inspect(t.Context(), "k"); err != nil || info.Held() {
			t.Errorf("%v, held %t after the release", err, info.Held())
		}
	})
}

// "There is no record" turns a write down for certain, and tells of a removal.
func TestAReleaseThatFindsNoRecordIsALoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newOdd()
		l := mustAcquire(t, newClient(t, s, config("a")), "k", lock.ManualRenewal())
		if err := s.Remove(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		s.missing = 1
		if err := l.Release(t.Context()); lostBecause(err) != lock.LostFreed {
			t.Errorf("error %v, want a loss: %q", err, lock.LostFreed)
		}
	})
}

// Whose writes were all turned down knows that it released nothing.
func TestAReleaseWhoseWritesWereAllTurnedDownIsDefinite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newOdd()
		l := mustAcquire(t, newClient(t, s, config("a")), "k", lock.ManualRenewal())
		rec, err := s.Store.Get(t.Context(), "k")
		if err == nil {
			_, err = s.Store.CompareAndSwap(t.Context(), "k", rec.Revision, rec.Value)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.always(unavailable, "get")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Release(ctx); !errors.Is(err, lock.ErrConflict) || !lock.Definite(err) {
			t.Errorf("error %v, want a definite conflict", err)
		}
	})
}
