package linearizability

import (
	"context"
	"fmt"
)

// callReturns checks that no call goes on for longer than CallLimit once nothing
// keeps it: an acquire from when its caller gave it up, a release, a renewal and a
// close from their invoke. What a client or the host stood still does not count.
//
//	acquire |--------give-up - - - limit|          due by here
//	release |- - - limit|                          due by here
func (c *Checker) callReturns(_ context.Context, p *Params) Property {
	x := &c.index
	if p.Promises.CallLimit == 0 {
		return Property{Verdict: NotApplicable, Detail: "not promised: a call may go on for any time"}
	}
	limit := int64(p.Promises.CallLimit)
	w := worstCall{}
	for i := range x.calls {
		k := &x.calls[i]
		from, bounded := x.keptUntil(k)
		if !bounded {
			continue
		}
		until := x.end
		if k.ret >= 0 {
			until = x.h[k.ret].At
		}
		switch late := until - from - limit; {
		case late > 0:
			if due := x.due(int32(x.h[k.at].Client), from, limit); until > due {
				w.add(k, until-due, due)
				continue
			}
			fallthrough
		case k.ret >= 0:
			w.judged++
		default:
			w.open++ // the run ended before it was due
		}
	}
	if w.count > 0 {
		return x.callProperty(&w, p)
	}
	if w.judged == 0 {
		return Property{Verdict: NotApplicable, Detail: "no call was bounded, or the run ended before one was due"}
	}
	return Property{Verdict: OK, Detail: fmt.Sprintf("%s returned within %s", counted(w.judged, "call"), seconds(limit))}
}

// worstCall is the latest of those that were late.
type worstCall struct {
	judged, open, count int
	call                *call
	late, due           int64
}

func (w *worstCall) add(k *call, late, due int64) {
	w.count++
	if w.call == nil || late > w.late {
		w.call, w.late, w.due = k, late, due
	}
}

// keptUntil returns from when on nothing keeps a call.
func (x *index) keptUntil(k *call) (from int64, bounded bool) {
	switch e := &x.h[k.at]; e.Op {
	case OpAcquire:
		if k.gaveUp < 0 {
			return 0, false
		}
		return max(e.At, x.h[k.gaveUp].At), true
	case OpRelease, OpRenew, OpClose:
		return e.At, true
	}
	return 0, false
}

func (x *index) callProperty(w *worstCall, p *Params) Property {
	e := &x.h[w.call.at]
	from, _ := x.keptUntil(w.call)
	what := fmt.Sprintf("c%d's %v at %s", e.Client, e.Op, seconds(e.At))
	if e.Lock != "" {
		what = fmt.Sprintf("c%d's %v of lock %s at %s", e.Client, e.Op, e.Lock, seconds(e.At))
	}
	if e.Op == OpAcquire {
		what += ", given up at " + seconds(from) + ","
	}
	events, until := []int{int(w.call.at)}, x.end
	end := "had not returned when the run ended at " + seconds(x.end)
	if w.call.ret >= 0 {
		until = x.h[w.call.ret].At
		end = "returned at " + seconds(until)
		events = append(events, int(w.call.ret))
	}
	if w.call.gaveUp >= 0 && x.h[w.call.gaveUp].Lock == e.Lock {
		events = append(events, int(w.call.gaveUp))
	}
	detail := fmt.Sprintf("%s %s, %s after it was due: %s is the limit%s", what, end, seconds(w.late),
		seconds(int64(p.Promises.CallLimit)), x.stalledNote(from, until))
	if w.count > 1 {
		detail += fmt.Sprintf(" (the worst of %d)", w.count)
	}
	return Property{Verdict: Violation, Detail: detail, Lock: e.Lock, At: w.due, Count: w.count, Size: w.late, Events: rising(events)}
}
