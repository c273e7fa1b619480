package backendtest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// folded takes keys that differ in case for one.
type folded struct{ *memory.Store }

func (s folded) Get(ctx context.Context, key string) (lock.Record, error) {
	return s.Store.Get(ctx, strings.ToLower(key))
}

func (s folded) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	return s.Store.CompareAndSwap(ctx, strings.ToLower(key), old, value)
}

func (s folded) Delete(ctx context.Context, key string, old lock.Revision) error {
	return s.Store.Delete(ctx, strings.ToLower(key), old)
}

type cStrings struct{ *memory.Store }

func (s cStrings) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	value, _, _ = bytes.Cut(value, []byte{0})
	return s.Store.CompareAndSwap(ctx, key, old, value)
}

// sleeper answers at once what differs already, and then sleeps on.
type sleeper struct{ *memory.Store }

func (s sleeper) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	record, err := s.Get(ctx, key)
	switch {
	case err == nil && record.Revision != after:
		return record, nil
	case errors.Is(err, lock.ErrNotFound) && after != "":
		return lock.Record{}, err
	}
	<-ctx.Done()
	return lock.Record{}, context.Cause(ctx)
}

// wakesOne lets one waiter at a time through to the store; the others wait for
// their turn, and have none if a turn was taken since.
type wakesOne struct {
	*memory.Store
	turn chan struct{}
}

func newWakesOne() wakesOne { return wakesOne{memory.New(), make(chan struct{}, 1)} }

func (s wakesOne) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
		return s.Store.Wait(ctx, key, after)
	default:
		return sleeper{s.Store}.Wait(ctx, key, after)
	}
}

type deletionBlind struct{ *memory.Store }

func (s deletionBlind) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	if _, err := s.Get(ctx, key); errors.Is(err, lock.ErrNotFound) {
		return s.Store.Wait(ctx, key, after)
	}
	record, err := s.Store.Wait(ctx, key, after)
	if errors.Is(err, lock.ErrNotFound) {
		return s.Store.Wait(ctx, key, "")
	}
	return record, err
}

// jumpy wakes every waiter on any deletion, with what it waited beyond.
type jumpy struct {
	*memory.Store
	mu      sync.Mutex
	waiters []chan struct{}
}

func (s *jumpy) Delete(ctx context.Context, key string, old lock.Revision) error {
	err := s.Store.Delete(ctx, key, old)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, waiter := range s.waiters {
		close(waiter)
	}
	s.waiters = nil
	return err
}

func (s *jumpy) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	jumped := make(chan struct{})
	s.mu.Lock()
	s.waiters = append(s.waiters, jumped)
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	startled := errors.New("startled")
	go func() {
		select {
		case <-jumped:
			cancel(startled)
		case <-ctx.Done():
		}
	}()
	record, err := s.Store.Wait(ctx, key, after)
	if errors.Is(err, startled) {
		return s.Get(context.WithoutCancel(ctx), key)
	}
	return record, err
}

type deaf struct{ *memory.Store }

func (s deaf) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	return s.Store.Wait(context.WithoutCancel(ctx), key, after)
}

type causeless struct{ *memory.Store }

func (s causeless) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	record, err := s.Store.Wait(ctx, key, after)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return record, err
}

// leaky starts a goroutine for each Wait that only the test stops.
type leaky struct {
	*memory.Store
	stop <-chan struct{}
}

func (s leaky) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	go func() { <-s.stop }()
	return s.Store.Wait(ctx, key, after)
}

// plain is a store with no capability at all.
type plain struct{ store *memory.Store }

func (s plain) Get(ctx context.Context, key string) (lock.Record, error) {
	return s.store.Get(ctx, key)
}

func (s plain) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	return s.store.CompareAndSwap(ctx, key, old, value)
}

func (s plain) Delete(ctx context.Context, key string, old lock.Revision) error {
	return s.store.Delete(ctx, key, old)
}

type boaster struct{ plain }

func (boaster) Capabilities() lock.Capabilities { return lock.Capabilities{Watch: true} }
