package lock_test

import (
	"context"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// The first write lands in a blackout that outlasts its lease. From then on each
// write is applied and answered too late, and each read finds it in time: the
// lease counts from the write that the record shows, not from the first.
func TestAnAcquireDoesNotRaiseItsOwnBeatForEver(t *testing.T) {
	for name, caps := range allCaps {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStore(memory.New())
				s.caps = caps
				c := newClient(t, s, config("a"))
				mustRelease(t, mustAcquire(t, c, "k"))
				blackout := true
				s.set(func(c call) effect {
					if c.op == "cas" {
						return loseReply
					}
					if blackout {
						return loseRequest
					}
					return pass
				})
				under := acquire(t.Context(), c, "k", lock.ManualRenewal())
				time.Sleep(3 * ttl)
				s.mu.Lock()
				blackout = false
				s.mu.Unlock()
				healed := fakeNow()
				time.Sleep(2 * ttl)
				if !under.ended() {
					info, err := c.Inspect(context.Background(), "k")
					t.Errorf("not granted in two leases; the record: %+v, %v", info.Holders, err)
					s.set(nil)
				}
				under.wait(t)
				if under.err != nil {
					t.Fatal(under.err)
				}
				// The write that was found was sent a RequestTimeout before it was read.
				if end := under.lease.ValidUntil(); end < healed+leaseLasts || end > under.at+leaseLasts-ttl/6 {
					t.Errorf("healed at %s, granted at %s, ends at %s", healed, under.at, end)
				}
				s.set(nil)
				mustRelease(t, under.lease)
			})
		})
	}
}
