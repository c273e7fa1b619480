package harness

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// counter counts the requests to the store that were sent for one call. It goes
// with the call's context, and so with that of whatever the lock does in the
// background for a grant that the call won: a renewal is what the counter of its
// acquire rose by. What is asked without such a context is nobody's.
type counter struct {
	atomic.Int32
	run     *run
	from    time.Duration // when the call began
	refused atomic.Bool   // the store refused one of them for good
}

type counterKey struct{}

func (r *run) counted(ctx context.Context) (context.Context, *counter) {
	n := &counter{run: r, from: r.rec.now()}
	return n.in(ctx), n
}

// sent is how many requests the call needed; 0, which is judged by nobody, where a
// server that is slow by itself may be why.
func (n *counter) sent() int32 { return n.since(n.from, 0) }

// since is sent for what began at a time, when before were sent.
func (n *counter) since(from time.Duration, before int32) int32 {
	if !n.run.answers.since(from) {
		return 0
	}
	return n.Load() - before
}

// answers tells since when a real server has answered every request. One that is
// slow lets requests run into their timeouts without any fault, and what came of
// those is in the way of later ones, other clients' too, for up to a lease. In the
// simulator nothing but a fault keeps an answer back.
type answers struct {
	now   func() time.Duration // nil in the simulator
	lease time.Duration
	from  atomic.Int64 // when the last request without an answer is history
}

func (a *answers) since(from time.Duration) bool { return int64(from) >= a.from.Load() }

// ended notes how a request ended.
func (a *answers) ended(err error) {
	if a.now == nil || err == nil || errors.Is(err, lock.ErrConflict) || errors.Is(err, lock.ErrNotFound) || errors.Is(err, lock.ErrRefused) {
		return
	}
	history := int64(a.now() + a.lease)
	for known := a.from.Load(); known < history && !a.from.CompareAndSwap(known, history); known = a.from.Load() {
	}
}

func (n *counter) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, counterKey{}, n)
}

// countingStore counts what goes through it. A Wait is no request: it is how a
// lock that has nothing to ask learns that it may have.
type countingStore struct {
	subjects.RawStore
	answers *answers
}

type countingWatcher struct {
	countingStore
	lock.Watcher
}

// counting wraps a store, keeping the capabilities that it has.
func (r *run) counting(store subjects.RawStore) subjects.RawStore {
	s := countingStore{store, &r.answers}
	if w, ok := store.(lock.Watcher); ok {
		return countingWatcher{s, w}
	}
	return s
}

// count counts a request, whose error it hands on once that is known.
func (s countingStore) count(ctx context.Context) (known func(error)) {
	n, ok := ctx.Value(counterKey{}).(*counter)
	if !ok {
		return s.answers.ended
	}
	n.Add(1)
	return func(err error) {
		s.answers.ended(err)
		n.ended(err)
	}
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
	ended := s.count(ctx)
	rec, err := s.RawStore.Get(ctx, key)
	ended(err)
	return rec, err
}

// CompareAndSwap implements lock.Store.
func (s countingStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	ended := s.count(ctx)
	rev, err := s.RawStore.CompareAndSwap(ctx, key, old, value)
	ended(err)
	return rev, err
}

// Delete implements lock.Store.
func (s countingStore) Delete(ctx context.Context, key string, old lock.Revision) error {
	ended := s.count(ctx)
	err := s.RawStore.Delete(ctx, key, old)
	ended(err)
	return err
}

// Put implements subjects.RawStore.
func (s countingStore) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	ended := s.count(ctx)
	rev, err := s.RawStore.Put(ctx, key, value)
	ended(err)
	return rev, err
}

// Remove implements subjects.RawStore.
func (s countingStore) Remove(ctx context.Context, key string) error {
	ended := s.count(ctx)
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
