package lock_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// record reads what the store holds, past all faults.
func record(t *testing.T, s *testStore) string {
	t.Helper()
	rec, err := s.Store.Get(context.Background(), "k")
	if err != nil {
		t.Fatal(err)
	}
	return string(rec.Value)
}

func TestReleaseFreesTheRecordAndKeepsTheRest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		tamper(t, a.store, `{"v":1,"token":41,"data":"AQI=","attributes":{"zone":"b"}}`)
		mustRelease(t, mustAcquire(t, a.Client, "k"))
		if got, want := record(t, a.store), `{"v":1,"token":42,"data":"AQI=","attributes":{"zone":"b"}}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestReleaseIsIdempotent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		a.store.taken()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := l.Release(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		wantCalls(t, a.store, "ten releases", "cas")
		if l.Valid() || l.Remaining() != 0 {
			t.Error("valid after the release")
		}
	})
}

func TestReleaseFindsOutWhatBecameOfIt(t *testing.T) {
	for _, c := range []struct {
		name    string
		effect  effect
		between string // what the record becomes before the release reads it
		late    bool   // after the lease has ended
		want    string
		lost    lock.LostReason
		is      error
	}{
		{name: "reply lost", effect: loseReply},
		{name: "reply broken", effect: breakReply},
		{name: "request lost", effect: loseRequest},
		{name: "request broken", effect: breakRequest},
		{name: "unavailable", effect: unavailable},
		{name: "repeated by the SDK", effect: retried},
		{name: "reply broken, granted to another since", effect: breakReply, between: heldBy("b-1", 2, 0)},
		{name: "reply broken after the end, granted to another since", effect: breakReply, between: heldBy("b-1", 2, 0), late: true, is: lock.ErrUnconfirmed},
		{name: "taken over", between: heldBy("b-1", 2, 0), lost: lock.LostTaken},
		{name: "taken over after the end", between: heldBy("b-1", 2, 0), late: true, lost: lock.LostTaken},
		{name: "freed by an operator", between: `{"v":1,"token":1}`},
		{name: "after the end, nobody took over", late: true},
		{name: "refused", effect: refuse, is: lock.ErrRefused},
		{name: "a foreign record", between: `what`, is: lock.ErrRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newParty(t, memory.New(), "a")
				l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
				if c.late {
					time.Sleep(ttl)
				}
				done := false
				a.store.set(func(call call) effect {
					if c.between != "" && (call.op == "get" || c.effect == pass) {
						_, _ = a.store.Put(context.Background(), "k", []byte(c.between))
					}
					if done {
						return pass
					}
					done = true
					return c.effect
				})
				err := l.Release(t.Context())
				switch {
				case c.lost != "":
					if why := lostBecause(err); why != c.lost {
						t.Errorf("got %s, want %s", why, c.lost)
					}
				case !errors.Is(err, c.is):
					t.Errorf("got %v, want %v", err, c.is)
				case c.is == nil && c.between == "":
					if got := record(t, a.store); got != `{"v":1,"token":1}` {
						t.Errorf("the record is %s", got)
					}
				}
				if again := l.Release(t.Context()); again != err {
					t.Errorf("the second release: %v, the first: %v", again, err)
				}
			})
		})
	}
}

func TestReleaseMeetsALateRenewal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		a.store.once(land, "cas")
		time.Sleep(renewEvery + time.Second) // the renewal is on its way
		a.store.landLate()
		mustRelease(t, l)
		if got := record(t, a.store); got != `{"v":1,"token":1}` {
			t.Errorf("the record is %s", got)
		}
	})
}

func TestReleaseOnASilentStoreEndsWithItsContextOrTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		for _, limit := range []time.Duration{time.Second, time.Hour} {
			l := mustAcquire(t, a.Client, "k")
			a.store.always(loseRequest)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			began := fakeNow()
			err := l.Release(ctx)
			cancel()
			near(t, "ended", fakeNow()-began, min(limit, ttl), ttl/2)
			if err == nil || lock.Definite(err) || !strings.Contains(err.Error(), `release lock "k": not confirmed, can be taken over when unheard of for 9s: `) || strings.Contains(err.Error(), "%!") {
				t.Errorf("got %v", err)
			}
			a.store.set(nil)
		}
	})
}

// The last answer says "not carried out", and an earlier request has none.
func TestAReleaseWithAnOpenRequestIsNotDefinitelyFailed(t *testing.T) {
	for _, last := range []effect{unavailable, refuse} {
		inBubble(t, func(t *testing.T) {
			a := newParty(t, memory.New(), "a")
			l := mustAcquire(t, a.Client, "k")
			a.store.set(func(c call) effect {
				switch {
				case c.op == "cas" && c.count == 1: // the grant was the first
					return land
				case c.op == "cas":
					return last
				}
				return pass
			})
			err := l.Release(t.Context())
			if err == nil || lock.Definite(err) {
				t.Errorf("got %v", err)
			}
			a.store.landLate()
			if got := record(t, a.store); got != `{"v":1,"token":1}` {
				t.Errorf("the record is %s", got)
			}
		})
	}
}

func TestARenewalWhoseLookFailsIsNotDefinitelyFailed(t *testing.T) {
	for _, look := range []effect{unavailable, refuse} {
		inBubble(t, func(t *testing.T) {
			a := newParty(t, memory.New(), "a")
			l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
			a.store.set(func(c call) effect {
				if c.op == "cas" {
					return breakReply
				}
				return look
			})
			if err := l.Renew(t.Context()); err == nil || lock.Definite(err) {
				t.Errorf("applied, and: %v", err)
			}
			a.store.set(nil)
			mustRelease(t, l)
		})
	}
}

func TestAReleaseThatIsNeverAppliedSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		a.store.always(breakRequest, "cas")
		err := l.Release(t.Context())
		if err == nil || !errors.Is(err, errBroken) || strings.Contains(err.Error(), "%!") {
			t.Errorf("got %v", err)
		}
		if n := len(a.store.taken()); n > 60 {
			t.Errorf("%d requests in one lease", n)
		}
	})
}

func TestNothingIsSentAfterARelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		for i := range 20 {
			l := mustAcquire(t, a.Client, "k")
			a.store.always(slow)
			time.Sleep(renewEvery - 100*time.Millisecond + time.Duration(i)*50*time.Millisecond)
			mustRelease(t, l)
			a.store.set(nil)
			a.store.taken()
			time.Sleep(ttl)
			synctest.Wait()
			wantCalls(t, a.store, "after the release")
		}
	})
}

func TestDo(t *testing.T) {
	why := errors.New("why")
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		ctx := context.WithValue(t.Context(), contextKey{}, 42)
		err := a.Do(ctx, "k", func(ctx context.Context, l *lock.Lease) error {
			if !l.Valid() || ctx.Value(contextKey{}) != 42 {
				t.Error("no lease, or another context")
			}
			return why
		})
		if !errors.Is(err, why) {
			t.Error(err)
		}
		wantCalls(t, a.store, "do", "cas", "cas")
	})
}

func TestDoReleasesWhenItsFunctionPanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		func() {
			defer func() {
				if recover() != "why" {
					t.Error("the panic was lost")
				}
			}()
			_ = a.Do(t.Context(), "k", func(context.Context, *lock.Lease) error { panic("why") })
		}()
		if got := record(t, a.store); got != `{"v":1,"token":1}` {
			t.Errorf("the record is %s", got)
		}
	})
}

func TestDoTellsItsFunctionOfTheLoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		why := errors.New("why")
		err := a.Do(t.Context(), "k", func(ctx context.Context, _ *lock.Lease) error {
			tamper(t, a.store, heldBy("b-1", 2, 0))
			<-ctx.Done()
			if reason := lostBecause(context.Cause(ctx)); reason != lock.LostTaken {
				t.Error(reason)
			}
			return why
		})
		if !errors.Is(err, lock.ErrLost) || !errors.Is(err, why) {
			t.Error(err)
		}
	})
}

func TestDoEndsWithItsContextAndReleases(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		err := a.Do(ctx, "k", func(ctx context.Context, _ *lock.Lease) error {
			cancel(why)
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if !errors.Is(err, why) || errors.Is(err, lock.ErrLost) {
			t.Error(err)
		}
		if got := record(t, a.store); got != `{"v":1,"token":1}` {
			t.Errorf("the record is %s", got)
		}
		ran := false
		err = a.Do(ctx, "k", func(context.Context, *lock.Lease) error { ran = true; return nil })
		if !errors.Is(err, why) || ran {
			t.Errorf("with an ended context: %v, ran %t", err, ran)
		}
	})
}

func TestDoReportsARelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		err := a.Do(t.Context(), "k", func(context.Context, *lock.Lease) error {
			a.store.always(refuse)
			return nil
		})
		if !errors.Is(err, lock.ErrRefused) {
			t.Error(err)
		}
	})
}
