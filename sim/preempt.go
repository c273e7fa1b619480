package sim

import (
	"context"
	"time"
)

// MaxPreempt bounds for how long a task is interrupted where Config.PreemptEvery
// asks for it.
const MaxPreempt = 500 * time.Microsecond

// drawPreemption draws how many calls of Now go by until one interrupts.
func (w *World) drawPreemption() {
	if every := uint64(w.config.PreemptEvery); every > 0 {
		w.untilPreempt = 1 + w.choose(w.preempting, 2*every)
	}
}

// preemptibleNow is Now where a task may be interrupted: half of the times it
// has read the clock already, and goes on with an old reading.
func (n *Node) preemptibleNow() time.Duration {
	w := n.w
	now := n.clock.now(w.now)
	t := w.current
	if t == nil || t.node != n || t.killed {
		return now // an observer, or a process that is being unwound
	}
	if w.untilPreempt--; w.untilPreempt > 0 {
		return now
	}
	w.drawPreemption()
	w.counters.Preemptions++
	read := w.choose(w.preempting, 2) == 0
	d := time.Duration(w.choose(w.preempting, 3)) * MaxPreempt / 2
	if d > 0 {
		d = time.Duration(w.choose(w.preempting, uint64(d)+1))
	}
	_ = n.runtime.Sleep(context.Background(), d)
	if read {
		return now
	}
	return n.clock.now(w.now)
}
