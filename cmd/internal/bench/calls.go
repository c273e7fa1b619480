package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// Op is a kind of call to a store.
type Op int

// The kinds of calls. Swap is CompareAndSwap; Put and Remove have no condition.
const (
	OpGet Op = iota
	OpSwap
	OpDelete
	OpPut
	OpRemove
	OpWait
	ops
)

// Writes reports whether such a call can change the store.
func (o Op) Writes() bool { return o != OpGet && o != OpWait }

// Call is one call to a store, as the client saw it.
type Call struct {
	Op       Op
	Key      string
	Invoked  time.Time
	Returned time.Time
	Err      error
}

// Counts are calls to a store.
type Counts struct {
	// Requests are all calls but Wait, which on most stores costs no request;
	// Swaps, Conflicts and Waits are the CompareAndSwaps among them, those of
	// these that failed for a conflict, and the Waits.
	Requests, Swaps, Conflicts, Waits int64
}

// minus returns what came between two readings.
func (c Counts) minus(before Counts) Counts {
	return Counts{c.Requests - before.Requests, c.Swaps - before.Swaps, c.Conflicts - before.Conflicts, c.Waits - before.Waits}
}

func (c Counts) plus(other Counts) Counts {
	return Counts{c.Requests + other.Requests, c.Swaps + other.Swaps, c.Conflicts + other.Conflicts, c.Waits + other.Waits}
}

// watchedStore counts what one client asks of its store, and tells of it.
type watchedStore struct {
	subjects.RawStore
	trace func(Call) // nil: nobody asks

	calls     [ops]atomic.Int64
	conflicts atomic.Int64
}

var (
	_ subjects.RawStore = (*watchedStore)(nil)
	_ lock.Watcher      = (*watchedStore)(nil)
)

func (s *watchedStore) counts() Counts {
	c := Counts{Swaps: s.calls[OpSwap].Load(), Conflicts: s.conflicts.Load(), Waits: s.calls[OpWait].Load()}
	for op := range OpWait {
		c.Requests += s.calls[op].Load()
	}
	return c
}

// Capabilities implements lock.Capable with those of the store itself.
func (s *watchedStore) Capabilities() lock.Capabilities { return lock.CapabilitiesOf(s.RawStore) }

// Get implements lock.Store.
func (s *watchedStore) Get(ctx context.Context, key string) (lock.Record, error) {
	begun := s.begin(OpGet)
	record, err := s.RawStore.Get(ctx, key)
	s.end(OpGet, key, begun, err)
	return record, err
}

// CompareAndSwap implements lock.Store.
func (s *watchedStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	begun := s.begin(OpSwap)
	revision, err := s.RawStore.CompareAndSwap(ctx, key, old, value)
	if err != nil && errors.Is(err, lock.ErrConflict) {
		s.conflicts.Add(1)
	}
	s.end(OpSwap, key, begun, err)
	return revision, err
}

// Delete implements lock.Store.
func (s *watchedStore) Delete(ctx context.Context, key string, old lock.Revision) error {
	begun := s.begin(OpDelete)
	err := s.RawStore.Delete(ctx, key, old)
	s.end(OpDelete, key, begun, err)
	return err
}

// Put implements subjects.RawStore.
func (s *watchedStore) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	begun := s.begin(OpPut)
	revision, err := s.RawStore.Put(ctx, key, value)
	s.end(OpPut, key, begun, err)
	return revision, err
}

// Remove implements subjects.RawStore.
func (s *watchedStore) Remove(ctx context.Context, key string) error {
	begun := s.begin(OpRemove)
	err := s.RawStore.Remove(ctx, key)
	s.end(OpRemove, key, begun, err)
	return err
}

// Wait implements lock.Watcher; it is called only where the store can watch.
func (s *watchedStore) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	w, ok := s.RawStore.(lock.Watcher)
	if !ok {
		return lock.Record{}, fmt.Errorf("this store cannot watch: %w", lock.ErrRefused)
	}
	begun := s.begin(OpWait)
	record, err := w.Wait(ctx, key, after)
	s.end(OpWait, key, begun, err)
	return record, err
}

// begin reads the clock only if somebody asks for it.
func (s *watchedStore) begin(op Op) time.Time {
	s.calls[op].Add(1)
	if s.trace == nil {
		return time.Time{}
	}
	return time.Now()
}

func (s *watchedStore) end(op Op, key string, begun time.Time, err error) {
	if s.trace != nil {
		s.trace(Call{op, key, begun, time.Now(), err})
	}
}

// rawStore gives a subject the unconditional writes that it needs, or refuses.
func rawStore(subject subjects.Subject, store lock.Store) (subjects.RawStore, error) {
	if raw, ok := store.(subjects.RawStore); ok {
		return raw, nil
	}
	if subject.Raw {
		return nil, fmt.Errorf("this store offers no unconditional writes, which %s uses", subject.Name)
	}
	conditional := conditionalStore{store}
	if w, ok := store.(lock.Watcher); ok {
		return watchingStore{conditional, w}, nil
	}
	return conditional, nil
}

var errConditional = fmt.Errorf("this store offers no unconditional writes: %w", lock.ErrRefused)

// conditionalStore is a store without unconditional writes.
type conditionalStore struct{ lock.Store }

func (c conditionalStore) Capabilities() lock.Capabilities { return lock.CapabilitiesOf(c.Store) }

func (c conditionalStore) Put(context.Context, string, []byte) (lock.Revision, error) {
	return "", errConditional
}

func (c conditionalStore) Remove(context.Context, string) error { return errConditional }

// watchingStore is one that can watch.
type watchingStore struct {
	conditionalStore
	lock.Watcher
}

// chance is a live.Chooser.
type chance struct{ random *rand.Rand }

// newChoices makes what proxies and damaged stores draw from. Runs of a
// benchmark need not repeat: one stream serves all.
func newChoices(seed uint64) *live.Choices {
	return live.NewChoices(chance{rand.New(rand.NewPCG(seed, 1))})
}

// Choose implements live.Chooser.
func (c chance) Choose(_ string, n uint64) uint64 { return c.random.Uint64N(n) }
