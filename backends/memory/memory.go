// Package memory is a store inside one process, for tests and examples and as
// the plainest statement of what a lock.Store is.
//
// It promises all that package backendtest asks for, with every capability:
// each operation takes effect at one instant under one mutex, conflicts carry
// the current record, revisions are ordered, and Wait is woken by the write
// itself. It does not promise durability (the data is gone with the process)
// nor fairness between waiters.
//
// There are no partial failures: apart from an ended context and a key or
// revision that it cannot take, no operation fails. No goroutine is started.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Watcher = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
)

// Store keeps records in a map. Its methods may be called from any goroutine.
// Use New.
type Store struct {
	mu      sync.Mutex
	writes  uint64 // writes and deletions so far, of all keys: the last revision
	records map[string]lock.Record
	waiting map[string]*waiting
}

// waiting is what the waiters of one key share.
type waiting struct {
	changed chan struct{} // closed by the next change of the key
	count   int           // waiters that still hold changed
}

// New returns an empty store.
func New() *Store {
	return &Store{records: make(map[string]lock.Record), waiting: make(map[string]*waiting)}
}

// Capabilities declares all of them.
func (s *Store) Capabilities() lock.Capabilities {
	return lock.Capabilities{Watch: true, ConflictReturnsCurrent: true, RevisionOrder: true}
}

// Get returns the current version of key, or an error that is lock.ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	if err := check(ctx, key); err != nil {
		return lock.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	current, ok := s.records[key]
	if !ok {
		return lock.Record{}, keyError(key, lock.ErrNotFound)
	}
	return clone(current), nil
}

// CompareAndSwap writes a copy of value if key's current revision is old. A
// conflict is a *lock.ConflictError that carries the current record. All errors
// are definite.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if err := check(ctx, key); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if current := s.records[key]; current.Revision != old {
		return "", keyError(key, conflict(current))
	}
	return s.put(key, value), nil
}

// Delete removes key if its current revision is old, which must not be empty.
// It fails with lock.ErrNotFound, lock.ErrConflict or lock.ErrRefused, all
// definite.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if old == "" {
		return keyError(key, fmt.Errorf("%w: delete needs a revision", lock.ErrRefused))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	current, ok := s.records[key]
	switch {
	case !ok:
		return keyError(key, lock.ErrNotFound)
	case current.Revision != old:
		return keyError(key, conflict(current))
	}
	s.remove(key)
	return nil
}

// Put writes a copy of value whatever is there. The reference lock never uses
// it; models of published protocols do.
func (s *Store) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	if err := check(ctx, key); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(key, value), nil
}

// Remove deletes key whatever is there; a missing key is no error. The
// reference lock never uses it; models of published protocols do.
func (s *Store) Remove(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.records[key]; ok {
		s.remove(key)
	}
	return nil
}

// Wait returns as soon as key's revision differs from after, with the record
// then current, or with lock.ErrNotFound if after is not empty and the key does
// not exist. If ctx ends first the error is its cause.
func (s *Store) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	if err := check(ctx, key); err != nil {
		return lock.Record{}, err
	}
	for {
		record, changed := s.look(key, after)
		switch {
		case changed == nil && record.Revision == "":
			return lock.Record{}, keyError(key, lock.ErrNotFound)
		case changed == nil:
			return record, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.leave(key, changed)
			return lock.Record{}, keyError(key, lock.CauseOf(ctx))
		}
	}
}

// look returns the current record if its revision differs from after, or else
// a channel that the next change of key closes. The caller must receive from
// that channel or give it back to leave.
func (s *Store) look(key string, after lock.Revision) (lock.Record, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if current := s.records[key]; current.Revision != after {
		return clone(current), nil
	}
	w := s.waiting[key]
	if w == nil {
		w = &waiting{changed: make(chan struct{})}
		s.waiting[key] = w
	}
	w.count++
	return lock.Record{}, w.changed
}

// leave forgets one waiter, and the key's entry with its last.
func (s *Store) leave(key string, changed chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[key]
	if w == nil || w.changed != changed {
		return // a change came in between; it took the entry away
	}
	if w.count--; w.count == 0 {
		delete(s.waiting, key)
	}
}

// put is called with s.mu held.
func (s *Store) put(key string, value []byte) lock.Revision {
	s.writes++
	revision := lock.Revision(strconv.FormatUint(s.writes, 10))
	s.records[key] = lock.Record{Value: bytes.Clone(value), Revision: revision}
	s.wake(key)
	return revision
}

// remove is called with s.mu held.
func (s *Store) remove(key string) {
	s.writes++
	delete(s.records, key)
	s.wake(key)
}

// wake is called with s.mu held.
func (s *Store) wake(key string) {
	if w := s.waiting[key]; w != nil {
		close(w.changed)
		delete(s.waiting, key)
	}
}

// check refuses what no operation can take. An ended context is definite here:
// nothing was done.
func check(ctx context.Context, key string) error {
	if key == "" {
		return keyError(key, fmt.Errorf("%w: the key is empty", lock.ErrRefused))
	}
	if ctx.Err() != nil {
		return keyError(key, fmt.Errorf("%w: %w", lock.ErrUnavailable, lock.CauseOf(ctx)))
	}
	return nil
}

func conflict(current lock.Record) error {
	return &lock.ConflictError{Current: clone(current), Known: true}
}

func keyError(key string, err error) error {
	return fmt.Errorf("memory: key %q: %w", key, err)
}

func clone(r lock.Record) lock.Record {
	return lock.Record{Value: bytes.Clone(r.Value), Revision: r.Revision}
}
