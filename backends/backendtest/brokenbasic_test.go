package backendtest_test

import (
	"context"
	"errors"
	"sync"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// forgetful acknowledges the first write of each key and drops it.
type forgetful struct {
	*memory.Store
	once sync.Map
}

func (s *forgetful) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if _, again := s.once.LoadOrStore(key, true); !again {
		return "1", nil
	}
	return s.Store.CompareAndSwap(ctx, key, old, value)
}

// haunted reads a missing key as an empty record.
type haunted struct{ *memory.Store }

func (s haunted) Get(ctx context.Context, key string) (lock.Record, error) {
	record, err := s.Store.Get(ctx, key)
	if errors.Is(err, lock.ErrNotFound) {
		err = nil
	}
	return record, err
}

// frozen gives every version of a key the revision of its first.
type frozen struct {
	*memory.Store
	first sync.Map
}

func (s *frozen) Get(ctx context.Context, key string) (lock.Record, error) {
	record, err := s.Store.Get(ctx, key)
	if first, ok := s.first.Load(key); ok {
		record.Revision = first.(lock.Revision)
	}
	return record, err
}

func (s *frozen) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if first, ok := s.first.Load(key); ok && first == old {
		_, err := s.Put(ctx, key, value)
		return old, err
	}
	revision, err := s.Store.CompareAndSwap(ctx, key, old, value)
	if err == nil {
		s.first.LoadOrStore(key, revision)
	}
	return revision, err
}

// tombstones has a key that was deleted conflict for ever, as a bucket does
// whose delete markers count as records.
type tombstones struct {
	*memory.Store
	dead sync.Map
}

func (s *tombstones) Delete(ctx context.Context, key string, old lock.Revision) error {
	err := s.Store.Delete(ctx, key, old)
	if err == nil {
		s.dead.Store(key, true)
	}
	return err
}

func (s *tombstones) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if _, dead := s.dead.Load(key); dead {
		return "", &lock.ConflictError{Known: true}
	}
	return s.Store.CompareAndSwap(ctx, key, old, value)
}

// oversleeper only answers to changes that come after it began.
type oversleeper struct{ *memory.Store }

func (s oversleeper) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	record, err := s.Get(ctx, key)
	if err == nil {
		after = record.Revision
	}
	return s.Store.Wait(ctx, key, after)
}
