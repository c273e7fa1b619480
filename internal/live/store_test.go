package live

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// withoutWatch is a store that cannot watch.
type withoutWatch struct{ subjects.RawStore }

func TestAStoreWithoutFaultsIsTheStoreItself(t *testing.T) {
	server := memory.New()
	s := NewStore(server, NewStoreFaults("c0", seeded()))
	ctx := t.Context()
	first, err := s.CompareAndSwap(ctx, "k", "", []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CompareAndSwap(ctx, "k", "", []byte("b")); !errors.Is(err, lock.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if record, err := s.Wait(ctx, "k", ""); err != nil || record.Revision != first {
		t.Errorf("got %v, %v", record, err)
	}
	if _, err := s.Put(ctx, "k", []byte("c")); err != nil {
		t.Error(err)
	}
	if record, err := s.Get(ctx, "k"); err != nil || string(record.Value) != "c" {
		t.Errorf("got %q, %v", record.Value, err)
	}
	if err := s.Delete(ctx, "k", first); !errors.Is(err, lock.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if err := s.Remove(ctx, "k"); err != nil {
		t.Error(err)
	}
	if got, want := s.faults.Counts(), (StoreCounts{Operations: 6, Waits: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if got, want := s.Capabilities(), server.Capabilities(); got != want {
		t.Errorf("capabilities %+v, want %+v", got, want)
	}
}

func TestAStoreThatCannotWatchRefuses(t *testing.T) {
	s := NewStore(withoutWatch{memory.New()}, NewStoreFaults("c0", seeded()))
	if _, err := s.Wait(t.Context(), "k", ""); !errors.Is(err, lock.ErrRefused) || s.Capabilities().Watch {
		t.Errorf("got %v, capabilities %+v", err, s.Capabilities())
	}
}

// write performs a write that may take a second, and says how long it took.
func write(t *testing.T, s *Store) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	_, err = s.CompareAndSwap(ctx, "k", "", []byte("v"))
	return time.Since(begun), err
}

func TestALostReplyIsOfARequestThatWasCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		faults := NewStoreFaults("c0", seeded())
		s := NewStore(server, faults)
		faults.AddLoseReply(1000)
		took, err := write(t, s)
		if took != time.Second || lock.Definite(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %s: %v", took, err)
		}
		if record, err := server.Get(t.Context(), "k"); err != nil || string(record.Value) != "v" {
			t.Errorf("the store has %q, %v", record.Value, err)
		}
		// A conflict gets lost too: nothing is known of it either.
		if _, err := write(t, s); err == nil || lock.Definite(err) {
			t.Errorf("got %v", err)
		}
		want := StoreCounts{Operations: 2, Indefinite: 2, IndefiniteWrites: 2, LostReplies: 2}
		if got := faults.Counts(); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		faults.AddLoseReply(-1000)
		if _, err := write(t, s); !errors.Is(err, lock.ErrConflict) {
			t.Errorf("after the fault: %v", err)
		}
	})
}

func TestALostRequestIsNeverCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		faults := NewStoreFaults("c0", seeded())
		s := NewStore(server, faults)
		faults.AddLoseRequest(1000)
		took, err := write(t, s)
		if took != time.Second || err == nil || lock.Definite(err) {
			t.Errorf("after %s: %v", took, err)
		}
		if _, err := server.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
			t.Errorf("the store has it: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Wait(ctx, "k", "1"); err == nil || lock.Definite(err) {
			t.Errorf("a lost Wait: %v", err)
		}
		want := StoreCounts{Operations: 1, Waits: 1, Indefinite: 1, IndefiniteWrites: 1, LostRequests: 2}
		if got := faults.Counts(); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}

func TestARefusedRequestIsDefiniteAndNotCarriedOut(t *testing.T) {
	server := memory.New()
	faults := NewStoreFaults("c0", seeded())
	s := NewStore(server, faults)
	faults.AddRefuse(1000)
	if _, err := write(t, s); !errors.Is(err, lock.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if _, err := server.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Errorf("the store has it: %v", err)
	}
	if got, want := faults.Counts(), (StoreCounts{Operations: 1, Refused: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	faults.AddRefuse(-1000)
	if _, err := write(t, s); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

func TestAThrottledRequestIsDefiniteAndNotCarriedOut(t *testing.T) {
	server := memory.New()
	faults := NewStoreFaults("c0", seeded())
	s := NewStore(server, faults)
	faults.AddThrottle(1000)
	if _, err := write(t, s); !errors.Is(err, lock.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := server.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Errorf("the store has it: %v", err)
	}
	if got, want := faults.Counts(), (StoreCounts{Operations: 1, Throttled: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

func TestProbabilitiesAddUpAndAreDrawnPerCall(t *testing.T) {
	faults := NewStoreFaults("c0", seeded())
	s := NewStore(memory.New(), faults)
	faults.AddThrottle(200)
	faults.AddThrottle(100)
	for range 10_000 {
		_, _ = s.Get(t.Context(), "k")
	}
	if n := faults.Counts().Throttled; n < 2500 || n > 3500 {
		t.Errorf("%d of 10,000 calls were throttled at 300 per mille", n)
	}
}

// slow delays writes, the first one longer, and goes on when the context ends,
// as a request does that was sent.
type slow struct {
	*memory.Store
	calls atomic.Int64
}

func (s *slow) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	delay := 300 * time.Millisecond
	if s.calls.Add(1) == 1 {
		delay *= 2
	}
	time.Sleep(delay)
	return s.Store.CompareAndSwap(context.WithoutCancel(ctx), key, old, value)
}

func TestADuplicateIsCarriedOutTwiceAndAnsweredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slow{Store: memory.New()}
		faults := NewStoreFaults("c0", seeded())
		s := NewStore(server, faults)
		faults.AddDuplicate(1000)
		value := []byte("v")
		if _, err := s.CompareAndSwap(t.Context(), "k", "", value); err != nil {
			t.Error(err)
		}
		value[0] = 'x' // the caller's again, while the second is still under way
		s.Drain(t.Context())
		if n := server.calls.Load(); n != 2 {
			t.Errorf("sent %d times", n)
		}
		if record, err := server.Get(t.Context(), "k"); err != nil || string(record.Value) != "v" || record.Revision != "1" {
			t.Errorf("the store has %+v, %v", record, err)
		}
		want := StoreCounts{Operations: 1, Duplicates: 1}
		if got := faults.Counts(); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		if _, err := write(t, s); !errors.Is(err, lock.ErrConflict) || server.calls.Load() != 3 {
			t.Errorf("after Drain: %v, sent %d times", err, server.calls.Load())
		}
	})
}

// stuck answers nothing until the context ends.
type stuck struct{ *memory.Store }

func (s stuck) Get(ctx context.Context, _ string) (lock.Record, error) {
	<-ctx.Done()
	return lock.Record{}, context.Cause(ctx)
}

func TestDrainCutsOffADuplicateThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := NewStoreFaults("c0", seeded())
		s := NewStore(stuck{memory.New()}, faults)
		faults.AddDuplicate(1000)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begun := time.Now()
		if _, err := s.Get(ctx, "k"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		patience, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		s.Drain(patience)
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestKillFailsCallsInFlightAndAllLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := NewStoreFaults("c0", seeded())
		cause := errors.New("kill -9")
		server := memory.New()
		for _, c := range []struct {
			name  string
			inner subjects.RawStore
			lose  int64
		}{
			{"answered by nobody", stuck{server}, 0}, {"lost", server, 1000},
		} {
			s := NewStore(c.inner, faults)
			faults.AddLoseReply(c.lose)
			ended := make(chan error)
			go func() {
				_, err := s.Get(context.Background(), "k")
				ended <- err
			}()
			synctest.Wait()
			s.Kill(cause)
			if err := <-ended; !errors.Is(err, cause) || lock.Definite(err) {
				t.Errorf("%s: %v", c.name, err)
			}
			if _, err := s.Put(context.Background(), "k", nil); !errors.Is(err, cause) || lock.Definite(err) {
				t.Errorf("%s, later: %v", c.name, err)
			}
		}
		if _, err := server.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
			t.Errorf("a dead client has written: %v", err)
		}
	})
}

func TestACauseCannotMakeAnErrorDefinite(t *testing.T) {
	s := NewStore(memory.New(), NewStoreFaults("c0", seeded()))
	s.Kill(lock.ErrConflict)
	if _, err := s.Put(t.Context(), "k", nil); err == nil || lock.Definite(err) {
		t.Errorf("got %v", err)
	}
}
