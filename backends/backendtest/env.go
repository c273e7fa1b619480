package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// env is what a case works with.
type env struct {
	store   lock.Store
	other   lock.Store // store itself if there is no second handle
	caps    lock.Capabilities
	options Options
	space   string

	mu   sync.Mutex
	keys []string
}

func newEnv(store lock.Store, options Options) *env {
	e := &env{
		store:   store,
		other:   options.Other,
		caps:    lock.CapabilitiesOf(store),
		options: options,
		space:   namespace(),
	}
	if e.other == nil {
		e.other = store
	}
	return e
}

// key returns a key that nobody else uses, and deletes it after the case.
func (e *env) key(name string) string {
	return e.track(e.options.Prefix + "/" + e.space + "/" + name)
}

// track deletes key after the case.
func (e *env) track(key string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys = append(e.keys, key)
	return key
}

// handle returns the handle that client i uses: they alternate.
func (e *env) handle(i int) lock.Store {
	if i%2 == 1 {
		return e.other
	}
	return e.store
}

// cleanUp deletes what the case left. It is a courtesy: errors are dropped.
func (e *env) cleanUp() {
	ctx, cancel := context.WithTimeout(context.Background(), e.options.Patience)
	defer cancel()
	_ = e.returns(ctx, func() error {
		for _, key := range e.keys {
			if record, err := e.store.Get(ctx, key); err == nil {
				_ = e.store.Delete(ctx, key, record.Revision)
			}
		}
		return nil
	})
}

// returns runs f and waits for it until ctx has ended and Options.Patience has
// passed since. A call that has not returned by then breaks the contract.
func (e *env) returns(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(e.options.Patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("a call did not return within %v of the end of its context (%w)", e.options.Patience, context.Cause(ctx))
	}
}

// clients runs f once for each contending client at once and joins the errors.
func (e *env) clients(f func(i int) error) error {
	errs := make([]error, e.options.Parallel)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return errors.Join(errs...)
}

// create makes key, which must not exist.
func (e *env) create(ctx context.Context, key, value string) (lock.Revision, error) {
	revision, err := e.store.CompareAndSwap(ctx, key, "", []byte(value))
	if err != nil {
		return "", fmt.Errorf("create of a new key: %w", err)
	}
	if revision == "" {
		return "", errors.New("create returned an empty revision")
	}
	return revision, nil
}

// update writes key over old and must succeed.
func (e *env) update(ctx context.Context, key string, old lock.Revision, value string) (lock.Revision, error) {
	revision, err := e.store.CompareAndSwap(ctx, key, old, []byte(value))
	if err != nil {
		return "", fmt.Errorf("update with the current revision %q: %w", old, err)
	}
	if revision == "" {
		return "", errors.New("update returned an empty revision")
	}
	return revision, nil
}

// createAndDelete makes key exist and go away; it returns the revision that it
// had.
func (e *env) createAndDelete(ctx context.Context, key, value string) (lock.Revision, error) {
	revision, err := e.create(ctx, key, value)
	if err != nil {
		return "", err
	}
	if err := e.store.Delete(ctx, key, revision); err != nil {
		return "", fmt.Errorf("delete with the current revision %q: %w", revision, err)
	}
	return revision, nil
}

// holds checks that both handles read value at revision.
func (e *env) holds(ctx context.Context, key string, revision lock.Revision, value string) error {
	for i := range 2 {
		record, err := e.handle(i).Get(ctx, key)
		if err != nil {
			return fmt.Errorf("get through handle %d: %w", i, err)
		}
		if record.Revision != revision || !bytes.Equal(record.Value, []byte(value)) {
			return fmt.Errorf("get through handle %d: %s at revision %q, want %s at %q",
				i, show(record.Value), record.Revision, show([]byte(value)), revision)
		}
	}
	return nil
}

// missing checks that both handles find nothing.
func (e *env) missing(ctx context.Context, key string) error {
	for i := range 2 {
		if record, err := e.handle(i).Get(ctx, key); !errors.Is(err, lock.ErrNotFound) {
			return fmt.Errorf("get through handle %d: want ErrNotFound, got %s at %q, error %v", i, show(record.Value), record.Revision, err)
		}
	}
	return nil
}

// mustConflict checks the outcome of a write that had to conflict.
func mustConflict(what string, revision lock.Revision, err error) error {
	if err == nil {
		return fmt.Errorf("%s: want ErrConflict, but it was written as revision %q", what, revision)
	}
	if !errors.Is(err, lock.ErrConflict) {
		return fmt.Errorf("%s: want ErrConflict, got %w", what, err)
	}
	return nil
}

// mustRefuse checks the outcome of a request that had to be refused.
func mustRefuse(what string, err error) error {
	if !errors.Is(err, lock.ErrRefused) {
		return fmt.Errorf("%s: want ErrRefused, got %v", what, err)
	}
	return nil
}

// show prints a value in a bounded space.
func show(value []byte) string {
	if len(value) > 40 {
		return fmt.Sprintf("%q... (%d bytes)", value[:40], len(value))
	}
	return fmt.Sprintf("%q", value)
}
