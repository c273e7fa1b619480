package sim

import (
	"context"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// lateAfterSuspend bounds how late a Sleep may end after its machine was
// suspended. Timers stop in a suspend, so the real runtime sleeps in slices of
// this length and looks at the suspend-proof clock after each; the slice that
// the suspend interrupts is finished afterwards.
const lateAfterSuspend = 250 * time.Millisecond

// Runtime is the lock.Runtime of one incarnation of a node's process.
type Runtime struct {
	node        *Node
	incarnation uint64
}

var _ lock.Runtime = (*Runtime)(nil)

// Now implements lock.Runtime. It counts through suspends, goes on through
// crashes, and is subject to clock-rate faults alone.
func (r *Runtime) Now() time.Duration {
	n := r.node
	if n.w.config.PreemptEvery > 0 {
		return n.preemptibleNow()
	}
	return n.clock.now(n.w.now)
}

// Sleep implements lock.Runtime. It ends at the first true time at which Now has
// advanced by d and the process runs; after a suspend that fell into it up to
// 250 ms later. With d <= 0 it lets other tasks run and returns.
func (r *Runtime) Sleep(ctx context.Context, d time.Duration) error {
	n := r.node
	w := n.w
	t := n.running(ctx, "Sleep")
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		t.state = taskReady
		w.enqueue(t)
		t.worker.yield(struct{}{})
		if t.killed {
			panic(unwinding{})
		}
		return nil
	}
	ev := w.newEvent(evWake, n)
	ev.task, t.timer = t, ev
	e := n.clock.elapsed(w.now)
	n.setTimer(ev, e+min(d, never-e))
	w.park(t, ctx)
	if t.ended {
		return context.Cause(ctx)
	}
	return nil
}

// Go implements lock.Runtime.
func (r *Runtime) Go(f func()) (join func()) {
	if r.incarnation != r.node.incarnation {
		return r.node.dead
	}
	return r.node.Go(f)
}

// WithTimeoutCause spares the lock a task for each request. The context ends
// once Now has advanced by d. In a process that stands still then, timers and
// answers wait for it to go on, and the Chooser says which of them comes first:
// a call may return its answer although its context has ended, or be told of the
// timeout although its answer has come.
func (r *Runtime) WithTimeoutCause(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if r.incarnation != r.node.incarnation {
		return ctx, func() { cancel(nil) }
	}
	n := r.node
	alarm := n.AtLocal(n.clock.now(n.w.now)+d, func() {
		if n.stopped > 0 {
			n.w.counters.LateTimeouts++
			n.late = append(n.late, func() { cancel(cause) })
			return
		}
		cancel(cause)
	})
	return ctx, func() {
		alarm.Stop()
		cancel(nil)
	}
}

// Uint64 implements lock.Runtime.
func (r *Runtime) Uint64() uint64 {
	w := r.node.w
	high := w.choose(r.node.ids, 1<<32)
	return high<<32 | w.choose(r.node.ids, 1<<32)
}

// stop makes the process stand still; what is ready must wait.
func (n *Node) stop() {
	n.stopped++
	if n.stopped > 1 {
		return
	}
	w := n.w
	kept := w.ready[:0]
	for _, t := range w.ready {
		if t.node == n {
			n.deferred = append(n.deferred, t)
		} else {
			kept = append(kept, t)
		}
	}
	w.ready = kept
}

// run lets the process go on: its tasks now, its requests when they are ready to
// depart.
func (n *Node) run() {
	n.stopped--
	if n.stopped > 0 {
		return
	}
	w := n.w
	w.ready = append(w.ready, n.deferred...)
	n.deferred = n.deferred[:0]
	for _, ev := range n.undeparted {
		w.queue.push(w.now+w.departureDelay(), ev)
	}
	n.undeparted = n.undeparted[:0]
	for _, f := range n.late {
		// Before the tasks of this instant, or after them.
		w.At(w.now+time.Duration(w.choose(w.timingOut, 2))*lateTimer, f)
	}
	n.late = n.late[:0]
}

// lateTimer is how much later than the answers the timers of a process may be
// seen to that goes on after a pause.
const lateTimer = 50 * time.Microsecond

func (n *Node) suspend() {
	n.stop()
	if n.suspended++; n.suspended == 1 {
		n.clock.suspend(n.w.now)
	}
}

func (n *Node) resume() {
	if n.suspended--; n.suspended == 0 {
		n.delaySleepers()
		n.clock.resume(n.w.now)
	}
	n.run()
}

// delaySleepers aims the sleeps that a suspend interrupted. What was left of a
// sleep's slice when the suspend began, at most 250 ms, is slept now:
//
//	        suspend                 resume
//	----------|========================|------s-----|
//	   slice ...                        ... slice   wake, if now past the target
func (n *Node) delaySleepers() {
	w := n.w
	now := n.clock.elapsed(w.now)
	for ev := n.firstTimer; ev != nil; ev = ev.next {
		if ev.kind != evWake {
			continue
		}
		if ev.target-now < lateAfterSuspend {
			left := min(lateAfterSuspend, max(0, ev.target-n.clock.suspendedAt))
			ev.notBefore = w.now + time.Duration(w.choose(w.waking, uint64(left)+1))
		}
		if ev.pos >= 0 {
			w.queue.move(ev, n.due(ev))
		} else {
			w.queue.push(n.due(ev), ev)
		}
	}
}

// crash kills the process: its alarms are off, its tasks are unwound. Requests
// that have departed live on.
func (n *Node) crash() {
	n.crashed++
	if n.crashed > 1 {
		return
	}
	w := n.w
	n.incarnation++
	w.counters.Crashes++
	for ev := n.firstTimer; ev != nil; {
		next := ev.next
		if ev.kind == evAlarm {
			w.dropTimer(ev)
		}
		ev = next
	}
	clear(n.late)
	n.late = n.late[:0]
	for _, f := range n.crashes {
		w.observe(f)
	}
	w.kill(n)
}

// restart starts a fresh incarnation of the process.
func (n *Node) restart() {
	if n.crashed--; n.crashed > 0 {
		return
	}
	n.w.counters.Restarts++
	n.runtime = &Runtime{node: n, incarnation: n.incarnation}
	for _, f := range n.starts {
		n.Go(f)
	}
}
