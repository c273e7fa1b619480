package backendtest_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// breakage is a store with one guarantee broken, and the case that must say so.
type breakage struct {
	name   string
	caught string
	open   func() lock.Store
}

// breakages are all but those of alsoCaught. Goroutines that a broken store
// leaves behind end with stop.
func breakages(stop <-chan struct{}) []breakage {
	return []breakage{
		{"writes whatever the revision", "stale-revision-conflicts", func() lock.Store { return blindWrites{memory.New()} }},
		{"creates over an existing key", "create-existing-conflicts", func() lock.Store { return blindCreates{memory.New()} }},
		{"update creates a missing key", "missing-key-conflicts", func() lock.Store { return upserts{memory.New()} }},
		{"conflict carries nothing", "conflict-carries-current", func() lock.Store { return muteConflicts{memory.New()} }},
		{"counts revisions per key, anew after a delete", "revisions-never-repeat", func() lock.Store { return newCounted() }},
		{"identical write changes nothing", "identical-write-changes-revision", func() lock.Store { return sparingWrites{memory.New()} }},
		{"revisions without order", "revision-order", func() lock.Store { return lettered{memory.New()} }},
		{"deletes whatever the revision", "delete-stale-conflicts", func() lock.Store { return blindDeletes{memory.New()} }},
		{"delete of a missing key succeeds", "delete-missing", func() lock.Store { return lenientDeletes{memory.New()} }},
		{"delete without a revision deletes", "delete-needs-revision", func() lock.Store { return unnamedDeletes{memory.New()} }},
		{"deleted key stays readable", "delete-then-get", func() lock.Store { return &afterlife{Store: memory.New()} }},
		{"takes the empty key", "empty-key-refused", func() lock.Store { return prefixed{memory.New()} }},
		{"folds case", "keys-independent", func() lock.Store { return folded{memory.New()} }},
		{"ends values at a zero byte", "values-unchanged", func() lock.Store { return cStrings{memory.New()} }},
		{"keeps the caller's buffer", "buffers-not-shared", func() lock.Store { return newAliasing() }},
		{"checks, then writes", "no-lost-update", func() lock.Store { return &checkThenWrite{Store: memory.New()} }},
		{"reads one write behind", "reads-see-acknowledged-writes", func() lock.Store { return &behind{Store: memory.New()} }},
		{"says that a written value was not", "context-ends-during-call", func() lock.Store { return liar{memory.New()} }},
		{"lends its errors the class of the cause", "cause-is-no-answer", func() lock.Store { return candid{memory.New()} }},
		{"ignores an ended context", "ended-context", func() lock.Store { return ageless{memory.New()} }},
		{"Wait never wakes", "wait-sees-change", func() lock.Store { return sleeper{memory.New()} }},
		{"Wait wakes one of many", "wait-wakes-all", func() lock.Store { return newWakesOne() }},
		{"Wait sees no deletion", "wait-sees-deletion", func() lock.Store { return deletionBlind{memory.New()} }},
		{"Wait is woken by other keys", "wait-keys-apart", func() lock.Store { return &jumpy{Store: memory.New()} }},
		{"Wait ignores the end of its context", "wait-ends-with-context", func() lock.Store { return deaf{memory.New()} }},
		{"Wait hides the cause", "wait-ended-context", func() lock.Store { return causeless{memory.New()} }},
		{"Wait leaves a goroutine behind", "wait-leaks-nothing", func() lock.Store { return leaky{memory.New(), stop} }},
		{"declares Watch without Wait", "capabilities-honest", func() lock.Store { return boaster{plain{memory.New()}} }},
	}
}

// blindWrites: an update that names any revision overwrites.
type blindWrites struct{ *memory.Store }

func (s blindWrites) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if _, err := s.Get(ctx, key); old != "" && err == nil {
		return s.Put(ctx, key, value)
	}
	return s.Store.CompareAndSwap(ctx, key, old, value)
}

type blindCreates struct{ *memory.Store }

func (s blindCreates) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if key != "" && old == "" {
		return s.Put(ctx, key, value)
	}
	return s.Store.CompareAndSwap(ctx, key, old, value)
}

type upserts struct{ *memory.Store }

func (s upserts) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if _, err := s.Get(ctx, key); errors.Is(err, lock.ErrNotFound) {
		old = ""
	}
	return s.Store.CompareAndSwap(ctx, key, old, value)
}

type muteConflicts struct{ *memory.Store }

func (s muteConflicts) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	revision, err := s.Store.CompareAndSwap(ctx, key, old, value)
	if errors.Is(err, lock.ErrConflict) {
		err = lock.ErrConflict
	}
	return revision, err
}

// counted has revisions 1, 2, 3 in each life of each key.
type counted struct {
	mu      sync.Mutex
	records map[string]lock.Record
}

func newCounted() *counted { return &counted{records: make(map[string]lock.Record)} }

func (s *counted) Get(_ context.Context, key string) (lock.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record, ok := s.records[key]
	if !ok {
		return lock.Record{}, lock.ErrNotFound
	}
	return record, nil
}

func (s *counted) CompareAndSwap(_ context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[key].Revision != old {
		return "", lock.ErrConflict
	}
	n, _ := strconv.Atoi(string(old))
	next := lock.Revision(strconv.Itoa(n + 1))
	s.records[key] = lock.Record{Value: value, Revision: next}
	return next, nil
}

func (s *counted) Delete(_ context.Context, key string, old lock.Revision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	record, ok := s.records[key]
	switch {
	case !ok:
		return lock.ErrNotFound
	case record.Revision != old:
		return lock.ErrConflict
	}
	delete(s.records, key)
	return nil
}

// aliasing is counted: it keeps the slices that it is given. Only the name of
// the case differs.
func newAliasing() *counted { return newCounted() }

// sparingWrites keeps the revision when a write changes nothing, as Firestore
// keeps its update time.
type sparingWrites struct{ *memory.Store }

func (s sparingWrites) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	record, err := s.Get(ctx, key)
	if err == nil && record.Revision == old && string(record.Value) == string(value) {
		return old, nil
	}
	return s.Store.CompareAndSwap(ctx, key, old, value)
}

type lettered struct{ *memory.Store }

func (s lettered) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if old != "" {
		old = old[1:]
	}
	revision, err := s.Store.CompareAndSwap(ctx, key, old, value)
	if err == nil {
		revision = "r" + revision
	}
	return revision, err
}

type blindDeletes struct{ *memory.Store }

func (s blindDeletes) Delete(ctx context.Context, key string, old lock.Revision) error {
	record, err := s.Get(ctx, key)
	if err == nil && old != "" {
		old = record.Revision
	}
	return s.Store.Delete(ctx, key, old)
}

type lenientDeletes struct{ *memory.Store }

func (s lenientDeletes) Delete(ctx context.Context, key string, old lock.Revision) error {
	err := s.Store.Delete(ctx, key, old)
	if errors.Is(err, lock.ErrNotFound) {
		return nil
	}
	return err
}

type unnamedDeletes struct{ *memory.Store }

func (s unnamedDeletes) Delete(ctx context.Context, key string, old lock.Revision) error {
	if old == "" {
		return s.Remove(ctx, key)
	}
	return s.Store.Delete(ctx, key, old)
}

// afterlife serves the last version that it saw of a deleted key.
type afterlife struct {
	*memory.Store
	seen sync.Map
}

func (s *afterlife) Get(ctx context.Context, key string) (lock.Record, error) {
	record, err := s.Store.Get(ctx, key)
	if ghost, ok := s.seen.Load(key); ok && errors.Is(err, lock.ErrNotFound) {
		return ghost.(lock.Record), nil
	}
	return record, err
}

func (s *afterlife) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	revision, err := s.Store.CompareAndSwap(ctx, key, old, value)
	if err == nil {
		s.seen.Store(key, lock.Record{Value: value, Revision: revision})
	}
	return revision, err
}

// behind serves the version before the last, as a follower does that lags.
type behind struct {
	*memory.Store
	previous sync.Map
}

func (s *behind) Get(ctx context.Context, key string) (lock.Record, error) {
	if record, ok := s.previous.Load(key); ok {
		return record.(lock.Record), nil
	}
	return s.Store.Get(ctx, key)
}

func (s *behind) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if record, err := s.Store.Get(ctx, key); err == nil {
		s.previous.Store(key, record)
	}
	return s.Store.CompareAndSwap(ctx, key, old, value)
}

type prefixed struct{ *memory.Store }

func (s prefixed) Get(ctx context.Context, key string) (lock.Record, error) {
	return s.Store.Get(ctx, "p/"+key)
}

func (s prefixed) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	return s.Store.CompareAndSwap(ctx, "p/"+key, old, value)
}

func (s prefixed) Delete(ctx context.Context, key string, old lock.Revision) error {
	return s.Store.Delete(ctx, "p/"+key, old)
}

// candid says why the context of a write that was made ended.
type candid struct{ *memory.Store }

func (s candid) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if ctx.Err() != nil {
		return "", lock.ErrUnavailable
	}
	revision, err := s.Store.CompareAndSwap(context.WithoutCancel(ctx), key, old, value)
	pause := time.NewTimer(time.Millisecond)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-pause.C:
		return revision, err
	}
}

// liar reports an ended context as a definite failure, after it has written.
type liar struct{ *memory.Store }

func (s liar) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if ctx.Err() != nil {
		return "", lock.ErrUnavailable
	}
	revision, err := s.Store.CompareAndSwap(context.WithoutCancel(ctx), key, old, value)
	pause := time.NewTimer(time.Millisecond)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return "", lock.ErrUnavailable
	case <-pause.C:
		return revision, err
	}
}

type ageless struct{ *memory.Store }

func (s ageless) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	return s.Store.CompareAndSwap(context.WithoutCancel(ctx), key, old, value)
}

// checkThenWrite reads and writes in two steps, the oldest mistake of all. The
// mutex that is given up in between makes the gap wide enough to be met.
type checkThenWrite struct {
	*memory.Store
	gap sync.Mutex
}

func (s *checkThenWrite) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if key == "" {
		return "", lock.ErrRefused
	}
	record, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, lock.ErrNotFound) {
		return "", err
	}
	if record.Revision != old {
		return "", &lock.ConflictError{Current: record, Known: true}
	}
	pause := time.NewTimer(100 * time.Microsecond)
	defer pause.Stop()
	<-pause.C
	s.gap.Lock()
	defer s.gap.Unlock()
	return s.Put(ctx, key, value)
}
