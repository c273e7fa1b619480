package lock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// One Acquire may write its grant more than once: what landed unheard ran out
// and was replaced. Who saw one write must not take a later one for it.
//
//	a     write 1 lands, no reply, cut off ........ write 2 granted, holds
//	b                  takes over, releases
//	c     sees write 1 ............................................ looks
func TestALaterGrantOfOneAcquireIsNotTakenForAnEarlier(t *testing.T) {
	for rounds := 1; rounds <= 3; rounds++ {
		inBubble(t, func(t *testing.T) {
			mem := memory.New()
			a, b, c := newParty(t, mem, "a"), newParty(t, mem, "b"), newParty(t, mem, "c")
			ctx := context.Background()
			var under *acquiring
			for range rounds {
				landed := false
				a.store.set(func(call call) effect {
					switch {
					case landed:
						return loseRequest
					case call.op == "cas":
						landed = true
						return loseReply
					}
					return pass
				})
				if under == nil {
					under = acquire(ctx, a.Client, "k")
				}
				time.Sleep(5 * time.Second)
				if _, err := c.TryAcquire(ctx, "k"); !errors.Is(err, lock.ErrHeld) {
					t.Fatalf("c, while a's write stands: %v", err)
				}
				mustRelease(t, mustAcquire(t, b.Client, "k"))
			}
			a.store.set(nil)
			under.wait(t)
			if under.err != nil {
				t.Fatal(under.err)
			}
			if l, err := c.TryAcquire(ctx, "k"); err == nil {
				t.Errorf("c got token %d while a holds token %d (valid: %t)", l.Token(), under.lease.Token(), under.lease.Valid())
			}
			mustRelease(t, under.lease)
		})
	}
}

var _ lock.Store = (*testStore)(nil)
