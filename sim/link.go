package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
)

// link is the way between one node and the store, and what is wrong with it.
// Faults of one kind at the same time add up.
//
// A message is lost if its direction is cut when it is sent or when it would
// arrive. A message that arrives at a held link is kept, and delivered, in the
// order of arrival, in the instant the last hold ends. Requests overtake each
// other: each has its own latency.
//
// Round trips to the resource (Node.RoundTrip) share latency, jitter and hold,
// and nothing else: a holder that can reach the resource and not the store is
// what a lock must survive.
type link struct {
	w           *World
	faulty      bool // any of what follows is not zero
	by          [classes]troubles
	cutRequests int
	cutReplies  int
	holds       int
	held        []*event
}

// troubles are the faults that may concern one class of requests alone.
type troubles struct {
	extra, jitter                     int64
	loseRequest, loseReply, duplicate int64
}

// there draws how long the request of c takes to its destination.
func (l *link) there(c *call) time.Duration {
	table := l.w.config.Latency.Reads
	switch c.kind {
	case opCAS, opDelete, opPut, opRemove:
		table = l.w.config.Latency.Writes
	}
	if len(table) == 0 {
		return l.slowed(c, l.w.oneWay())
	}
	trip := l.w.roundTrip(table)
	c.wayBack, c.measured = trip-trip/2, true
	return l.slowed(c, trip/2)
}

// back draws how long the answer of c takes.
func (l *link) back(c *call) time.Duration {
	if c.measured {
		return l.slowed(c, c.wayBack)
	}
	return l.slowed(c, l.w.oneWay())
}

// slowed adds what faults do to a message of c that would take d.
func (l *link) slowed(c *call, d time.Duration) time.Duration {
	if l.faulty {
		t := &l.by[c.kind.class()]
		d += time.Duration(t.extra) + time.Duration(l.w.choose(l.w.jitter, uint64(t.jitter)+1))
	}
	d += c.kept
	c.kept = 0
	return d
}

func (w *World) oneWay() time.Duration {
	c := &w.config.Latency
	return c.Min + time.Duration(w.choose(w.latency, uint64(c.Max-c.Min)+1))
}

// roundTrip draws from a table of quantiles.
func (w *World) roundTrip(table []time.Duration) time.Duration {
	i := w.choose(w.latency, uint64(max(1, len(table)-1)))
	low, high := table[i], table[min(int(i)+1, len(table)-1)]
	return low + time.Duration(w.choose(w.latency, uint64(high-low)+1))
}

// perMille draws whether something of that probability happens.
func (w *World) perMille(s *stream, p int64) bool {
	return p > 0 && w.choose(s, 1000) < uint64(p)
}

// request sends the departing request of ev, which becomes its arrival.
func (l *link) request(ev *event) {
	w, c := l.w, ev.call
	if c.lost {
		c.lost = false
		w.lose(ev, &w.counters.LostRequests)
		return
	}
	if l.faulty && c.kind != opTrip {
		t := &l.by[c.kind.class()]
		if l.cutRequests > 0 || w.perMille(w.loss, t.loseRequest) {
			w.lose(ev, &w.counters.LostRequests)
			return
		}
		if w.perMille(w.duplicate, t.duplicate) {
			w.counters.Duplicates++
			twin := w.newEvent(evArrive, ev.node)
			twin.call = c
			c.refs++
			w.queue.push(w.now+l.there(c), twin)
		}
	}
	ev.kind = evArrive
	w.queue.push(w.now+l.there(c), ev)
}

// arrive takes a request off its link to where it is served.
func (w *World) arrive(ev *event) {
	l, c := &ev.node.link, ev.call
	if l.holds > 0 {
		l.hold(ev)
		return
	}
	if c.kind == opTrip {
		w.observe(c.f)
		l.reply(ev)
		return
	}
	if l.cutRequests > 0 {
		w.lose(ev, &w.counters.LostRequests)
		return
	}
	w.store.arrive(ev)
}

// reply sends the answer of ev's call on its way back.
func (l *link) reply(ev *event) {
	w, c := l.w, ev.call
	if c.lost || l.faulty && c.kind != opTrip && (l.cutReplies > 0 || w.perMille(w.loss, l.by[c.kind.class()].loseReply)) {
		c.lost = false
		w.lose(ev, &w.counters.LostReplies)
		return
	}
	ev.kind = evReply
	w.queue.push(w.now+l.back(ev.call), ev)
}

// deliver hands an arriving reply to the task that waits for it. If its node
// stands still, the task is ready, and runs when the node does.
func (l *link) deliver(ev *event) {
	w, c := l.w, ev.call
	if l.holds > 0 {
		l.hold(ev)
		return
	}
	if l.cutReplies > 0 && c.kind != opTrip {
		w.lose(ev, &w.counters.LostReplies)
		return
	}
	w.freeEvent(ev)
	if c.task != nil {
		c.node.reach(c, fault.Answered) // which may be its end
	}
	if c.task == nil {
		w.counters.LateReplies++
	} else {
		w.wake(c.task)
	}
	w.release(c)
}

func (l *link) hold(ev *event) {
	l.w.counters.HeldMessages++
	l.held = append(l.held, ev)
}

// unhold releases what was held, in order.
func (l *link) unhold() {
	if l.holds--; l.holds > 0 {
		return
	}
	for _, ev := range l.held {
		l.w.queue.push(l.w.now, ev)
	}
	l.held = l.held[:0]
}

func (w *World) lose(ev *event, count *uint64) {
	*count++
	if w.trace != nil {
		w.tracef("%s lost %s", ev.node, ev.call)
	}
	c := ev.call
	w.freeEvent(ev)
	w.retry(c)
	w.release(c)
}

// maxTries is how often an SDK sends a request that is not answered.
const maxTries = 3

// retry makes the client's SDK send again the request of a call of which a
// message was lost, if the store has such an SDK (StoreConfig.Retry) and the
// caller still waits. It gives the first try up: should that have been carried
// out, a write meets itself and ends in a conflict.
func (w *World) retry(c *call) {
	every, t := w.config.Store.Retry, c.task
	if every == 0 || c.kind == opTrip || c.tries+1 >= maxTries {
		return
	}
	if t == nil || t.call != c || t.state != taskBlocked {
		return // given up, or answered by a duplicate
	}
	w.counters.Retries++
	next := w.newCall(c.kind, c.key)
	w.lastCall++
	next.id, next.node, next.incarnation, next.tries = w.lastCall, c.node, c.incarnation, c.tries+1
	next.old, next.value = c.old, c.value
	next.task, next.refs = t, 2
	t.call, c.task = next, nil
	w.release(c) // the caller's
	ev := w.newEvent(evDepart, c.node)
	ev.call = next
	w.queue.push(max(w.now, c.departedAt+every)+w.departureDelay(), ev)
}

func (w *World) departureDelay() time.Duration {
	return 1 + time.Duration(w.choose(w.departure, uint64(w.config.Latency.Departure)))
}

// send gives c to the node's process to send, and blocks t until the answer is
// there or ctx has ended: then it returns nil, and c belongs to others. What it
// returns is the call that was answered, c itself or a later try of the SDK.
func (n *Node) send(ctx context.Context, t *task, c *call) *call {
	w := n.w
	w.lastCall++
	c.id, c.node, c.incarnation, c.task = w.lastCall, n, n.incarnation, t
	c.refs = 2 // the caller's and the message's
	ev := w.newEvent(evDepart, n)
	ev.call = c
	w.queue.push(w.now+w.departureDelay(), ev)
	t.call = c
	w.park(t, ctx)
	if t.ended {
		return nil
	}
	c = t.call
	t.call = nil
	return c
}

// depart is the moment a request leaves its process, if that still runs.
func (n *Node) depart(ev *event) {
	w, c := n.w, ev.call
	if len(n.aims) > 0 && n.stopped == 0 && !c.considered {
		c.considered = true
		n.reach(c, fault.Before)
	}
	switch {
	case c.incarnation != n.incarnation:
		w.lose(ev, &w.counters.Unsent)
	case n.stopped > 0:
		w.counters.HeldRequests++
		n.undeparted = append(n.undeparted, ev)
	default:
		c.departedAt = w.now
		n.reach(c, fault.Sent)
		n.link.request(ev)
	}
}

// RoundTrip sends a request to the resource that the lock protects, runs f there
// when it arrives, as an observer, and returns when the answer is back. Like a
// store call it is kept by a pause that begins before its departure, and once
// departed it arrives, whatever becomes of its sender; unlike one it is never
// lost. An error that wraps lock.ErrUnavailable means that ctx had ended before;
// any other that ctx ended meanwhile: f may have run, may run, or (after a
// crash) never will.
func (n *Node) RoundTrip(ctx context.Context, f func()) error {
	t := n.running(ctx, "RoundTrip")
	w := n.w
	if ctx.Err() != nil {
		return fmt.Errorf("sim: round trip not begun: %w: %w", lock.ErrUnavailable, lock.CauseOf(ctx))
	}
	w.counters.RoundTrips++
	c := w.newCall(opTrip, "")
	c.f = f
	if n.send(ctx, t, c) == nil {
		return &noAnswerError{kind: opTrip, cause: lock.CauseOf(ctx)}
	}
	w.release(c)
	return nil
}
