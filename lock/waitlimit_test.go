package lock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// b's takeover is on its way when b's patience ends: b must not say that it does
// not have the lock, for others will be told that it does.
//
//	a    holds, cut off
//	b    ............ takeover sent ... look: still a's, try: throttled ... limit
//	store                                                                  takeover lands
func TestAWaitLimitDoesNotDenyATakeoverThatIsOnItsWay(t *testing.T) {
	for name, lastly := range map[string]effect{"throttled since": unavailable, "nothing since": pass} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				mem := memory.New()
				a, b, c := newParty(t, mem, "a"), newParty(t, mem, "b"), newParty(t, mem, "c")
				mustAcquire(t, a.Client, "k", lock.ManualRenewal())
				a.store.always(loseRequest)
				if _, err := b.TryAcquire(t.Context(), "k"); !errors.Is(err, lock.ErrHeld) {
					t.Fatal(err)
				}
				b.store.taken()
				b.store.set(func(call call) effect {
					switch {
					case call.op == "cas" && call.count == 0:
						return land
					case call.op == "cas":
						return lastly
					}
					return pass
				})
				limit := takenAfter + ttl/6 + time.Second
				if lastly == pass {
					limit = takenAfter + time.Second
				}
				_, err := b.Acquire(t.Context(), "k", lock.WaitLimit(limit))
				if !errors.Is(err, lock.ErrWaitLimit) || errors.Is(err, lock.ErrHeld) || lock.Definite(err) {
					t.Errorf("while its takeover is on its way, b is told: %v", err)
				}
				if held := (*lock.HeldError)(nil); errors.As(err, &held) {
					t.Errorf("b is told that %s has the lock", held.Owner)
				}
				b.store.set(nil)
				synctest.Wait() // b has looked once, and sleeps: it does not give back what c is to see
				b.store.landLate()
				_, err = c.TryAcquire(t.Context(), "k")
				if held := (*lock.HeldError)(nil); !errors.As(err, &held) || held.Owner != "b" {
					t.Errorf("c is told: %v", err)
				}
				began := fakeNow()
				mustRelease(t, mustAcquire(t, c.Client, "k"))
				if took := fakeNow() - began; took > 2*time.Second {
					t.Errorf("b gave the lock back after %s", took)
				}
			})
		})
	}
}

// The cause of a context's end may be an answer about another lock.
func TestTheCauseOfAnEndIsNoAnswerAboutTheLock(t *testing.T) {
	for _, cause := range []error{
		&lock.HeldError{Name: "other", Waited: true}, lock.ErrWaitLimit, lock.ErrRefused, lock.ErrConflict,
	} {
		inBubble(t, func(t *testing.T) {
			a := newParty(t, memory.New(), "a")
			ctx, cancel := context.WithCancelCause(t.Context())
			a.store.set(func(c call) effect {
				if c.op == "cas" && c.count == 0 {
					return land
				}
				return pass
			})
			under := acquire(ctx, a.Client, "k")
			time.Sleep(time.Second)
			cancel(cause)
			under.wait(t)
			if under.err == nil || lock.Definite(under.err) || errors.Is(under.err, lock.ErrHeld) {
				t.Errorf("cause %v, a write on its way: %v", cause, under.err)
			}
		})
	}
}
