package harness

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// counter counts the requests to the store that were sent for one call. It goes
// with the call's context, and so with that of whatever the lock does in the
// background for a grant that the call won: a renewal is what the counter of its
// acquire rose by. What is asked without such a context is nobody's.
type counter struct {
	atomic.Int32
	refused atomic.Bool // the store refused one of them for good
}

type counterKey struct{}

func counted(ctx context.Context) (context.Context, *counter) {
	n := new(counter)
	return n.in(ctx), n
}

func (n *counter) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, counterKey{}, n)
}

// countingStore counts what goes through it. A Wait is no request: it is how a
// lock that has nothing to ask learns that it may have.
type countingStore struct{ subjects.RawStore }

type countingWatcher struct {
	countingStore
	lock.Watcher
}

// counting wraps a store, keeping the capabilities that it has.
func counting(store subjects.RawStore) subjects.RawStore {
	s := countingStore{store}
	if w, ok := store.(lock.Watcher); ok {
		return countingWatcher{s, w}
	}
	return s
}

// count counts a request, whose error it hands on once that is known.
func count(ctx context.Context) (known func(error)) {
	n, ok := ctx.Value(counterKey{}).(*counter)
	if !ok {
		return func(error) {}
	}
	n.Add(1)
	return n.ended
}

func (n *counter) ended(err error) {
	if err != nil && errors.Is(err, lock.ErrRefused) {
		n.refused.Store(true)
	}
}

// Capabilities implements lock.Capable.
func (s countingStore) Capabilities() lock.Capabilities { return lock.CapabilitiesOf(s.RawStore) }

// Get implements lock.Store.
func (s countingStore) Get(ctx context.Context, key string) (lock.Record, error) {
	ended := count(ctx)
	rec, err := s.RawStore.Get(ctx, key)
	ended(err)
	return rec, err
}

// CompareAndSwap implements lock.Store.
func (s countingStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	ended := count(ctx)
	rev, err := s.RawStore.CompareAndSwap(ctx, key, old, value)
	ended(err)
	return rev, err
}

// Delete implements lock.Store.
func (s countingStore) Delete(ctx context.Context, key string, old lock.Revision) error {
	ended := count(ctx)
	err := s.RawStore.Delete(ctx, key, old)
	ended(err)
	return err
}

// Put implements subjects.RawStore.
func (s countingStore) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	ended := count(ctx)
	rev, err := s.RawStore.Put(ctx, key, value)
	ended(err)
	return rev, err
}

// Remove implements subjects.RawStore.
func (s countingStore) Remove(ctx context.Context, key string) error {
	ended := count(ctx)
	err := s.RawStore.Remove(ctx, key)
	ended(err)
	return err
}

// Wait implements lock.Watcher.
func (s countingWatcher) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	rec, err := s.Watcher.Wait(ctx, key, after)
	if n, ok := ctx.Value(counterKey{}).(*counter); ok {
		n.ended(err)
	}
	return rec, err
}
