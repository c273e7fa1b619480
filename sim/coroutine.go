package sim

import (
	"context"
	"iter"
	"runtime/debug"
)

// worker is a coroutine that runs one task after another. Making one costs a
// goroutine, and a lock starts a task around every request; so they are kept.
//
// Control is always with exactly one side: next hands it to the worker until
// the task blocks or ends, yield hands it back. The worker's goroutine is
// started by newWorker, ended by stop, and never runs beside its caller.
type worker struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	task     *task
	panicked any    // what the task panicked with
	stack    []byte // where
	exited   bool   // the task called runtime.Goexit
}

func newWorker() *worker {
	p := &worker{}
	p.next, p.stop = iter.Pull(p.loop)
	return p
}

func (p *worker) loop(yield func(struct{}) bool) {
	p.yield = yield
	for {
		p.run()
		if !yield(struct{}{}) {
			return
		}
	}
}

// unwinding is the panic that a blocking call raises in a task whose process
// has died, so that the task's deferred functions run and nothing else does.
type unwinding struct{}

func (unwinding) Error() string { return "sim: this process has crashed" }

func (p *worker) run() {
	returned := false
	defer func() {
		p.task.state = taskDone
		if returned {
			return
		}
		switch r := recover().(type) {
		case nil:
			p.exited = true
		case unwinding:
		default:
			p.panicked, p.stack = r, debug.Stack()
		}
	}()
	p.task.f()
	returned = true
}

type taskState uint8

const (
	taskReady taskState = iota // queued to run, perhaps for the first time
	taskRunning
	taskBlocked
	taskDone
)

// task is one function running on a node. Tasks are recycled; id tells one use
// from the next.
type task struct {
	id      uint64
	node    *Node
	worker  *worker // nil until it first runs
	f       func()
	state   taskState
	killed  bool
	joiners []*task // tasks waiting for this one

	// While blocked:
	ctx      context.Context // non-nil if it can end the wait
	ended    bool            // ctx ended the wait
	timer    *event          // a Sleep's
	call     *call           // a store call's or round trip's
	awaiting *task           // a join's

	prev, next       *task // the node's live tasks
	ctxPrev, ctxNext *task // the node's tasks whose ctx can end their wait
}

// spawn makes f a ready task of n.
func (w *World) spawn(n *Node, f func()) *task {
	var t *task
	if last := len(w.freeTasks) - 1; last >= 0 {
		t = w.freeTasks[last]
		w.freeTasks = w.freeTasks[:last]
	} else {
		t = &task{}
	}
	w.lastTask++
	w.counters.Tasks++
	t.id, t.node, t.f, t.state = w.lastTask, n, f, taskReady
	t.prev = n.lastLive
	if t.prev != nil {
		t.prev.next = t
	} else {
		n.firstLive = t
	}
	n.lastLive = t
	w.enqueue(t)
	return t
}

// enqueue lets a ready task run: at once, or when its node does.
func (w *World) enqueue(t *task) {
	if t.node.stopped > 0 {
		t.node.deferred = append(t.node.deferred, t)
	} else {
		w.ready = append(w.ready, t)
	}
}

// wake ends a blocked task's wait.
func (w *World) wake(t *task) {
	if t.killed || t.state != taskBlocked {
		return
	}
	w.unlinkContext(t)
	t.state = taskReady
	w.enqueue(t)
}

// park blocks the running task t until it is woken. Only ctx can end the wait
// otherwise; the caller then finds t.ended set and undoes what it set up.
func (w *World) park(t *task, ctx context.Context) {
	t.ended = false
	if ctx != nil && ctx != context.Background() {
		t.ctx = ctx
		t.ctxPrev = t.node.lastCtx
		if t.ctxPrev != nil {
			t.ctxPrev.ctxNext = t
		} else {
			t.node.firstCtx = t
		}
		t.node.lastCtx = t
	}
	t.state = taskBlocked
	t.worker.yield(struct{}{})
	if t.killed {
		panic(unwinding{})
	}
}

func (w *World) unlinkContext(t *task) {
	if t.ctx == nil {
		return
	}
	n := t.node
	if t.ctxPrev != nil {
		t.ctxPrev.ctxNext = t.ctxNext
	} else {
		n.firstCtx = t.ctxNext
	}
	if t.ctxNext != nil {
		t.ctxNext.ctxPrev = t.ctxPrev
	} else {
		n.lastCtx = t.ctxPrev
	}
	t.ctx, t.ctxPrev, t.ctxNext = nil, nil, nil
}

// endContexts wakes the node's tasks whose context has ended. It is called after
// everything that may have ended one: a step of a task of the node, an observer.
func (w *World) endContexts(n *Node) {
	for t := n.firstCtx; t != nil; {
		next := t.ctxNext
		if t.ctx.Err() != nil {
			t.ended = true
			w.detach(t)
			w.wake(t)
		}
		t = next
	}
}

// detach takes a blocked task away from what it waits for. A call it made lives
// on without it.
func (w *World) detach(t *task) {
	if t.timer != nil {
		w.dropTimer(t.timer)
		t.timer = nil
	}
	if t.call != nil {
		w.abandon(t.call)
		t.call = nil
	}
	if a := t.awaiting; a != nil {
		for i, j := range a.joiners {
			if j == t {
				a.joiners = append(a.joiners[:i], a.joiners[i+1:]...)
				break
			}
		}
		t.awaiting = nil
	}
}

// step runs t until it blocks or ends.
func (w *World) step(t *task) {
	w.counters.Switches++
	w.mix(t.id)
	w.beat(t.node)
	w.resume(t)
	if w.err != nil {
		return
	}
	n := t.node
	if t.state == taskDone {
		w.finish(t)
	}
	w.endContexts(n)
}

func (w *World) resume(t *task) {
	if t.worker == nil {
		if last := len(w.freeWorkers) - 1; last >= 0 {
			t.worker = w.freeWorkers[last]
			w.freeWorkers = w.freeWorkers[:last]
		} else {
			t.worker = newWorker()
		}
		t.worker.task = t
	}
	p := t.worker
	t.state = taskRunning
	w.current = t
	p.next()
	w.current = nil
	if p.panicked != nil {
		w.fail(panicError(t.node, p.panicked, p.stack))
		p.panicked, p.stack = nil, nil
	}
}

// finish removes a task that is done, or was never begun.
func (w *World) finish(t *task) {
	for _, j := range t.joiners {
		j.awaiting = nil
		w.wake(j)
	}
	n := t.node
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		n.firstLive = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		n.lastLive = t.prev
	}
	if t.worker != nil {
		t.worker.task = nil
		w.freeWorkers = append(w.freeWorkers, t.worker)
	}
	*t = task{joiners: t.joiners[:0]}
	w.freeTasks = append(w.freeTasks, t)
}

// kill ends every task of a node: each is resumed once, inside the call it is
// blocked in, which panics; deferred functions run, and block no more.
func (w *World) kill(n *Node) {
	kept := w.ready[:0]
	for _, t := range w.ready {
		if t.node != n {
			kept = append(kept, t)
		}
	}
	w.ready = kept
	n.deferred = n.deferred[:0]
	for t := n.firstLive; t != nil; t = t.next {
		t.killed = true
		w.unlinkContext(t)
		w.detach(t)
	}
	for n.firstLive != nil {
		t := n.firstLive
		if t.worker != nil && t.state != taskDone {
			w.beat(n)
			w.resume(t)
		}
		w.finish(t)
	}
}
