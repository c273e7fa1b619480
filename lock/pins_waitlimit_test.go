package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// wantNoHolder asserts that err is the end of a wait limit and names no holder.
func wantNoHolder(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, lock.ErrWaitLimit) {
		t.Errorf("error %v, want an ErrWaitLimit", err)
	}
	if held := (*lock.HeldError)(nil); errors.As(err, &held) {
		t.Errorf("%q is said to have the lock", held.Owner)
	}
}

func TestAWaitLimitNamesNoHolderThatWasNotSeenDuringTheWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		l := mustAcquire(t, a.Client, "k")
		if _, err := b.TryAcquire(t.Context(), "k"); !errors.Is(err, lock.ErrHeld) {
			t.Fatal(err)
		}
		mustRelease(t, l) // b does not know
		b.store.always(unavailable, "get", "cas")
		_, err := b.Acquire(t.Context(), "k", lock.WaitLimit(3*time.Second))
		wantNoHolder(t, err)
		if strings.Contains(err.Error(), "not known to have failed") {
			t.Errorf("nothing was written, and b is told: %v", err)
		}
	})
}

func TestAWaitLimitOnALockThatOthersTakeAndReleaseNamesNoHolder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		mustRelease(t, mustAcquire(t, a.Client, "k"))
		// Whenever b writes, a was faster and has released again.
		b.store.set(func(c call) effect {
			if c.op == "cas" {
				rec, err := mem.Get(context.Background(), "k")
				if err == nil {
					_, err = mem.CompareAndSwap(context.Background(), "k", rec.Revision, rec.Value)
				}
				if err != nil {
					t.Error(err)
				}
			}
			return pass
		})
		_, err := b.Acquire(t.Context(), "k", lock.WaitLimit(3*time.Second))
		wantNoHolder(t, err)
		if strings.Contains(err.Error(), "not known to have failed") {
			t.Errorf("every write met a later one, and b is told: %v", err)
		}
	})
}

func TestAWaitLimitWithAWriteOnItsWaySaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.always(loseRequest)
		_, err := a.Acquire(t.Context(), "k", lock.WaitLimit(3*time.Second))
		wantNoHolder(t, err)
		if !strings.Contains(err.Error(), "not known to have failed") {
			t.Errorf("a write is on its way, and a is told: %v", err)
		}
	})
}

// The caller's own end is no wait limit, whatever its cause is called.
func TestACauseThatIsAWaitLimitNamesNoHolder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		mustAcquire(t, a.Client, "k")
		ctx, cancel := context.WithCancelCause(t.Context())
		under := acquire(ctx, b.Client, "k")
		time.Sleep(time.Second)
		cancel(lock.ErrWaitLimit)
		under.wait(t)
		wantNoHolder(t, under.err)
	})
}
