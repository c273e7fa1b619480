package lock_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// sleepyRuntime is a machine just out of a suspend: its clock has moved on, and
// its timers have yet to notice.
type sleepyRuntime struct {
	lock.SystemRuntime
	now atomic.Int64
}

func (r *sleepyRuntime) Now() time.Duration { return time.Duration(r.now.Load()) }

func (r *sleepyRuntime) Sleep(ctx context.Context, _ time.Duration) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// forgetful carries out a write, loses its reply, and is suspended over the read
// that looks for what became of it.
type forgetful struct {
	*memory.Store
	lose   bool
	asleep func()
}

func (f *forgetful) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	rev, err := f.Store.CompareAndSwap(ctx, key, old, value)
	if f.lose && err == nil {
		return "", errors.New("the reply is lost")
	}
	return rev, err
}

func (f *forgetful) Get(ctx context.Context, key string) (lock.Record, error) {
	if f.lose {
		f.asleep()
	}
	return f.Store.Get(ctx, key)
}

// The store would honour the renewal, and nobody else can have the lock; but
// whoever asked Valid between the lease's end and the confirmation was told no.
//
//	0s          5s              9.9s       12s             14.9s
//	acquire     renewal applied  end        confirmation    end, as the store sees it
//	            |---- suspended ----------->|
func TestALateConfirmationRevivesNoLease(t *testing.T) {
	rt := &sleepyRuntime{}
	store := &forgetful{Store: memory.New()}
	store.asleep = func() { rt.now.Store(int64(12 * time.Second)) }
	c, err := lock.New(store, rt, lock.Config{TTL: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.Acquire(t.Context(), "k", lock.ManualRenewal())
	if err != nil {
		t.Fatal(err)
	}
	rt.now.Store(int64(5 * time.Second))
	store.lose = true
	if err := l.Renew(t.Context()); !errors.Is(err, lock.ErrLost) {
		t.Errorf("Renew after the lease's end: %v, want ErrLost", err)
	}
	if l.Valid() {
		t.Error("the lease is valid again after it had ended")
	}
	if cause := context.Cause(l.Context()); !errors.Is(cause, lock.ErrLost) {
		t.Errorf("the lease's context: %v, want ErrLost", cause)
	}
	store.lose = false
	if err := l.Release(t.Context()); err != nil {
		t.Errorf("release of what nobody took over: %v", err)
	}
}
