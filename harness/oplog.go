package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// StoreOp is one operation on the store as its client saw it, in true time.
type StoreOp struct {
	From, To time.Duration
	Client   int
	What     string // "Get", "Put", ...
	Key      string
	Outcome  string
}

// opLog collects store operations, for telling an interleaving.
type opLog struct {
	mu  sync.Mutex
	now func() time.Duration
	ops []StoreOp
}

// loggedStore writes what goes through it into an opLog. Waits are left out:
// they decide nothing.
type loggedStore struct {
	subjects.RawStore
	client int
	log    *opLog
}

type loggedWatcher struct {
	loggedStore
	lock.Watcher
}

// logged wraps a store, keeping the capabilities it has.
func (l *opLog) logged(client int, store subjects.RawStore) subjects.RawStore {
	s := loggedStore{store, client, l}
	if w, ok := store.(lock.Watcher); ok {
		return loggedWatcher{s, w}
	}
	return s
}

func (s loggedStore) Capabilities() lock.Capabilities { return lock.CapabilitiesOf(s.RawStore) }

func (s loggedStore) note(from time.Duration, what, key, outcome string, err error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	switch {
	case errors.Is(err, lock.ErrNotFound):
		outcome = "not found"
	case err != nil && lock.Definite(err):
		outcome = "refused"
	case err != nil:
		outcome = "no answer"
	}
	s.log.ops = append(s.log.ops, StoreOp{from, s.log.now(), s.client, what, key, outcome})
}

func (s loggedStore) Get(ctx context.Context, key string) (lock.Record, error) {
	from := s.log.now()
	rec, err := s.RawStore.Get(ctx, key)
	s.note(from, "Get", key, fmt.Sprintf("revision %s: %.60s", rec.Revision, rec.Value), err)
	return rec, err
}

func (s loggedStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	from := s.log.now()
	rev, err := s.RawStore.CompareAndSwap(ctx, key, old, value)
	s.note(from, fmt.Sprintf("CompareAndSwap(%q)", old), key, "revision "+string(rev), err)
	return rev, err
}

func (s loggedStore) Delete(ctx context.Context, key string, old lock.Revision) error {
	from := s.log.now()
	err := s.RawStore.Delete(ctx, key, old)
	s.note(from, fmt.Sprintf("Delete(%q)", old), key, "done", err)
	return err
}

func (s loggedStore) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	from := s.log.now()
	rev, err := s.RawStore.Put(ctx, key, value)
	s.note(from, "Put", key, "revision "+string(rev), err)
	return rev, err
}

func (s loggedStore) Remove(ctx context.Context, key string) error {
	from := s.log.now()
	err := s.RawStore.Remove(ctx, key)
	s.note(from, "Remove", key, "done", err)
	return err
}
