package harness

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/lockproof/lockproof/linearizability"
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
	answers  answers

	mu     sync.Mutex
	failed error // a subject that could not be made, or not made again
}

func newRun(s Scenario, subject subjects.Subject, now func() time.Duration) *run {
	r := &run{scenario: s, subject: subject, promises: s.promised(subject), rec: &recorder{now: now}}
	r.resource = newResource(s.Locks, r.rec)
	for i := range s.Locks {
		r.locks = append(r.locks, "lock-"+strconv.Itoa(i))
	}
	return r
}

// fail ends the run with an error. The first counts.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
}

func (r *run) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// loop takes turns until ctx ends or the runtime does.
func (t *task) loop(ctx context.Context) {
	c := t.c
	w := c.run.scenario.Workload
	for ctx.Err() == nil {
		if c.rt.Sleep(ctx, c.upTo("think", w.ThinkMax.D())) != nil {
			return
		}
		t.turn(ctx)
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

// turn is one acquire and what follows from it, or the end of the client.
func (t *task) turn(ctx context.Context) {
	c := t.c
	w := c.run.scenario.Workload
	if c.chance("close", w.Close) {
		t.close(ctx)
		return
	}
	i := int(c.m.choose("lock", uint64(len(c.run.locks))))
	if c.chance("inspect", w.Inspect) {
		t.inspect(ctx, i)
	}
	o := subjects.Options{Try: c.chance("try", w.Try), NoRenewal: c.run.promises.RenewalOff && c.chance("abandon", w.Abandon)}
	if !o.Try && !o.NoRenewal && c.chance("do", w.Do) && t.do(ctx, i) {
		return
	}
	g := t.acquire(ctx, i, o)
	if g == nil {
		return
	}
	hold := c.upTo("hold", w.HoldMax.D())
	if !o.NoRenewal && c.chance("die", w.Die) {
		t.holdAndDie(ctx, g)
		return
	}
	if o.NoRenewal {
		hold = 3 * c.run.scenario.TTL.D() / 2
	}
	t.hold(ctx, g, hold)
	if o.NoRenewal && c.m.choose("leave", 2) == 0 && g.believedOut() {
		g.leave() // to run out, never given back
		return
	}
	t.release(ctx, g)
}

// believedOut reports whether the holder does not believe in its lease any more.
func (g *grant) believedOut() bool {
	if g.lease.Lost().Err() != nil {
		return true
	}
	until, bounded := g.lease.ValidUntil()
	return bounded && g.c.rt.Now() >= until
}

// hold keeps the lock for a while and uses the resource, as long as the holder
// believes in its lease.
func (t *task) hold(ctx context.Context, g *grant, d time.Duration) {
	c := t.c
	w := c.run.scenario.Workload
	every := w.EffectEvery.D()
	until := c.rt.Now() + d
	for c.rt.Now() < until && !g.believedOut() {
		g.ask()
		c.effect(g)
		if c.chance("renew", w.Renew) {
			g.renew(ctx)
		}
		if g.lock+1 < len(c.run.locks) && c.chance("another", w.Another) {
			t.another(ctx, g)
		}
		pause := min(every/2+c.upTo("effect", every), max(0, until-c.rt.Now()))
		if c.rt.Sleep(g.lease.Lost(), pause) != nil {
			return
		}
	}
}

// another takes and uses one more lock while g is held. It is a later one, so that
// no two holders wait for each other, and it is not waited for without a limit.
func (t *task) another(ctx context.Context, g *grant) {
	c := t.c
	i := g.lock + 1 + int(c.m.choose("another/lock", uint64(len(c.run.locks)-g.lock-1)))
	h := t.acquire(ctx, i, subjects.Options{WaitLimit: c.upTo("another/wait", c.run.scenario.TTL.D())})
	if h == nil {
		return
	}
	t.hold(ctx, h, c.upTo("another/hold", c.run.scenario.TTL.D()/2))
	t.release(ctx, h)
}

// forever is longer than any run.
const forever = 1 << 61

// holdAndDie keeps the lock and crashes at a random moment, at any phase between
// two renewals: what a failover time is measured from.
func (t *task) holdAndDie(ctx context.Context, g *grant) {
	c := t.c
	ttl := uint64(c.run.scenario.TTL)
	t.hold(ctx, g, time.Duration(c.m.choose("die/after", ttl)))
	if g.believedOut() {
		g.leave()
		return
	}
	c.m.die(time.Duration(c.m.choose("die/for", 2*ttl)))
	_ = c.rt.Sleep(context.Background(), forever)
}

// effect reads the resource, stands still for a moment, and writes.
func (c *client) effect(g *grant) {
	var b base
	err := c.m.access(g.lease.Lost(), func() {
		g.follow()
		b = c.run.resource.read(g.lock, g.event)
	})
	if err != nil {
		return
	}
	if c.rt.Sleep(g.lease.Lost(), c.upTo("park", c.run.scenario.Workload.EffectEvery.D()/4)) != nil || g.believedOut() {
		return
	}
	g.ask()
	_ = c.m.access(g.lease.Lost(), func() {
		g.follow()
		c.run.resource.write(g.lock, g.event, b)
	})
}
