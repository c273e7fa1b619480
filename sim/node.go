package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// Node is one client's machine: its clocks, its link to the store, and the
// process on it, which may crash and start again.
type Node struct {
	w           *World
	index       int
	incarnation uint64 // of the process; the machine stays
	crashed     int    // active crash faults
	suspended   int
	stopped     int // pauses and suspends: no task runs while it is not 0
	clock       clock
	link        link
	runtime     *Runtime
	client      *ClientStore
	ids         *stream
	starts      []func()
	crashes     []func()

	deferred            []*task  // ready, but the node is stopped
	undeparted          []*event // requests that wait for the node to run
	aims                []int    // aimed faults of the plan that have not struck
	late                []func() // timeouts that were due while the node stood still
	firstLive, lastLive *task
	firstCtx, lastCtx   *task
	firstTimer          *event
	lastTimer           *event
}

// maxUptime bounds how long before the run a machine was booted.
const maxUptime = 1_000_000 * time.Second

func newNode(w *World, index int) *Node {
	n := &Node{w: w, index: index}
	boot := w.choose(newStream(w.chooser, fmt.Sprint(streamBoot, index)), uint64(maxUptime))
	n.clock = newClock(time.Second + time.Duration(boot))
	n.ids = newStream(w.chooser, fmt.Sprint(streamIDs, index))
	n.link = link{w: w}
	n.runtime = &Runtime{node: n}
	n.client = &ClientStore{node: n}
	return n
}

// String returns "n0", "n1" and so on, and "observer" for nil.
func (n *Node) String() string {
	if n == nil {
		return "observer"
	}
	return fmt.Sprintf("n%d", n.index)
}

// Index returns the client's index.
func (n *Node) Index() int { return n.index }

// Incarnation returns how often the process has crashed.
func (n *Node) Incarnation() uint64 { return n.incarnation }

// Go starts a task in the node's process. The returned function waits until f
// has returned; it may be called from tasks only. If the process is down, f
// never runs, and join has nothing to wait for.
func (n *Node) Go(f func()) (join func()) {
	if n.crashed > 0 || n.w.closed {
		return n.dead
	}
	t := n.w.spawn(n, f)
	id := t.id
	return func() { n.join(t, id) }
}

// dead is the join of a task that was never started.
func (n *Node) dead() {
	if t := n.w.current; t != nil && t.killed {
		panic(unwinding{})
	}
}

func (n *Node) join(t *task, id uint64) {
	if t.id != id {
		n.dead()
		return
	}
	self := n.running(context.Background(), "join")
	t.joiners = append(t.joiners, self)
	self.awaiting = t
	n.w.park(self, nil)
}

// Runtime returns the lock.Runtime of the current incarnation of the process.
func (n *Node) Runtime() lock.Runtime { return n.runtime }

// Wall returns the wall clock's reading, since Epoch before the run's start.
func (n *Node) Wall() time.Duration { return n.clock.wallTime(n.w.now) }

// Local returns the reading of Runtime.Now for an observer: asking for it
// interrupts no task.
func (n *Node) Local() time.Duration { return n.clock.now(n.w.now) }

// Monotonic returns the reading of a clock like Runtime.Now that stands still
// while the machine is suspended, as CLOCK_MONOTONIC and Go's time do on Linux.
func (n *Node) Monotonic() time.Duration { return n.clock.monotonic(n.w.now) }

// Store returns the node's client of the store.
func (n *Node) Store() *ClientStore { return n.client }

// Crashed reports whether the process is down.
func (n *Node) Crashed() bool { return n.crashed > 0 }

// Paused reports whether the process stands still, by a pause or a suspend.
func (n *Node) Paused() bool { return n.stopped > 0 }

// OnStart makes each incarnation of the process, from the present one on, begin
// with a task that runs f.
func (n *Node) OnStart(f func()) {
	n.starts = append(n.starts, f)
	n.Go(f)
}

// OnCrash makes the observer f be called at each crash, before the tasks of the
// process are unwound.
func (n *Node) OnCrash(f func()) { n.crashes = append(n.crashes, f) }

// Die kills the process in this instant, once the calling task waits, and starts
// it again after d: a crash that the workload times, as of a holder in the midst
// of its work.
func (n *Node) Die(d time.Duration) {
	n.w.At(n.w.now, n.crash)
	n.w.At(n.w.now+max(0, d), n.restart)
}

// Alarm is what AtLocal set.
type Alarm struct {
	w  *World
	ev *event
	id uint64
}

// Stop takes the alarm back. It reports whether it had been pending.
func (a Alarm) Stop() bool {
	if a.ev == nil || a.ev.id != a.id {
		return false
	}
	a.w.dropTimer(a.ev)
	return true
}

// AtLocal calls the observer f at the first true time at which the node's
// Runtime.Now reads local or more, whatever happens to its rate until then. No
// pause delays it; a crash of the process takes it back. It is not set while the
// process is down.
func (n *Node) AtLocal(local time.Duration, f func()) Alarm {
	if n.crashed > 0 || n.w.closed {
		return Alarm{}
	}
	ev := n.w.newEvent(evAlarm, n)
	ev.f = f
	n.setTimer(ev, local-n.clock.boot)
	return Alarm{w: n.w, ev: ev, id: ev.id}
}

// setTimer queues ev for the moment the node's oscillator has come to target.
func (n *Node) setTimer(ev *event, target time.Duration) {
	ev.target = target
	ev.prev = n.lastTimer
	if ev.prev != nil {
		ev.prev.next = ev
	} else {
		n.firstTimer = ev
	}
	n.lastTimer = ev
	n.w.queue.push(n.due(ev), ev)
}

func (n *Node) due(ev *event) time.Duration {
	return max(n.clock.first(ev.target), ev.notBefore, n.w.now)
}

// dropTimer removes and frees a timer.
func (w *World) dropTimer(ev *event) {
	n := ev.node
	if ev.prev != nil {
		ev.prev.next = ev.next
	} else {
		n.firstTimer = ev.next
	}
	if ev.next != nil {
		ev.next.prev = ev.prev
	} else {
		n.lastTimer = ev.prev
	}
	w.queue.remove(ev)
	w.freeEvent(ev)
}

// setRate makes the node's oscillator wrong by ppm more, and aims its timers anew.
func (n *Node) setRate(ppm int64) {
	n.clock.addRate(n.w.now, ppm)
	for ev := n.firstTimer; ev != nil; ev = ev.next {
		if ev.pos >= 0 {
			n.w.queue.move(ev, n.due(ev))
		}
	}
}

// wakeSleeper ends a Sleep. On a suspended machine nothing happens: the timer
// stays, out of the queue, until the machine resumes.
func (n *Node) wakeSleeper(ev *event) {
	if n.suspended > 0 {
		return
	}
	t := ev.task
	t.timer = nil
	n.w.dropTimer(ev)
	n.w.wake(t)
}

// running returns the task that is calling, which must be one of this node and
// able to block with ctx.
func (n *Node) running(ctx context.Context, what string) *task {
	t := n.w.current
	if t == nil {
		panic("sim: " + what + " called outside of a task")
	}
	if t.killed {
		panic(unwinding{})
	}
	if t.node != n {
		panic(fmt.Sprintf("sim: %s of %s called from a task of %s", what, n, t.node))
	}
	if ctx != nil {
		if _, ok := ctx.Deadline(); ok {
			panic("sim: " + what + " called with a deadline in wall-clock time: no run could be repeated")
		}
	}
	return t
}
