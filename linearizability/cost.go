package linearizability

import (
	"context"
	"fmt"
)

// requestBudget checks that calls which met no fault, from one lease after HealAt on,
// sent no more requests to the store than promised. An acquire that waits may cost Wait more for each grant and
// each acquire of others that it meets, and for each poll interval.
func (c *Checker) requestBudget(_ context.Context, p *Params) Property {
	x := &c.index
	if p.Promises.Requests == (RequestBudget{}) {
		return Property{Verdict: NotApplicable, Detail: "not promised: a call may send any number of requests"}
	}
	judged, count, worst := 0, 0, 0
	property, met := Property{}, int32(-1)
	for i := range x.calls {
		k := &x.calls[i]
		if k.ret < 0 || x.h[k.ret].Requests == 0 {
			continue
		}
		e, ret := &x.h[k.at], &x.h[k.ret]
		// What was under way when the faults were healed may still come, and meet the call.
		if e.At < int64(p.HealAt+p.TTL) || !x.undisturbed(int32(e.Client), e.At, ret.At) || e.Lock == "" || x.tamperedBy(e.Lock, ret.At) {
			continue
		}
		budget := 0
		switch e.Op {
		case OpAcquire:
			// One that ended without an outcome, as by a close, had a write to look after.
			if p.Promises.Requests.Acquire > 0 && ret.Phase != Info {
				if lock := x.byName[e.Lock]; lock != met {
					met = lock
					x.gather(&c.way, &x.locks[lock], &p.Promises)
				}
				budget = p.acquireBudget(ret.At-e.At, c.way.during(e.At, ret.At)-1)
			}
		case OpRenew:
			budget = p.Promises.Requests.Renew
		case OpRelease:
			budget = p.Promises.Requests.Release
		}
		if budget == 0 {
			continue
		}
		judged++
		over := int(ret.Requests) - budget
		if over <= 0 {
			continue
		}
		if count++; over > worst {
			worst = over
			property = Property{Verdict: Violation, Lock: e.Lock, At: ret.At, Events: rising([]int{int(k.at), int(k.ret)}),
				Detail: fmt.Sprintf("c%d's %v of lock %s from %s to %s met no fault and sent %s, where %d is the budget",
					e.Client, e.Op, e.Lock, seconds(e.At), seconds(ret.At), counted(int(ret.Requests), "request"), budget)}
		}
	}
	switch {
	case judged == 0:
		return Property{Verdict: NotApplicable, Detail: "no requests were counted for a call that met no fault"}
	case count == 0:
		return Property{Verdict: OK, Detail: counted(judged, "call") + " without a fault stayed within their budgets"}
	}
	if property.Count = count; count > 1 {
		property.Detail += fmt.Sprintf(" (the worst of %d)", count)
	}
	return property
}

// acquireBudget is for an acquire that took a time and met that many others.
func (p *Params) acquireBudget(took int64, others int) int {
	b := p.Promises.Requests
	if b.Wait == 0 && others > 0 {
		return 0 // one that may have waited is not bounded
	}
	polls := 0
	if p.PollEvery > 0 {
		polls = int(took / int64(p.PollEvery))
	}
	return b.Acquire + b.Wait*(others+polls)
}
