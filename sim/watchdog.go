package sim

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// ErrStuck is wrapped by Run's error if a task blocked outside of the world, or
// kept an instant from ending. The world cannot be used any more.
var ErrStuck = errors.New("sim: stuck")

// Phases of a world.
const (
	phaseIdle uint32 = iota
	phaseRunning
	phaseAbandoned
)

// Run lets everything happen up to and including true time until, which may not
// be negative. With nothing left to happen time still goes on to until.
//
// It returns an error that wraps ErrStuck if a task blocks outside of the world,
// one with node and stack if a task or observer panics, and the Chooser's own
// (its Err method), if it has one. After an error every Run returns the same.
//
// The loop runs in a goroutine of its own, so that Run can return although a
// task does not: started here, it ends with the loop, and Run waits for it. One
// that is stuck is abandoned.
func (w *World) Run(until time.Duration) error {
	if w.stuck != nil {
		return w.stuck // the world is no longer ours to look at
	}
	if w.closed {
		return errors.New("sim: Run after Close")
	}
	if w.err != nil {
		return w.err
	}
	w.stopped = false
	w.phase.Store(phaseRunning)
	done := make(chan struct{})
	go w.runLoop(until, done)
	return w.watch(done)
}

func (w *World) runLoop(until time.Duration, done chan<- struct{}) {
	returned := false
	defer func() {
		if !returned {
			w.explain(recover())
		}
		if !w.phase.CompareAndSwap(phaseRunning, phaseIdle) {
			w.unwind()
		}
		close(done)
	}()
	w.loop(until)
	returned = true
}

// explain turns the end of a loop that did not return into an error.
func (w *World) explain(panicked any) {
	n := (*Node)(nil)
	if w.current != nil {
		n = w.current.node
		w.current = nil
	}
	if panicked == nil {
		w.fail(fmt.Errorf("sim: %s called runtime.Goexit (FailNow of a test?)", n))
		return
	}
	w.fail(panicError(n, panicked, debug.Stack()))
}

func (w *World) watch(done <-chan struct{}) error {
	const looks = 4
	ticker := time.NewTicker(max(w.config.StuckAfter/looks, time.Millisecond))
	defer ticker.Stop()
	last, still := w.pulse.Load(), 0
	for {
		select {
		case <-done:
			return w.result()
		case <-ticker.C:
		}
		if p := w.pulse.Load(); p != last {
			last, still = p, 0
			continue
		}
		if still++; still < looks {
			continue
		}
		stacks := stuckStacks()
		if !w.phase.CompareAndSwap(phaseRunning, phaseAbandoned) {
			<-done // it came back just now
			return w.result()
		}
		w.stuck = fmt.Errorf("%w: %s did not come back for %v: it blocks outside Store and Runtime\n%s",
			ErrStuck, pulseName(last), w.config.StuckAfter, stacks)
		return w.stuck
	}
}

func (w *World) result() error {
	if e, ok := w.chooser.(interface{ Err() error }); ok && w.err == nil {
		w.fail(e.Err())
	}
	return w.err
}

// fail stops the world. The first error counts.
func (w *World) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func panicError(n *Node, panicked any, stack []byte) error {
	if err, ok := panicked.(error); ok {
		return fmt.Errorf("sim: %s panicked: %w\n%s", n, err, stack)
	}
	return fmt.Errorf("sim: %s panicked: %v\n%s", n, panicked, stack)
}

// beat tells the watchdog that a step on n (nil: an observer) begins.
func (w *World) beat(n *Node) {
	w.beats++
	node := uint64(0)
	if n != nil {
		node = uint64(n.index) + 1
	}
	w.pulse.Store(w.beats<<16 | node)
}

func pulseName(pulse uint64) string {
	if node := pulse & 0xffff; node != 0 {
		return fmt.Sprintf("a task of node %d", node-1)
	}
	return "an observer"
}

// stuckStacks returns the stacks of the goroutines of this package that run or
// block, other than the coroutines that merely wait for their turn.
func stuckStacks() []byte {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var out []byte
	for g := range bytes.SplitSeq(buf, []byte("\n\n")) {
		head, _, _ := bytes.Cut(g, []byte("\n"))
		if bytes.Contains(head, []byte("[coroutine")) || !bytes.Contains(g, []byte("sim.(*worker).run")) {
			continue
		}
		out = append(append(out, g...), "\n\n"...)
	}
	if len(out) == 0 {
		return buf
	}
	return out
}
