package linearizability

import (
	"context"
	"fmt"
	"slices"
	"sort"
)

// inTheWay answers whether a lock may have been held, or was being asked for, at some
// time of an interval: it counts what it knows to lie around it.
type inTheWay struct {
	from, to []int64 // both sorted
}

func (w *inTheWay) reset() { w.from, w.to = w.from[:0], w.to[:0] }

func (w *inTheWay) add(from, to int64) {
	w.from, w.to = append(w.from, from), append(w.to, to)
}

func (w *inTheWay) sort() {
	slices.Sort(w.from)
	slices.Sort(w.to)
}

// during counts the intervals that share an instant with [from, to].
func (w *inTheWay) during(from, to int64) int {
	began := sort.Search(len(w.from), func(i int) bool { return w.from[i] > to })
	over := sort.Search(len(w.to), func(i int) bool { return w.to[i] >= from })
	return began - over
}

// freeGranted checks that a lock is not refused as held while nobody can have held it
// at any time of the call. Whoever asked for it meanwhile may have held it without
// knowing, and so may one that never got an answer.
//
//	c0  |--acquire--|=======|-release-|
//	c1                                   |-try: held-|   wrong
func (c *Checker) freeGranted(_ context.Context, p *Params) Property {
	x := &c.index
	switch {
	case !p.Promises.GrantsFree:
		return Property{Verdict: NotApplicable, Detail: "not promised: a free lock may be refused"}
	case p.Promises.Release == ReleaseProvesNothing:
		return Property{Verdict: NotApplicable, Detail: "not promised: a release proves nothing, so no lock is known to be free"}
	}
	refused, count := 0, 0
	property := Property{}
	for lock := range x.locks {
		l := &x.locks[lock]
		if !slices.ContainsFunc(l.tries, func(t try) bool { return t.held }) {
			continue
		}
		x.gather(&c.way, l, &p.Promises)
		for i := range l.tries {
			t := &l.tries[i]
			if !t.held {
				continue
			}
			refused++
			// The refused acquire itself is one of those under way.
			if c.way.during(t.call, t.ret) > 1 || x.tamperedBy(l.name, t.ret) {
				continue
			}
			if count == 0 {
				property = x.refusedProperty(l, t)
			}
			count++
		}
	}
	switch {
	case refused == 0:
		return Property{Verdict: NotApplicable, Detail: "no acquire was refused as held"}
	case count == 0:
		return Property{Verdict: OK, Detail: counted(refused, "refused acquire") + ": each time somebody may have held the lock"}
	}
	if property.Count = count; count > 1 {
		property.Detail += fmt.Sprintf(" (the first of %d)", count)
	}
	return property
}

// gather lists when a lock may have been held or was asked for.
func (x *index) gather(w *inTheWay, l *lockIndex, p *Promises) {
	w.reset()
	gone := x.writersAfter(l)
	for _, at := range l.grants {
		g := &x.grants[at]
		to := gone(g.ok)
		if g.releasePhase == Ok && g.retaken == unset && g.proof(p) >= ReleaseProvesGone {
			to = min(to, g.released)
		}
		w.add(g.invoke, max(to, g.ok))
	}
	for i := range l.tries {
		t := &l.tries[i]
		switch {
		case t.inspect:
		case t.failed:
			w.add(t.call, t.ret)
		case t.until > 0:
			w.add(t.call, max(gone(t.until), t.answered))
		default:
			w.add(t.call, never)
		}
	}
	w.sort()
}

// writersAfter returns, for a time, when an exclusive grant that was asked for after
// it was answered: who held the lock before has left it by then.
func (x *index) writersAfter(l *lockIndex) func(int64) int64 {
	var writers []*grant
	for _, at := range l.grants {
		if g := &x.grants[at]; g.mode == Exclusive {
			writers = append(writers, g)
		}
	}
	slices.SortFunc(writers, func(a, b *grant) int { return int(min(1, max(-1, a.sent-b.sent))) })
	first := make([]int64, len(writers)+1)
	first[len(writers)] = never
	for k := len(writers) - 1; k >= 0; k-- {
		first[k] = min(first[k+1], writers[k].ok)
	}
	return func(at int64) int64 {
		return first[sort.Search(len(writers), func(k int) bool { return writers[k].sent > at })]
	}
}

func (x *index) refusedProperty(l *lockIndex, t *try) Property {
	detail := fmt.Sprintf("c%d was refused lock %s between %s and %s as held", t.client, l.name, seconds(t.call), seconds(t.ret))
	if t.holder >= 0 {
		detail += fmt.Sprintf(" by c%d", t.holder)
	}
	events := []int{int(t.callAt), int(t.retAt)}
	var last *grant
	for _, at := range l.grants {
		if g := &x.grants[at]; g.ok <= t.call {
			last = g
		}
	}
	if last == nil {
		detail += ", which nobody had been granted yet"
	} else {
		detail += fmt.Sprintf(", which nobody can have held: c%d released it at %s (grant %d)", last.client, seconds(last.released), last.id)
		events = append(events, int(last.okAt), int(last.releaseAt))
	}
	return Property{Verdict: Violation, Detail: detail, Lock: l.name, At: t.ret, Size: t.ret - t.call, Events: rising(events)}
}
