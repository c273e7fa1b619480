package harness

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// grant is one successful acquire, and the life of its client's belief in it.
//
// A belief ends at the earliest of: the end of validity on the client's clock,
// the invoke of a release, the notice of a loss, a crash. All of them meet here,
// and what is recorded is when each one came in true time, not when a goroutine
// got to run that noticed it. On a busy machine, or in a process that was stopped
// in between, that makes all the difference:
//
//	validity    |=================|
//	the alarm                     :         (late)        alarm
//	release                       :              release
//	recorded                    expire           release
//
// So whoever ends a belief, or acts on one, looks first: if the end of validity
// lies behind by then, it goes into the history at its own time.
//
// What is not known to the nanosecond is rounded against us: a belief begins no
// earlier and ends no later than it did.
type grant struct {
	c     *client
	lease subjects.Lease
	event linearizability.Event // client, process, lock, token and number
	lock  int
	// final: the lock promises that a belief that ended never comes back.
	final    bool
	requests *counter // of the acquire, and of the renewals after it
	// rearm, if set, is told the new end of a validity that came back.
	rearm func(until time.Duration)

	// The rest is guarded by c.mu.
	from    time.Duration // true time from which the belief is recorded
	until   time.Duration // the end of validity as last seen, on the client's clock
	bounded bool          // there is such an end
	seen    time.Duration // true time of the last look
	expired bool          // the belief has reached its end and not come back
	over    bool          // released, or told of the loss
	given   bool          // released, by its holder or by the close of its client
	left    bool          // its holder will not release it any more
	by      int           // the process that released it
	done    bool          // the release has returned
	untidy  bool          // the release cut a renewal short, or came too late: it may need more requests
	stop    func()        // takes back what follows the grant
	// renewing: a renewal was recorded as invoked and not yet as ended. renewals
	// are those under way, overlap that there was more than one at a time, and
	// before what the requests of the acquire came to when the first began, at begun.
	renewing bool
	renewals int
	overlap  bool
	before   int32
	begun    time.Duration
}

// glimpse is what a lease says of itself. It was asked at true time at or later.
type glimpse struct {
	at      time.Duration
	until   time.Duration
	bounded bool
	told    bool // of a loss
}

// look asks the lease. It must be called without c.mu: a lease may have a mutex
// of its own, which it may hold when it calls the observer.
//
// The time is read first. What the lease says then is as new as that or newer, so
// that an end that lies before it has surely passed without a renewal, and a
// notice that was not given yet was not given by then.
func (g *grant) look() glimpse {
	v := glimpse{at: g.c.run.rec.now()}
	v.until, v.bounded = g.lease.ValidUntil()
	lost := g.lease.Lost()
	v.told = lost.Err() != nil && !errors.Is(context.Cause(lost), lock.ErrReleased)
	return v
}

// follow records what has become of the belief until now, and reports whether it
// can still change.
func (g *grant) follow() bool {
	v := g.look()
	g.c.mu.Lock()
	if g.c.dead {
		g.c.mu.Unlock()
		return false
	}
	resumed := g.settle(v)
	live, until := !g.over, g.until
	g.c.mu.Unlock()
	if resumed && g.rearm != nil {
		g.rearm(until)
	}
	return live
}

// ahead returns the end of validity if it is still to come.
func (g *grant) ahead() (until time.Duration, ok bool) {
	g.c.mu.Lock()
	defer g.c.mu.Unlock()
	return g.until, g.bounded && !g.expired && !g.over && !g.c.dead
}

// settle brings the record up to what a look saw. It is called with c.mu held.
func (g *grant) settle(v glimpse) (resumed bool) {
	if g.over || v.at < g.seen {
		return false // a look that was overtaken by a later one
	}
	if v.bounded {
		resumed = g.validity(v)
	}
	if v.told {
		g.lose(g.c.m.surely(g.seen, v.at), v.at)
		g.over = true
		g.drop()
	}
	g.seen = v.at
	return resumed
}

// validity records the end of validity, and its return. A lease that was extended
// between two looks although its end lay between them too may have had a gap:
//
//	looks       |        seen                 now       |
//	validity    |==================|  ?    ?=================|
//
// A lock that promises that an end is final can only have extended it in time;
// for any other lock nobody surely believed in between.
func (g *grant) validity(v glimpse) (resumed bool) {
	before, was := g.until, g.bounded
	g.until, g.bounded = v.until, true
	end, ended := g.c.m.passed(v.until, v.at)
	switch {
	case ended:
		if !g.expired {
			g.expire(end)
		}
		return false
	case g.expired:
	case !was || g.final || v.until <= before:
		return false
	default:
		if end, ended = g.c.m.passed(before, v.at); !ended {
			return false
		}
		g.expire(end)
	}
	if v.told {
		return false
	}
	g.resume()
	return true
}

func (g *grant) expire(at time.Duration) {
	g.record(at, linearizability.OpExpire)
	g.expired = true
}

// resume is recorded now: the look that saw it began earlier, and the belief may
// have come back since.
func (g *grant) resume() {
	g.expired = false
	g.from = max(g.from, g.c.run.rec.now())
	g.record(g.from, linearizability.OpResume)
}

// record adds what happened to the belief, not before its beginning: an end that
// was reached on the way back from Acquire leaves nothing of it.
func (g *grant) record(at time.Duration, op linearizability.Op) {
	e := g.event
	e.Op, e.Phase = op, linearizability.Info
	g.c.run.rec.addAt(max(at, g.from), e)
}

// lose records that the holder was told of a loss between two times: it surely
// believed until the first, and had surely heard of it by the second.
func (g *grant) lose(since, at time.Duration) {
	since, at = max(since, g.from), max(at, g.from)
	e := g.event
	e.Op, e.Phase = linearizability.OpLost, linearizability.Info
	if since < at {
		e.Since = int64(since)
	}
	g.c.run.rec.addAt(at, e)
}

// end looks a last time and ends the belief by op, at the time of that look. It
// reports false where the process is dead and does nothing any more, and where the
// lock was given back before.
func (g *grant) end(op linearizability.Op, phase linearizability.Phase) bool {
	return g.endBy(g.event.Process, op, phase)
}

// endBy is end by another process of the client: one that closes it.
func (g *grant) endBy(process int, op linearizability.Op, phase linearizability.Phase) bool {
	v := g.look()
	g.c.mu.Lock()
	defer g.c.mu.Unlock()
	if g.c.dead || g.given {
		return false
	}
	g.settle(v)
	g.untidy = g.renewals > 0 || g.expired || g.over
	g.over, g.given = true, true
	if g.stop != nil {
		g.stop()
	}
	g.by = process
	e := g.event
	e.Process, e.Op, e.Phase = process, op, phase
	g.c.run.rec.addAt(max(v.at, g.from), e)
	return true
}

// begin records with e that an acquire was granted, and from then on what becomes of
// it.
func (a *asking) begin(e linearizability.Event, lease subjects.Lease) *grant {
	c := a.t.c
	e.Phase, e.Token, e.Grant = linearizability.Ok, lease.Token(), c.run.rec.newGrant()
	g := &grant{c: c, lease: lease, event: e, lock: a.lock, final: c.run.promises.EndIsFinal, requests: a.requests}
	g.event.Renews, g.event.Requests = false, 0
	c.mu.Lock()
	a.ended = true
	if !c.dead {
		g.from = c.run.rec.add(e)
		g.seen = g.from
		c.grants[lease] = g
	}
	closed := c.closed != a.closed
	c.mu.Unlock()
	if closed && g.end(linearizability.OpRelease, linearizability.Invoke) {
		// A close that came between the grant and this has given it back.
		g.returned(linearizability.Info, "by close", 0)
		return g
	}
	c.m.follow(g)
	return g
}

// crash records the end of the process, and before it whatever ended earlier.
// Nothing that its tasks do later counts.
func (c *client) crash() {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.dead = true
	at := c.run.rec.now()
	live, process := c.live(), c.tasks[0].process
	c.mu.Unlock()
	for _, g := range live { // nobody else settles them any more
		v := g.look()
		v.at = at
		c.mu.Lock()
		g.settle(v)
		c.mu.Unlock()
	}
	c.run.rec.addAt(at, linearizability.Event{Client: c.index, Process: process, Op: linearizability.OpCrash, Phase: linearizability.Info})
}

// live returns the grants that were not given back, the oldest first: a map has
// no order. It is called with c.mu held.
func (c *client) live() []*grant {
	return slices.SortedFunc(maps.Values(c.grants), func(a, b *grant) int {
		return cmp.Compare(a.event.Grant, b.event.Grant)
	})
}

// settleAll records what has become of every belief until now, without ending any.
func (c *client) settleAll() {
	c.mu.Lock()
	live := c.live()
	c.mu.Unlock()
	for _, g := range live {
		g.follow()
	}
}
