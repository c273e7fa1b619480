package sim_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
)

// TestTheStoreKeepsTheStoreContract runs the suite that the real backends must
// pass. It uses goroutines and wall time, so it stands outside: a bridge carries
// each call into a world that is kept running.
func TestTheStoreKeepsTheStoreContract(t *testing.T) {
	for _, current := range []bool{false, true} {
		w := newWorld(t, sim.Config{Chooser: sim.NewRandom(1), Clients: 2,
			Store: sim.StoreConfig{Watch: true, ConflictReturnsCurrent: current}})
		b := newBridge(t, w)
		options := backendtest.Options{Other: bridged{b, w.Node(1)}, Patience: 10 * time.Second}
		for _, c := range backendtest.Cases() {
			if c.Name == "wait-leaks-nothing" {
				continue // it counts goroutines, and a world keeps its coroutines until Close
			}
			if err := c.Run(context.Background(), bridged{b, w.Node(0)}, options); err != nil {
				t.Error(err)
			}
		}
		b.stop()
	}
}

// bridge runs functions of other goroutines as tasks. Its one goroutine owns the
// world; stop ends it and waits for it.
type bridge struct {
	calls chan func(ended func())
	done  chan struct{}
	once  sync.Once
	wait  sync.WaitGroup
}

func newBridge(t *testing.T, w *sim.World) *bridge {
	b := &bridge{calls: make(chan func(ended func())), done: make(chan struct{})}
	pending := 0
	begin := func(call func(ended func())) {
		pending++
		call(func() { pending-- })
	}
	b.wait.Go(func() {
		for {
			if pending == 0 {
				select { // nobody waits, so the world need not go on
				case call := <-b.calls:
					begin(call)
				case <-b.done:
					return
				}
			}
			select {
			case call := <-b.calls:
				begin(call)
			case <-b.done:
				return
			default:
			}
			w.At(w.Now(), func() {}) // contexts may have ended
			if err := w.Run(w.Now() + 100*time.Microsecond); err != nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(b.stop)
	return b
}

func (b *bridge) stop() {
	b.once.Do(func() { close(b.done) })
	b.wait.Wait()
}

// do runs f as a task of n and waits for it.
func (b *bridge) do(n *sim.Node, f func()) {
	returned := make(chan struct{})
	b.calls <- func(ended func()) {
		n.Go(func() {
			defer close(returned)
			f()
			ended()
		})
	}
	<-returned
}

// undated hides a context's deadline, which the suite sets for its own sake.
type undated struct{ context.Context }

func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }

type bridged struct {
	*bridge
	n *sim.Node
}

func (s bridged) Capabilities() lock.Capabilities { return s.n.Store().Capabilities() }

func (s bridged) Get(ctx context.Context, key string) (r lock.Record, err error) {
	s.do(s.n, func() { r, err = s.n.Store().Get(undated{ctx}, key) })
	return r, err
}

func (s bridged) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (rev lock.Revision, err error) {
	s.do(s.n, func() { rev, err = s.n.Store().CompareAndSwap(undated{ctx}, key, old, value) })
	return rev, err
}

func (s bridged) Delete(ctx context.Context, key string, old lock.Revision) (err error) {
	s.do(s.n, func() { err = s.n.Store().Delete(undated{ctx}, key, old) })
	return err
}

func (s bridged) Wait(ctx context.Context, key string, after lock.Revision) (r lock.Record, err error) {
	s.do(s.n, func() { r, err = s.n.Store().Wait(undated{ctx}, key, after) })
	return r, err
}
