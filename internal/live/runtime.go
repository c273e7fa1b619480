package live

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// ErrKilled is the default cause with which a killed client's calls fail.
var ErrKilled = errors.New("live: the client was killed")

var _ lock.Runtime = (*Runtime)(nil)

// Runtime is the lock.Runtime of one incarnation of a client: it ends with a
// crash, while the Clock, which is the machine's, goes on.
//
// Go starts goroutines; each ends by itself when its function returns, and Wait
// waits for them all.
type Runtime struct {
	clock *Clock
	ctx   context.Context
	kill  context.CancelCauseFunc

	mu      sync.Mutex
	started uint64
	running map[uint64]task
}

// task is one goroutine that runs.
type task struct {
	f    func()
	done chan struct{}
}

// NewRuntime makes the runtime of a client that has just started.
func NewRuntime(clock *Clock) *Runtime {
	ctx, kill := context.WithCancelCause(context.Background())
	return &Runtime{clock: clock, ctx: ctx, kill: kill, running: make(map[uint64]task)}
}

// Now implements lock.Runtime with the client's clock.
func (r *Runtime) Now() time.Duration { return r.clock.Now() }

// Sleep implements lock.Runtime. It returns nil once Now has advanced by d, not
// earlier, whatever happens to the clock's rate meanwhile; the cause of ctx's end
// if that comes first; and the cause of Kill, at once, in a client that was
// killed.
func (r *Runtime) Sleep(ctx context.Context, d time.Duration) error {
	wake := saturatingAdd(r.Now(), max(0, d))
	var timer *time.Timer
	for {
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		left, changed := r.clock.until(wake)
		if left <= 0 {
			if timer == nil {
				runtime.Gosched() // a sleep of nothing lets others run
			}
			return nil
		}
		if timer == nil {
			timer = time.NewTimer(left)
			defer timer.Stop()
		} else {
			timer.Reset(left)
		}
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		case <-r.ctx.Done():
		}
	}
}

// Go implements lock.Runtime. A killed client may still start goroutines; they
// wind down as the others do.
func (r *Runtime) Go(f func()) (join func()) {
	done := make(chan struct{})
	r.mu.Lock()
	id := r.started
	r.started++
	r.running[id] = task{f, done}
	r.mu.Unlock()
	go func() {
		defer func() {
			r.mu.Lock()
			delete(r.running, id)
			r.mu.Unlock()
			close(done)
		}()
		f()
	}()
	return func() { <-done }
}

// Uint64 implements lock.Runtime with the operating system's random source.
func (r *Runtime) Uint64() uint64 {
	var b [8]byte
	_, _ = crand.Read(b[:]) // never fails (crypto/rand)
	return binary.NativeEndian.Uint64(b[:])
}

// WithTimeoutCause returns a context that ends with cause after d on the
// client's clock, at the rate that it has now. It spares the lock a goroutine
// for each request; a later change of rate does not move the end.
func (r *Runtime) WithTimeoutCause(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, r.clock.trueLength(d), cause)
}

// Context ends when the client is killed. It is what the client's main function
// should run under.
func (r *Runtime) Context() context.Context { return r.ctx }

// Kill ends every Sleep, now and for ever, with cause (ErrKilled if it is nil),
// and ends Context. Its first cause counts. It does not wait.
func (r *Runtime) Kill(cause error) {
	if cause == nil {
		cause = ErrKilled
	}
	r.kill(cause)
}

// Wait returns nil once every goroutine that Go started has ended. If ctx ends
// first, the error names the functions that still run.
func (r *Runtime) Wait(ctx context.Context) error {
	for {
		one, ok := r.anyRunning()
		if !ok {
			return nil
		}
		select {
		case <-one.done:
		case <-ctx.Done():
			if names := r.runningNames(); len(names) > 0 {
				return fmt.Errorf("live: %d goroutines still run (%s): %w",
					len(names), strings.Join(slices.Compact(names), ", "), context.Cause(ctx))
			}
			return nil
		}
	}
}

func (r *Runtime) anyRunning() (task, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.running {
		return t, true
	}
	return task{}, false
}

// runningNames returns the function of each goroutine that runs, in order.
func (r *Runtime) runningNames() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.running))
	for _, t := range r.running {
		name := "unknown"
		if f := runtime.FuncForPC(reflect.ValueOf(t.f).Pointer()); f != nil {
			name = f.Name()
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
