package lock_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// b has seen a's last sign of life, and its store fails until just before the
// lock may be taken over: b is there when it may.
func TestNobodySleepsPastTheMomentOfATakeover(t *testing.T) {
	for _, failing := range []effect{unavailable, breakRequest} {
		for name, caps := range allCaps {
			for i := range 20 {
				inBubble(t, func(t *testing.T) {
					a := newParty(t, memory.New(), "a")
					s := newStore(a.store.Store)
					s.caps = caps
					b := newClient(t, s, config("b"))
					mustAcquire(t, a.Client, "k", lock.ManualRenewal())
					a.store.always(loseRequest)
					if _, err := b.TryAcquire(t.Context(), "k"); err == nil {
						t.Fatal("granted")
					}
					free := fakeNow() + takenAfter
					s.always(failing)
					under := acquire(t.Context(), b, "k")
					time.Sleep(takenAfter - time.Duration(i+1)*10*time.Millisecond)
					s.set(nil)
					near(t, fmt.Sprintf("%s, effect %d: taken over", name, failing), under.wait(t), free, 0)
				})
			}
		}
	}
}

// A watch that breaks late in its wait leaves less to sleep than it began with.
func TestABrokenWatchDoesNotProlongTheWait(t *testing.T) {
	for i := range 20 {
		inBubble(t, func(t *testing.T) {
			a := newParty(t, memory.New(), "a")
			s := &breakingWatch{newStore(a.store.Store), takenAfter - time.Duration(i+1)*20*time.Millisecond}
			b := newClient(t, s, config("b"))
			mustAcquire(t, a.Client, "k", lock.ManualRenewal())
			a.store.always(loseRequest)
			began := fakeNow()
			mustRelease(t, mustAcquire(t, b, "k"))
			near(t, "taken over after", fakeNow()-began, takenAfter, 0)
		})
	}
}

// breakingWatch is a store whose watch breaks after a while.
type breakingWatch struct {
	*testStore
	after time.Duration
}

func (s *breakingWatch) Wait(ctx context.Context, _ string, _ lock.Revision) (lock.Record, error) {
	timer := time.NewTimer(s.after)
	defer timer.Stop()
	select {
	case <-timer.C:
		return lock.Record{}, lock.ErrUnavailable
	case <-ctx.Done():
		return lock.Record{}, lock.CauseOf(ctx)
	}
}
