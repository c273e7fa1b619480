package harness

import (
	"context"
	"errors"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// asking is an acquire under way.
type asking struct {
	t        *task
	lock     int
	event    linearizability.Event // of its invoke
	locker   subjects.Locker
	closed   int // client.closed at the invoke
	renews   bool
	ctx      context.Context // the call's
	requests *counter
	// limit is the reading of the clock at which its wait limit is over, if it has
	// one.
	limit   time.Duration
	limited bool
	done    func() // ends and awaits what was started for it

	// Guarded by c.mu:
	gaveUp bool
	ended  bool
}

// ask records the invoke of an acquire, of a lock with options o. It returns nil
// while the client is being closed. Where cancellable, the caller may lose its
// patience.
func (t *task) ask(ctx context.Context, i int, o *subjects.Options, cancellable bool) *asking {
	c := t.c
	w := c.run.scenario.Workload
	if !o.Try && o.WaitLimit == 0 && c.chance("wait-limit", w.WaitLimit) {
		o.WaitLimit = c.upTo("wait-limit/after", 2*c.run.scenario.TTL.D())
	}
	a := &asking{t: t, lock: i, renews: !o.NoRenewal, limited: o.WaitLimit > 0}
	ctx, a.requests = c.run.counted(ctx)
	c.mu.Lock()
	if a.locker = c.locker; a.locker == nil {
		c.mu.Unlock()
		return nil
	}
	a.closed = c.closed
	a.event = linearizability.Event{
		Client: c.index, Process: t.process, Lock: c.run.locks[i], Op: linearizability.OpAcquire, Phase: linearizability.Invoke, Try: o.Try,
	}
	if !c.dead {
		c.run.rec.add(a.event)
	}
	c.mu.Unlock()
	a.event.Try = false
	a.limit = c.rt.Now() + o.WaitLimit
	a.wait(ctx, o, cancellable)
	return a
}

// wait starts the task in which the caller loses its patience: at a time of its
// own, or some time after its wait limit, which a lock may not know of. It ends
// with the call.
func (a *asking) wait(ctx context.Context, o *subjects.Options, cancellable bool) {
	c := a.t.c
	ctx, cancel := context.WithCancel(ctx)
	a.ctx, a.done = ctx, cancel
	after, grace := o.WaitLimit, c.env.Settings.RequestTimeout
	if !a.limited {
		if o.Try || !cancellable || !c.chance("give-up", c.run.scenario.Workload.GiveUp) {
			return
		}
		after, grace = c.upTo("patience", 2*c.run.scenario.TTL.D()), 0
	}
	patience := c.rt.Go(func() {
		if c.rt.Sleep(ctx, after) != nil {
			return
		}
		a.giveUp()
		if cancellable && (grace == 0 || c.rt.Sleep(ctx, grace) == nil) {
			cancel()
		}
	})
	a.done = func() {
		cancel()
		patience()
	}
}

// giveUp records that the caller does not want the answer any more.
func (a *asking) giveUp() {
	c := a.t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !a.ended && !a.gaveUp && !c.dead {
		a.gaveUp = true
		c.run.rec.add(a.gone())
	}
}

func (a *asking) gone() linearizability.Event {
	e := a.event
	e.Op, e.Phase = linearizability.OpGiveUp, linearizability.Info
	return e
}

// overdue records that the wait limit was over before the answer came, whether or
// not the task got to run that was to record it. It is called with c.mu held.
func (a *asking) overdue(now time.Duration) {
	c := a.t.c
	if !a.limited || a.gaveUp || c.dead {
		return
	}
	if at, over := c.m.passed(a.limit, now); over {
		a.gaveUp = true
		c.run.rec.addAt(at, a.gone())
	}
}

// returned records the end of an acquire at once, before anything can wait.
func (a *asking) returned(lease subjects.Lease, err error) *grant {
	c := a.t.c
	e := a.event
	e.Requests = a.requests.sent()
	if err == nil {
		e.Renews = a.renews
		return a.begin(e, lease)
	}
	e.Phase, e.Detail, e.Refused = linearizability.Info, err.Error(), a.requests.refused.Load()
	var held *lock.HeldError
	switch {
	case errors.As(err, &held):
		e.Phase, e.Held, e.Holder, e.Detail = linearizability.Fail, true, ownerIndex(held.Owner)+1, ""
	case lock.Definite(err):
		e.Phase = linearizability.Fail
	}
	now := c.run.rec.now()
	c.mu.Lock()
	a.overdue(now)
	a.ended = true
	if !c.dead {
		c.run.rec.add(e)
	}
	c.mu.Unlock()
	if e.Phase == linearizability.Info {
		a.t.renewProcess()
	}
	return nil
}

// acquire asks for a lock, and records how that went.
func (t *task) acquire(ctx context.Context, i int, o subjects.Options) *grant {
	a := t.ask(ctx, i, &o, true)
	if a == nil {
		return nil
	}
	lease, err := a.locker.Acquire(a.ctx, a.event.Lock, o)
	g := a.returned(lease, err)
	a.done()
	return g
}

// do runs a turn under the lock with the lock's own Do, and reports whether there
// is one. Nobody loses patience with it: the lease ends with the caller's context.
func (t *task) do(ctx context.Context, i int) bool {
	if _, ok := t.c.locked().(subjects.Doer); !ok {
		return false
	}
	o := subjects.Options{}
	a := t.ask(ctx, i, &o, false)
	if a == nil {
		return true
	}
	var g *grant
	given := false
	err := a.locker.(subjects.Doer).Do(a.ctx, a.event.Lock, o, func(_ context.Context, lease subjects.Lease) error {
		g = a.returned(lease, nil)
		t.hold(ctx, g, t.c.upTo("hold", t.c.run.scenario.Workload.HoldMax.D()))
		given = g.end(linearizability.OpRelease, linearizability.Invoke)
		return nil
	})
	switch {
	case g == nil:
		a.returned(nil, err)
	case given && err == nil:
		g.returned(linearizability.Ok, "", 0)
	case given: // Do tells of a loss by the clock alone, though it freed the lock
		g.returned(linearizability.Info, err.Error(), 0)
		t.renewProcess()
	}
	a.done()
	return true
}

// release gives the lock back. The belief ends at the invoke. A grant that the
// client's close gave back is released once more, which is not recorded.
func (t *task) release(ctx context.Context, g *grant) {
	given := g.end(linearizability.OpRelease, linearizability.Invoke)
	if !given && t.c.died() {
		return
	}
	asked, requests := t.c.run.counted(ctx)
	err := g.lease.Release(asked)
	if !given {
		return
	}
	switch {
	case err == nil:
		g.returned(linearizability.Ok, "", requests.sent())
	case errors.Is(err, lock.ErrLost):
		g.returned(linearizability.Fail, err.Error(), requests.sent())
	default:
		g.returned(linearizability.Info, err.Error(), requests.sent())
		t.renewProcess()
	}
}

// returned records how a release ended, which began with end.
func (g *grant) returned(phase linearizability.Phase, detail string, requests int32) {
	e := g.event
	e.Op, e.Phase, e.Detail = linearizability.OpRelease, phase, detail
	g.c.mu.Lock()
	if !g.untidy {
		e.Requests = requests
	}
	e.Process, g.done = g.by, true
	g.drop()
	g.c.mu.Unlock()
	g.c.record(e)
}

// leave lets a lease run out that its holder does not give back. A close may.
func (g *grant) leave() {
	g.follow()
	g.c.mu.Lock()
	defer g.c.mu.Unlock()
	g.left = true
	g.drop()
}

// drop forgets a grant that nothing can happen to any more: that was given back, or
// left and told of as lost, with no renewal under way. It is called with c.mu held.
func (g *grant) drop() {
	if (g.done || g.left && g.over) && g.renewals == 0 {
		delete(g.c.grants, g.lease)
	}
}

// renew renews by hand, where the lock lets its holder. The observer hears of it.
func (g *grant) renew(ctx context.Context) {
	if r, ok := g.lease.(subjects.Renewer); ok {
		_ = r.Renew(g.requests.in(ctx))
	}
}

// ask asks the lease how long it stands. What it says is true of some moment
// between the two times that are recorded.
func (g *grant) ask() {
	asker, ok := g.lease.(subjects.Asker)
	if !ok || !g.c.chance("ask", g.c.run.scenario.Workload.Ask) {
		return
	}
	e := g.event
	e.Op, e.Phase = linearizability.OpAsk, linearizability.Ok
	e.Since = int64(max(g.from, g.c.run.rec.now()))
	left, valid := asker.Remaining(), asker.Valid()
	switch {
	case !valid:
		left = min(left, 0)
	case left <= 0:
		left = 1 // by one of its two answers it stands
	}
	e.Value = int64(left)
	g.c.record(e)
}
