package lock_test

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// witness looks, at each call of a Store or a Runtime, whether the client that
// calls holds one of its mutexes.
type witness struct {
	t      *testing.T
	client atomic.Pointer[lock.Client]
	looks  atomic.Int64
	failed atomic.Bool
}

func (w *witness) look() {
	c := w.client.Load()
	if c == nil || w.failed.Load() {
		return
	}
	w.looks.Add(1)
	if !c.MutexesFree() && !w.failed.Swap(true) {
		w.t.Errorf("a mutex is held over this call:\n%s", debug.Stack())
	}
}

type watchedStore struct {
	*testStore
	w *witness
}

func (s watchedStore) Get(ctx context.Context, key string) (lock.Record, error) {
	s.w.look()
	return s.testStore.Get(ctx, key)
}

func (s watchedStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	s.w.look()
	return s.testStore.CompareAndSwap(ctx, key, old, value)
}

func (s watchedStore) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	s.w.look()
	return s.testStore.Wait(ctx, key, after)
}

type watchedRuntime struct {
	fakeRuntime
	w *witness
}

func (r watchedRuntime) Now() time.Duration {
	r.w.look()
	return r.fakeRuntime.Now()
}

func (r watchedRuntime) Sleep(ctx context.Context, d time.Duration) error {
	r.w.look()
	return r.fakeRuntime.Sleep(ctx, d)
}

func (r watchedRuntime) Go(f func()) (join func()) {
	r.w.look()
	wait := r.fakeRuntime.Go(f)
	return func() { r.w.look(); wait() }
}

func (r watchedRuntime) Uint64() uint64 {
	r.w.look()
	return r.fakeRuntime.Uint64()
}

func (r watchedRuntime) WithTimeoutCause(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	r.w.look()
	return r.fakeRuntime.WithTimeoutCause(ctx, d, cause)
}

func TestNoMutexIsHeldOverACallToTheOutside(t *testing.T) {
	for name, caps := range allCaps {
		for _, bare := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					w := &witness{t: t}
					s := newStore(memory.New())
					s.caps = caps
					var rt lock.Runtime = watchedRuntime{w: w}
					if bare {
						rt = bareRuntime{rt}
					}
					c := newClientOn(t, watchedStore{s, w}, rt, config("a"))
					w.client.Store(c)
					s.set(func(c call) effect {
						return []effect{pass, pass, slow, pass, loseReply, pass, breakReply, unavailable, pass, loseRequest}[c.count%10]
					})
					var all sync.WaitGroup
					for range 5 {
						all.Go(func() {
							for range 4 {
								l, err := c.Acquire(context.Background(), "k", lock.WaitLimit(time.Minute))
								if err != nil {
									continue
								}
								time.Sleep(5 * time.Second)
								_ = l.Renew(context.Background())
								_ = l.Remaining()
								_ = l.Release(context.Background())
							}
						})
					}
					all.Wait()
					l := mustAcquire(t, c, "k")
					s.always(loseRequest)
					<-l.Context().Done()
					s.set(nil)
					_ = c.Close(t.Context())
					if n := w.looks.Load(); n < 300 {
						t.Errorf("looked only %d times", n)
					}
				})
			})
		}
	}
}
