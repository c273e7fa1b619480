package linearizability

import (
	"context"
	"fmt"
)

// renewalInterval checks that a holder whose lease renews itself asks to renew it at
// least every RenewEvery, as long as it believes in it. A renewal under way counts as
// asking; what a client or the host stood still does not count.
//
//	ok   renew   renew
//	|-----|-|-----|-|----------------- expire
//	                 <-- too long --->
func (c *Checker) renewalInterval(_ context.Context, p *Params) Property {
	x := &c.index
	if p.Promises.RenewEvery == 0 {
		return Property{Verdict: NotApplicable, Detail: "not promised: a holder may renew its lease as rarely as it likes"}
	}
	r := renewals{x: x, every: int64(p.Promises.RenewEvery), last: c.ends[:0]}
	for i := range x.grants {
		r.last = append(r.last, x.grants[i].ok)
	}
	for i := range x.h {
		if e := &x.h[i]; e.Op == OpRenew {
			at, _ := x.byGrant.get(e.Grant)
			if e.Phase == Invoke {
				r.gap(at, e.At, i)
			}
			r.last[at] = e.At
		}
	}
	for i := range x.grants {
		g := &x.grants[i]
		if g.renewOpen == unset || g.renewOpen < g.ok {
			r.gap(int32(i), x.end, -1)
		}
	}
	c.ends = r.last
	switch {
	case r.judged == 0:
		return Property{Verdict: NotApplicable, Detail: "no lease that renews itself was held for so long that it was due"}
	case r.count == 0:
		return Property{Verdict: OK, Detail: fmt.Sprintf("no holder went without asking to renew for more than %s", seconds(r.every))}
	}
	return r.property()
}

// renewals follows when each grant was last renewed.
type renewals struct {
	x             *index
	every         int64
	last          []int64 // of each grant: when it was last asked for, or answered
	judged, count int
	grant         int32
	from, to, due int64
	next          int
}

// gap judges the time from a grant's last renewal to the next, which event i invokes,
// or to the end of its belief.
func (r *renewals) gap(at int32, now int64, i int) {
	g := &r.x.grants[at]
	from, to := max(r.last[at], g.believes), min(now, g.beliefEnd)
	if !g.renews || to-from <= 0 {
		return
	}
	r.judged++
	if to-from <= r.every {
		return
	}
	due := r.x.due(g.client, from, r.every)
	if to <= due {
		return
	}
	if r.count++; r.count == 1 || to-due > r.to-r.due {
		r.grant, r.from, r.to, r.due, r.next = at, from, to, due, i
	}
}

func (r *renewals) property() Property {
	x := r.x
	g := &x.grants[r.grant]
	events := []int{int(g.okAt)}
	end := "and believed in it to " + seconds(r.to)
	switch {
	case r.next >= 0 && x.h[r.next].At == r.to:
		end = "and asked to renew it at " + seconds(r.to)
		events = append(events, r.next)
	case g.endAt >= 0:
		events = append(events, int(g.endAt))
	}
	detail := fmt.Sprintf("c%d held grant %d of lock %s, was last granted or renewed at %s, %s: %s without a renewal, where %s is the longest%s",
		g.client, g.id, x.locks[g.lock].name, seconds(r.from), end, seconds(r.to-r.from), seconds(r.every), x.stalledNote(r.from, r.to))
	if r.count > 1 {
		detail += fmt.Sprintf(" (the worst of %d)", r.count)
	}
	return Property{Verdict: Violation, Detail: detail, Lock: x.locks[g.lock].name, At: r.due, Count: r.count,
		Size: r.to - r.due, Events: rising(events)}
}
