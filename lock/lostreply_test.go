package lock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// Each way in which the write of a grant can go wrong, on each kind of store:
// the lock is granted once, and its lease counts from a write that was sent.
func TestAnAcquireWithoutAnAnswerIsResolved(t *testing.T) {
	for name, caps := range allCaps {
		for _, e := range []effect{loseRequest, loseReply, breakReply, breakRequest, land, retried} {
			t.Run(fmt.Sprint(name, ", effect ", e), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					s := newStore(memory.New())
					s.caps = caps
					c := newClient(t, s, config("a"))
					s.once(e, "cas")
					called := fakeNow()
					l := mustAcquire(t, c, "k", lock.ManualRenewal())
					if l.Token() != 1 {
						t.Errorf("token %d", l.Token())
					}
					if took := fakeNow() - called; took > ttl/2 {
						t.Errorf("it took %s", took)
					}
					counted := called
					if e == loseRequest || e == land || e == breakRequest {
						counted = fakeNow() // the second write
					}
					near(t, "counts from", l.ValidUntil(), counted+leaseLasts, 0)
					s.landLate() // a late write must not harm
					if err := l.Renew(t.Context()); err != nil {
						t.Error(err)
					}
					mustRelease(t, l)
				})
			})
		}
	}
}

func TestAGrantThatLandsAfterTheFirstLookIsFound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		sent := fakeNow()
		a.store.set(func(c call) effect {
			switch {
			case c.op == "cas" && c.count == 0:
				return land
			case c.op == "cas":
				a.store.mu.Unlock()
				a.store.landLate() // overtakes the second write
				a.store.mu.Lock()
			}
			return pass
		})
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		near(t, "counts from the first", l.ValidUntil(), sent+leaseLasts, 0)
		if l.Token() != 1 {
			t.Errorf("token %d", l.Token())
		}
		mustRelease(t, l)
	})
}

func TestAGrantThatIsFoundTooLateIsEarnedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.set(func(c call) effect {
			if c.op == "cas" {
				return loseReply
			}
			return loseRequest
		})
		under := acquire(t.Context(), a.Client, "k", lock.ManualRenewal())
		time.Sleep(time.Minute)
		a.store.set(nil)
		now := fakeNow()
		under.wait(t)
		if under.err != nil {
			t.Fatal(under.err)
		}
		if end := under.lease.ValidUntil(); end < now+leaseLasts {
			t.Errorf("ends at %s, and it is %s", end, under.at)
		}
		if err := under.lease.Renew(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestALateReplyGrantsNoLeaseThatIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(memory.New())
		cfg := config("a")
		cfg.TTL, cfg.RequestTimeout = time.Second, time.Second
		c := newClient(t, s, cfg)
		s.once(slow, "cas") // one second, of which the lease is 0.99
		l := mustAcquire(t, c, "k", lock.ManualRenewal())
		if !l.Valid() {
			t.Error("granted a lease that is over")
		}
		wantCalls(t, s, "granted by the second write", "cas", "cas")
	})
}

func TestARenewalWithoutAnAnswerIsResolved(t *testing.T) {
	for name, caps := range allCaps {
		for _, c := range []struct {
			effect  effect
			renewed bool // by this very write
			fails   bool // Renew says so
		}{
			{loseReply, true, false}, {breakReply, true, false}, {retried, true, false},
			{loseRequest, false, true}, {breakRequest, false, true}, {land, false, true}, {unavailable, false, true},
		} {
			t.Run(fmt.Sprint(name, ", effect ", c.effect), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					s := newStore(memory.New())
					s.caps = caps
					client := newClient(t, s, config("a"))
					l := mustAcquire(t, client, "k", lock.ManualRenewal())
					end := l.ValidUntil()
					time.Sleep(time.Second)
					s.once(c.effect, "cas")
					sent := fakeNow()
					err := l.Renew(t.Context())
					if (err != nil) != c.fails || errors.Is(err, lock.ErrLost) {
						t.Errorf("got %v", err)
					}
					if c.renewed {
						end = sent + leaseLasts
					}
					near(t, "the lease's end", l.ValidUntil(), end, 0)

					// It lands before the next renewal, which then meets it.
					s.landLate()
					next := fakeNow()
					if err := l.Renew(t.Context()); err != nil {
						t.Fatal(err)
					}
					near(t, "the next renewal's end", l.ValidUntil(), next+leaseLasts, 0)
					mustRelease(t, l)
				})
			})
		}
	}
}

func TestARenewalThatLandsAfterAnotherDoesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		a.store.once(land, "cas")
		if err := l.Renew(t.Context()); err == nil {
			t.Fatal("confirmed")
		}
		if err := l.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := record(t, a.store)
		a.store.landLate()
		if after := record(t, a.store); after != before {
			t.Errorf("%s became %s", before, after)
		}
		mustRelease(t, l)
		a.store.landLate()
	})
}

func TestAnAbandonedAcquireGivesBackWhatItWins(t *testing.T) {
	for _, e := range []effect{loseReply, land} {
		for _, limit := range []lock.AcquireOption{nil, lock.WaitLimit(time.Second)} {
			t.Run(fmt.Sprint("effect ", e, ", wait limit ", limit != nil), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					mem := memory.New()
					a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
					mustRelease(t, mustAcquire(t, b.Client, "k"))
					ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
					defer cancel()
					options := []lock.AcquireOption{lock.ManualRenewal()}
					if limit != nil {
						options = append(options, limit)
					}
					a.store.once(e, "cas")
					if l, err := a.Acquire(ctx, "k", options...); err == nil {
						t.Fatal("granted", l.Token())
					}
					time.Sleep(time.Second)
					a.store.landLate()
					began := fakeNow()
					mustRelease(t, mustAcquire(t, b.Client, "k"))
					if took := fakeNow() - began; took > 2*time.Second {
						t.Errorf("b waited %s", took)
					}
					time.Sleep(ttl)
					synctest.Wait()
					a.store.taken()
					time.Sleep(time.Minute)
					wantCalls(t, a.store, "long after")
				})
			})
		}
	}
}

func TestGivingBackDoesNotAskWithoutAPause(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		// From the first write on, for it is given back while Acquire returns.
		writes := 0
		a.store.set(func(c call) effect {
			if c.op != "cas" {
				return pass
			}
			if writes++; writes == 1 {
				return loseReply
			}
			return unavailable
		})
		if _, err := a.Acquire(t.Context(), "k", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
			t.Fatal(err)
		}
		a.store.taken()
		time.Sleep(ttl + time.Second)
		if n := len(a.store.taken()); n < 2 || n > 40 {
			t.Errorf("%d requests in one lease", n)
		}
	})
}

func TestADefinitelyFailedAcquireLeavesNothingBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.always(refuse)
		if _, err := a.Acquire(t.Context(), "k"); !errors.Is(err, lock.ErrRefused) {
			t.Fatal(err)
		}
		a.store.taken()
		time.Sleep(time.Minute)
		wantCalls(t, a.store, "after the refusal")
	})
}

func TestAWriteThatMayLandIsNotReportedAsFailed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.set(func(c call) effect {
			if c.op == "cas" && c.count == 0 {
				return land
			}
			return refuse
		})
		_, err := a.Acquire(t.Context(), "k")
		if err == nil || lock.Definite(err) {
			t.Errorf("got %v", err)
		}
	})
}
