package lock_test

import (
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
