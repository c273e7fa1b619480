package lock_test

import (
	"context"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// One Acquire may write its grant twice: the first landed unheard, ran out and
// was replaced. Who saw the first must not take the second for it.
//
//	a     write 1 lands, no reply, cut off ........ write 2 granted, holds
//	b                  takes over, releases
//	c     sees write 1 ............................................ looks
func TestASecondGrantOfOneAcquireIsNotTakenForTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b, c := newParty(t, mem, "a"), newParty(t, mem, "b"), newParty(t, mem, "c")
		a.store.set(func(call call) effect {
			if call.op == "cas" && call.count == 0 {
				return loseReply
			}
			return loseRequest
		})
		ctx := context.Background()
		under := acquire(ctx, a.Client, "k")
		time.Sleep(time.Millisecond)
		if _, err := c.TryAcquire(ctx, "k"); err == nil {
			t.Fatal("c got the lock that a's write took")
		}
		mustRelease(t, mustAcquire(t, b.Client, "k"))
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

var _ lock.Store = (*testStore)(nil)
