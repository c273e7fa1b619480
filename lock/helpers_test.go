package lock_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRuntime is the real runtime on the fake clock of a synctest bubble, which
// CLOCK_BOOTTIME is not on.
type fakeRuntime struct{ lock.SystemRuntime }

func (fakeRuntime) Now() time.Duration { return fakeNow() }

func (fakeRuntime) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// bareRuntime hides WithTimeoutCause, as the simulator's Runtime has none.
type bareRuntime struct{ lock.Runtime }

func fakeNow() time.Duration { return time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) }

// effect is what becomes of one request.
type effect int

const (
	pass         effect = iota
	loseRequest         // never arrives; silence until the context ends
	loseReply           // is applied; silence until the context ends
	breakReply          // is applied; an indefinite error at once
	breakRequest        // is not applied; an indefinite error at once
	land                // silence until the context ends; applied by landLate
	unavailable         // a definite error at once
	refuse              // a definite error at once
	retried             // is applied, and sent again by the SDK, which meets itself
	slow                // is applied after half a second, the reply takes another half
)

var errBroken = errors.New("connection reset")

// call is one request to the store.
type call struct {
	op    string // get, cas, delete or wait
	key   string
	count int // requests of this op before it, through this testStore
}

// testStore is one client's way to a memory store: it counts, and it can fail.
type testStore struct {
	*memory.Store
	caps lock.Capabilities

	mu    sync.Mutex
	calls []string
	fault func(call) effect
	late  []func()
}

func newStore(mem *memory.Store) *testStore {
	return &testStore{Store: mem, caps: mem.Capabilities()}
}

func (s *testStore) Capabilities() lock.Capabilities { return s.caps }

// set makes f decide over every request from now on; nil heals.
func (s *testStore) set(f func(call) effect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// always makes e of each request of the ops named, or of all.
func (s *testStore) always(e effect, ops ...string) {
	s.set(func(c call) effect {
		if len(ops) == 0 || slices.Contains(ops, c.op) {
			return e
		}
		return pass
	})
}

// once makes e of the next request of op.
func (s *testStore) once(e effect, op string) {
	done := false
	s.set(func(c call) effect {
		if done || c.op != op {
			return pass
		}
		done = true
		return e
	})
}

// taken returns the requests since the last time it was asked.
func (s *testStore) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// landLate applies what was held back.
func (s *testStore) landLate() {
	s.mu.Lock()
	late := s.late
	s.late = nil
	s.mu.Unlock()
	for _, f := range late {
		f()
	}
}

func (s *testStore) begin(op, key string) effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := 0
	for _, c := range s.calls {
		if c == op {
			count++
		}
	}
	s.calls = append(s.calls, op)
	if s.fault == nil {
		return pass
	}
	return s.fault(call{op, key, count})
}

func silence(ctx context.Context) error {
	<-ctx.Done()
	return errors.Join(errBroken, lock.CauseOf(ctx))
}

func (s *testStore) Get(ctx context.Context, key string) (lock.Record, error) {
	switch s.begin("get", key) {
	case pass, retried:
		return s.Store.Get(ctx, key)
	case unavailable:
		return lock.Record{}, lock.ErrUnavailable
	case refuse:
		return lock.Record{}, lock.ErrRefused
	case breakRequest, breakReply:
		return lock.Record{}, errBroken
	case slow:
		time.Sleep(500 * time.Millisecond)
		rec, err := s.Store.Get(ctx, key)
		time.Sleep(500 * time.Millisecond)
		return rec, err
	default:
		return lock.Record{}, silence(ctx)
	}
}

func (s *testStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	apply := func() (lock.Revision, error) {
		rev, err := s.Store.CompareAndSwap(context.WithoutCancel(ctx), key, old, value)
		if errors.Is(err, lock.ErrConflict) && !s.caps.ConflictReturnsCurrent {
			err = lock.ErrConflict
		}
		return rev, err
	}
	switch s.begin("cas", key) {
	case loseRequest:
		return "", silence(ctx)
	case loseReply:
		_, _ = apply()
		return "", silence(ctx)
	case breakReply:
		_, _ = apply()
		return "", errBroken
	case breakRequest:
		return "", errBroken
	case land:
		s.mu.Lock()
		s.late = append(s.late, func() { _, _ = apply() })
		s.mu.Unlock()
		return "", silence(ctx)
	case unavailable:
		return "", lock.ErrUnavailable
	case refuse:
		return "", lock.ErrRefused
	case retried:
		_, _ = apply()
	case slow:
		time.Sleep(500 * time.Millisecond)
		defer time.Sleep(500 * time.Millisecond)
	}
	return apply()
}

func (s *testStore) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	switch s.begin("wait", key) {
	case unavailable:
		return lock.Record{}, lock.ErrUnavailable
	case refuse:
		return lock.Record{}, lock.ErrRefused
	case breakRequest, breakReply:
		return lock.Record{}, errBroken
	case loseRequest, loseReply, land:
		return lock.Record{}, silence(ctx)
	}
	return s.Store.Wait(ctx, key, after)
}

// The settings of most tests, and what follows from them: a lease lasts 8.91 s
// for its holder, and 9.09 s for who waits for its end.
const (
	ttl        = 9 * time.Second
	renewEvery = 3 * time.Second
	leaseLasts = 8910 * time.Millisecond
	takenAfter = 9090 * time.Millisecond
)

func config(owner string) lock.Config { return lock.Config{Owner: owner, TTL: ttl} }

// newClient makes a client that is closed with the test.
func newClient(t testing.TB, store lock.Store, cfg lock.Config) *lock.Client {
	t.Helper()
	return newClientOn(t, store, fakeRuntime{}, cfg)
}

func newClientOn(t testing.TB, store lock.Store, rt lock.Runtime, cfg lock.Config) *lock.Client {
	t.Helper()
	c, err := lock.New(store, rt, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s, ok := store.(*testStore); ok {
			s.set(nil)
		}
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// party is one client with its own way to the store.
type party struct {
	*lock.Client
	store *testStore
}

func newParty(t testing.TB, mem *memory.Store, owner string) party {
	t.Helper()
	s := newStore(mem)
	return party{newClient(t, s, config(owner)), s}
}

func mustAcquire(t testing.TB, c *lock.Client, name string, options ...lock.AcquireOption) *lock.Lease {
	t.Helper()
	l, err := c.Acquire(context.Background(), name, options...)
	if err != nil {
		t.Fatalf("acquire: %v", err)
	}
	return l
}

func mustRelease(t testing.TB, l *lock.Lease) {
	t.Helper()
	if err := l.Release(context.Background()); err != nil {
		t.Fatalf("release: %v", err)
	}
}

// acquiring is an Acquire under way.
type acquiring struct {
	lease *lock.Lease
	err   error
	at    time.Duration
	done  chan struct{}
}

func acquire(ctx context.Context, c *lock.Client, name string, options ...lock.AcquireOption) *acquiring {
	a := &acquiring{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.lease, a.err = c.Acquire(ctx, name, options...)
		a.at = fakeNow()
	}()
	return a
}

// wait returns when the Acquire has ended, with the time at which it did.
func (a *acquiring) wait(t testing.TB) time.Duration {
	t.Helper()
	<-a.done
	return a.at
}

func (a *acquiring) ended() bool {
	synctest.Wait()
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// inBubble runs f with a fake clock.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// near reports whether got is at want or at most slack later.
func near(t testing.TB, what string, got, want, slack time.Duration) {
	t.Helper()
	if got < want || got > want+slack {
		t.Errorf("%s: %s, want %s to %s", what, got, want, want+slack)
	}
}
