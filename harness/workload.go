package harness

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// machine is what a world gives to one incarnation of a client's process.
type machine interface {
	// env is the subject's environment, but for Observe.
	env() subjects.Env
	// choose draws a number in [0, n) from a named stream.
	choose(stream string, n uint64) uint64
	// access makes a round trip to the protected resource, where f runs.
	access(ctx context.Context, f func()) error
	// follow makes a grant be looked at whenever the belief in it may have changed
	// by itself.
	follow(g *grant)
	// passed returns the true time at which the runtime's clock came to local, if
	// it had by the true time now. Rounded, it is early.
	passed(local, now time.Duration) (at time.Duration, ok bool)
	// surely is the latest time up to which something surely stood that stood at
	// last and was found gone at now.
	surely(last, now time.Duration) time.Duration
	// die crashes the process and restarts it after d. The caller must stand
	// still then.
	die(d time.Duration)
}

// run is one run of a scenario in some world.
type run struct {
	scenario Scenario
	subject  subjects.Subject
	promises linearizability.Promises
	rec      *recorder
	resource *resource
	locks    []string
	ops      *opLog // nil unless the operations on the store are wanted
	failed   error  // a subject that could not be made in the simulator; nil in the live world
}

func newRun(s Scenario, subject subjects.Subject, now func() time.Duration) *run {
	r := &run{scenario: s, subject: subject, promises: subject.Promised(s.settings()), rec: &recorder{now: now}}
	r.resource = newResource(s.Locks, r.rec)
	for i := range s.Locks {
		r.locks = append(r.locks, "lock-"+strconv.Itoa(i))
	}
	return r
}

// client is one incarnation of one client: a process that contends for locks
// until its world ends it.
type client struct {
	run    *run
	m      machine
	index  int
	rt     lock.Runtime
	locker subjects.Locker

	mu      sync.Mutex
	process int
	dead    bool
	grants  map[subjects.Lease]*grant
}

// start makes the client's lock. It fails only on settings that the subject
// does not accept.
func (r *run) start(index int, m machine) (*client, error) {
	c := &client{run: r, m: m, index: index, process: r.rec.newProcess(), grants: map[subjects.Lease]*grant{}}
	env := m.env()
	env.Observe = observer{c}
	if r.ops != nil {
		env.Store = r.ops.logged(index, env.Store)
	}
	c.rt = env.Runtime
	var err error
	c.locker, err = r.subject.New(env)
	return c, err
}

// record adds an event of this process, unless it is dead.
func (c *client) record(e linearizability.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.run.rec.add(e)
	}
}

// loop takes turns until ctx ends or the runtime does.
func (c *client) loop(ctx context.Context) {
	w := c.run.scenario.Workload
	for ctx.Err() == nil {
		if c.rt.Sleep(ctx, c.upTo("think", w.ThinkMax.D())) != nil {
			return
		}
		c.turn(ctx)
	}
}

// upTo draws a duration up to most. Short ones are likelier: half of them are
// under an eighth.
func (c *client) upTo(stream string, most time.Duration) time.Duration {
	scale := []uint64{1, 2, 8, 8}[c.m.choose(stream+"/scale", 4)]
	return time.Duration(1 + c.m.choose(stream, uint64(most)/9*scale+1))
}

func (c *client) chance(stream string, permille uint64) bool {
	return permille > 0 && c.m.choose(stream, 1000) < permille
}

// turn is one acquire and what follows from it.
func (c *client) turn(ctx context.Context) {
	w := c.run.scenario.Workload
	i := int(c.m.choose("lock", uint64(len(c.run.locks))))
	o := subjects.Options{Try: c.chance("try", w.Try), NoRenewal: c.run.promises.RenewalOff && c.chance("abandon", w.Abandon)}
	lease, g := c.acquire(ctx, i, o)
	if lease == nil {
		return
	}
	hold := c.upTo("hold", w.HoldMax.D())
	if !o.NoRenewal && c.chance("die", w.Die) {
		c.holdAndDie(lease, g)
		return
	}
	if o.NoRenewal {
		hold = 3 * c.run.scenario.TTL.D() / 2
	}
	c.hold(lease, g, hold)
	if o.NoRenewal && c.m.choose("leave", 2) == 0 && c.believedOut(lease) {
		return // left to run out, never given back
	}
	c.release(ctx, lease, g)
}

// acquire asks for a lock, and records how that went.
func (c *client) acquire(ctx context.Context, i int, o subjects.Options) (subjects.Lease, *grant) {
	e := linearizability.Event{Client: c.index, Lock: c.run.locks[i], Op: linearizability.OpAcquire}
	c.mu.Lock()
	e.Process = c.process
	c.mu.Unlock()
	e.Phase, e.Try = linearizability.Invoke, o.Try
	c.record(e)
	e.Try = false

	ask, cancel := context.WithCancel(ctx)
	patience := func() {}
	if !o.Try && c.chance("give-up", c.run.scenario.Workload.GiveUp) {
		after := c.upTo("patience", 2*c.run.scenario.TTL.D())
		patience = c.rt.Go(func() {
			if c.rt.Sleep(ask, after) == nil {
				giveUp := e
				giveUp.Op, giveUp.Phase = linearizability.OpGiveUp, linearizability.Info
				c.record(giveUp)
				cancel()
			}
		})
	}
	lease, err := c.locker.Acquire(ask, c.run.locks[i], o)
	e.Renews = err == nil && !o.NoRenewal
	g := c.acquired(e, i, lease, err)
	cancel()
	patience()
	return lease, g
}

// acquired records the end of an acquire at once, before anything can wait.
func (c *client) acquired(e linearizability.Event, i int, lease subjects.Lease, err error) *grant {
	if err != nil {
		e.Phase = linearizability.Info
		var held *lock.HeldError
		switch {
		case errors.As(err, &held):
			e.Phase, e.Holder = linearizability.Fail, ownerIndex(held.Owner)+1
		case lock.Definite(err):
			e.Phase, e.Detail = linearizability.Fail, err.Error()
		default:
			e.Detail = err.Error()
		}
		c.record(e)
		if e.Phase == linearizability.Info {
			c.nextProcess()
		}
		return nil
	}
	return c.begin(e, i, lease)
}

func (c *client) nextProcess() {
	p := c.run.rec.newProcess()
	c.mu.Lock()
	c.process = p
	c.mu.Unlock()
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

// believedOut reports whether the holder does not believe in its lease any more.
func (c *client) believedOut(lease subjects.Lease) bool {
	if lease.Lost().Err() != nil {
		return true
	}
	until, bounded := lease.ValidUntil()
	return bounded && c.rt.Now() >= until
}

// hold keeps the lock for a while and uses the resource, as long as the holder
// believes in its lease.
func (c *client) hold(lease subjects.Lease, g *grant, d time.Duration) {
	every := c.run.scenario.Workload.EffectEvery.D()
	until := c.rt.Now() + d
	for c.rt.Now() < until && !c.believedOut(lease) {
		c.effect(lease, g)
		pause := min(every/2+c.upTo("effect", every), max(0, until-c.rt.Now()))
		if c.rt.Sleep(lease.Lost(), pause) != nil {
			return
		}
	}
}

// forever is longer than any run.
const forever = 1 << 61

// holdAndDie keeps the lock and crashes at a random moment, at any phase between
// two renewals: what a failover time is measured from.
func (c *client) holdAndDie(lease subjects.Lease, g *grant) {
	ttl := uint64(c.run.scenario.TTL)
	c.hold(lease, g, time.Duration(c.m.choose("die/after", ttl)))
	if c.believedOut(lease) {
		return
	}
	c.m.die(time.Duration(c.m.choose("die/for", 2*ttl)))
	_ = c.rt.Sleep(context.Background(), forever)
}

// effect reads the resource, stands still for a moment, and writes.
func (c *client) effect(lease subjects.Lease, g *grant) {
	var b base
	err := c.m.access(lease.Lost(), func() {
		g.follow()
		b = c.run.resource.read(g.lock, g.event)
	})
	if err != nil {
		return
	}
	if c.rt.Sleep(lease.Lost(), c.upTo("park", c.run.scenario.Workload.EffectEvery.D()/4)) != nil || c.believedOut(lease) {
		return
	}
	_ = c.m.access(lease.Lost(), func() {
		g.follow()
		c.run.resource.write(g.lock, g.event, b)
	})
}

// release gives the lock back. The belief ends at the invoke.
func (c *client) release(ctx context.Context, lease subjects.Lease, g *grant) {
	if !g.end(linearizability.OpRelease, linearizability.Invoke) {
		return
	}
	e := g.event
	e.Op = linearizability.OpRelease
	err := lease.Release(ctx)
	switch {
	case err == nil:
		e.Phase = linearizability.Ok
	case errors.Is(err, lock.ErrLost):
		e.Phase = linearizability.Fail
	default:
		e.Phase, e.Detail = linearizability.Info, err.Error()
	}
	c.record(e)
	c.mu.Lock()
	delete(c.grants, lease)
	c.mu.Unlock()
	if e.Phase == linearizability.Info {
		c.nextProcess()
	}
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
	if g == nil || c.dead || g.renewing == (phase == linearizability.Invoke) {
		return nil
	}
	g.renewing = phase == linearizability.Invoke
	e := g.event
	e.Op, e.Phase, e.Detail = linearizability.OpRenew, phase, detail
	c.run.rec.add(e)
	return g
}
