package lock_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// A store whose reads work and whose writes bring no answer: each look succeeds,
// and none tells more.
func TestATryEndsWhereReadsWorkAndWritesBringNoAnswer(t *testing.T) {
	for name, caps := range allCaps {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStore(memory.New())
				s.caps = caps
				c := newClient(t, s, config("a"))
				s.always(breakRequest, "cas")
				began := fakeNow()
				if _, err := c.TryAcquire(t.Context(), "k"); !errors.Is(err, errBroken) {
					t.Errorf("error %v, want the store's", err)
				}
				if took := fakeNow() - began; took > 2*time.Second {
					t.Errorf("a try took %s", took)
				}
			})
		})
	}
}

func TestAStoreThatReadsAndDoesNotWriteIsAskedSlowly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.always(breakRequest, "cas")
		under := acquire(t.Context(), a.Client, "k")
		time.Sleep(time.Minute)
		if n := len(a.store.taken()); n < 60 || n > 250 {
			t.Errorf("%d requests in a minute", n)
		}
		a.store.set(nil)
		under.wait(t)
		if under.err != nil {
			t.Error(under.err)
		}
	})
}

// The holder was heard of last when it was first seen, whatever happened to our
// own writes since.
func TestAWriteWithoutAnAnswerDoesNotForgetWhenTheHolderWasHeardOf(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		a.store.always(loseRequest)
		b.store.once(breakRequest, "cas")
		began := fakeNow()
		mustAcquire(t, b.Client, "k")
		near(t, "taken over", fakeNow()-began, takenAfter, time.Second)
	})
}
