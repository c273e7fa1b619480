package lock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// waitingFor leaves b waiting for a lock that a holds, and returns its record.
func waitingFor(t *testing.T, mem *memory.Store) (*acquiring, lock.Record) {
	t.Helper()
	a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
	mustAcquire(t, a.Client, "k")
	waiting := acquire(t.Context(), b.Client, "k")
	time.Sleep(time.Second)
	if got := b.store.taken(); len(got) == 0 || got[len(got)-1] != "wait" {
		t.Fatalf("b sent %v, and is not waiting", got)
	}
	rec, err := mem.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	return waiting, rec
}

func TestAWaiterTakesALockWhoseRecordIsRemovedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		waiting, rec := waitingFor(t, mem)
		removed := fakeNow()
		if err := mem.Delete(t.Context(), "k", rec.Revision); err != nil {
			t.Fatal(err)
		}
		waiting.wait(t)
		near(t, "the grant after the removal", fakeNow()-removed, 0, 0)
	})
}

func TestAWaiterIsToldOfARecordThatIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		waiting, rec := waitingFor(t, mem)
		foreign, err := mem.CompareAndSwap(t.Context(), "k", rec.Revision, []byte("not a record"))
		if err != nil {
			t.Fatal(err)
		}
		<-waiting.done
		if format := (*lock.FormatError)(nil); !errors.As(waiting.err, &format) {
			t.Errorf("error %v, want a FormatError", waiting.err)
		}
		if _, err := mem.CompareAndSwap(t.Context(), "k", foreign, rec.Value); err != nil { // for a's release
			t.Fatal(err)
		}
	})
}

// staleStore answers the first wait of a client from a cache that is old, and then no
// more.
type staleStore struct {
	*testStore
	old   lock.Record
	asked bool
}

func (s *staleStore) Wait(ctx context.Context, _ string, _ lock.Revision) (lock.Record, error) {
	if !s.asked {
		s.asked = true
		return s.old, nil
	}
	return lock.Record{}, silence(ctx)
}

// A wait may be answered from a cache: who held the lock before the acquire began
// is not who has it.
func TestAWaitLimitDoesNotNameWhomAnOldRecordNames(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		before, now := newParty(t, mem, "before"), newParty(t, mem, "now")
		l := mustAcquire(t, before.Client, "k")
		old, err := mem.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		mustRelease(t, l)
		mustAcquire(t, now.Client, "k")
		s := &staleStore{testStore: newStore(mem), old: old}
		_, err = newClient(t, s, config("b")).Acquire(t.Context(), "k", lock.WaitLimit(time.Second))
		wantNoHolder(t, err)
	})
}
