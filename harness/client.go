package harness

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// client is one incarnation of one client: a process that contends for locks
// until its world ends it.
type client struct {
	run   *run
	m     machine
	index int
	rt    lock.Runtime
	env   subjects.Env

	mu     sync.Mutex
	locker subjects.Locker // nil while it is being closed
	closed int             // how often it was
	dead   bool
	tasks  []*task
	grants map[subjects.Lease]*grant
}

// task is one goroutine of a client. It is a process of the history: it has one
// call open at a time, and a new number after one whose end is not known.
type task struct {
	c       *client
	process int // guarded by c.mu
}

// start makes the client's lock. It fails only on settings that the subject
// does not accept.
func (r *run) start(index int, m machine) (*client, error) {
	c := &client{run: r, m: m, index: index, env: m.env(), grants: map[subjects.Lease]*grant{}}
	c.env.Observe = observer{c}
	if r.ops != nil {
		c.env.Store = r.ops.logged(index, c.env.Store)
	}
	c.env.Store = r.counting(c.env.Store)
	c.rt = c.env.Runtime
	c.newTask()
	var err error
	c.locker, err = r.subject.New(c.env)
	return c, err
}

func (c *client) newTask() *task {
	t := &task{c: c, process: c.run.rec.newProcess()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tasks = append(c.tasks, t)
	return t
}

// loop takes turns until ctx ends or the runtime does. Other goroutines that use
// the client end with the runtime.
func (c *client) loop(ctx context.Context) {
	first := c.tasks[0]
	if c.run.promises.NoRetake && c.chance("parallel", c.run.scenario.Workload.Parallel) {
		for range 1 + c.m.choose("parallel/tasks", 2) {
			c.rt.Go(func() { c.newTask().loop(ctx) })
		}
	}
	first.loop(ctx)
}

// record adds an event of this process, unless it is dead.
func (c *client) record(e linearizability.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.run.rec.add(e)
	}
}

// event is the beginning of an event of the task.
func (t *task) event(op linearizability.Op, phase linearizability.Phase) linearizability.Event {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return linearizability.Event{Client: t.c.index, Process: t.process, Op: op, Phase: phase}
}

// renewProcess gives the task a new number: what its last one did may go on.
func (t *task) renewProcess() {
	p := t.c.run.rec.newProcess()
	t.c.mu.Lock()
	t.process = p
	t.c.mu.Unlock()
}

func (c *client) died() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// locked returns the client's lock, or nil while it is being closed.
func (c *client) locked() subjects.Locker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.locker
}

// close closes the lock, whatever other goroutines do with it, and opens another.
// Grants that it finds are given back by it; how that went it does not tell.
func (t *task) close(ctx context.Context) {
	c := t.c
	c.mu.Lock()
	closer, ok := c.locker.(subjects.Closer)
	if !ok || c.dead {
		c.mu.Unlock()
		return
	}
	c.locker = nil
	c.closed++
	e := linearizability.Event{Client: c.index, Process: t.process, Op: linearizability.OpClose, Phase: linearizability.Invoke}
	c.run.rec.add(e)
	live := c.live()
	c.mu.Unlock()
	var given []*grant
	for _, g := range live {
		if g.endBy(e.Process, linearizability.OpRelease, linearizability.Invoke) {
			given = append(given, g)
		}
	}

	asked, requests := t.c.run.counted(ctx)
	err := closer.Close(asked)
	for _, g := range given {
		g.returned(linearizability.Info, "by close", 0)
	}
	e.Phase, e.Requests = linearizability.Ok, requests.sent()
	if err != nil {
		e.Phase, e.Detail = linearizability.Info, err.Error()
	}
	c.record(e)
	c.reopen()
}

// reopen makes another lock of a client that was closed.
func (c *client) reopen() {
	locker, err := c.run.subject.New(c.env)
	if err != nil {
		c.run.fail(fmt.Errorf("open c%d again: %w", c.index, err))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.locker = locker
	for _, t := range c.tasks {
		t.process = c.run.rec.newProcess()
	}
}

// inspect asks who holds a lock.
func (t *task) inspect(ctx context.Context, i int) {
	inspector, ok := t.c.locked().(subjects.Inspector)
	if !ok {
		return
	}
	e := t.event(linearizability.OpInspect, linearizability.Invoke)
	e.Lock = t.c.run.locks[i]
	t.c.record(e)
	asked, requests := t.c.run.counted(ctx)
	owner, err := inspector.Inspect(asked, e.Lock)
	e.Phase, e.Requests = linearizability.Ok, requests.sent()
	switch {
	case err != nil:
		e.Phase, e.Detail = linearizability.Fail, err.Error()
	default:
		e.Holder = ownerIndex(owner) + 1
	}
	t.c.record(e)
}

// ownerName and ownerIndex translate between a client and the name by which its
// lock knows it.
func ownerName(index int) string { return "c" + strconv.Itoa(index) }

func ownerIndex(owner string) int {
	if len(owner) > 1 && owner[0] == 'c' {
		if i, err := strconv.Atoi(owner[1:]); err == nil {
			return i
		}
	}
	return -1
}

// observer records what a lock does in the background.
type observer struct{ c *client }

func (o observer) RenewInvoked(l subjects.Lease) { o.renew(l, linearizability.Invoke, "") }

func (o observer) RenewReturned(l subjects.Lease, err error, lost bool) {
	switch {
	case err == nil:
		o.renew(l, linearizability.Ok, "")
	case lost:
		o.renew(l, linearizability.Fail, err.Error())
	default:
		o.renew(l, linearizability.Info, err.Error())
	}
}

// renew records a renewal of a grant that the client knows of. A lock may begin
// one before its Acquire has returned; what is not recorded makes the checks
// weaker, never wrong.
func (o observer) renew(l subjects.Lease, phase linearizability.Phase, detail string) {
	if g := o.c.renewed(l, phase, detail); g != nil {
		g.follow()
	}
}

func (c *client) renewed(l subjects.Lease, phase linearizability.Phase, detail string) *grant {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.grants[l]
	if g == nil || c.dead {
		return nil
	}
	if phase == linearizability.Invoke {
		g.renewInvoked()
	} else {
		g.renewReturned(phase, detail)
	}
	return g
}

// renewInvoked records a renewal, and ends the one that is under way: which of two
// renewals a later return is of, nobody can tell. It is called with c.mu held.
func (g *grant) renewInvoked() {
	g.renewals++
	if g.renewals > 1 {
		g.overlap = true
		g.recordRenew(linearizability.Info, "another one began", 0)
	} else {
		g.overlap, g.before, g.begun = false, g.requests.Load(), g.c.run.rec.now()
	}
	g.recordRenew(linearizability.Invoke, "", 0)
}

// renewReturned records the end of a renewal; of one that was alone, with its
// requests. It is called with c.mu held.
func (g *grant) renewReturned(phase linearizability.Phase, detail string) {
	if g.renewals == 0 {
		return // begun before its grant was known
	}
	g.renewals--
	switch {
	case g.overlap && g.renewals > 0: // one of them goes on
	case g.overlap:
		g.recordRenew(linearizability.Info, "the last of several", 0)
	case phase != linearizability.Ok: // cut short, or on its way to find a loss
		g.recordRenew(phase, detail, 0)
	default:
		g.recordRenew(phase, detail, g.requests.since(g.begun, g.before))
	}
	g.drop()
}

func (g *grant) recordRenew(phase linearizability.Phase, detail string, requests int32) {
	if g.renewing == (phase == linearizability.Invoke) {
		return
	}
	g.renewing = phase == linearizability.Invoke
	e := g.event
	e.Op, e.Phase, e.Detail, e.Requests = linearizability.OpRenew, phase, detail, requests
	g.c.run.rec.add(e)
}
