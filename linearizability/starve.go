package linearizability

import (
	"context"
	"fmt"
	"sort"
)

// starvation checks that nobody waits through more than WaitGrants grants of a lock to
// others once the faults are healed.
func (c *Checker) starvation(_ context.Context, p *Params) Property {
	x := &c.index
	most := p.Promises.WaitGrants
	if most == 0 {
		return Property{Verdict: NotApplicable, Detail: "not promised: a client may wait for any number of grants to others"}
	}
	judged, count, worst := 0, 0, 0
	var worstCall *call
	for i := range x.calls {
		k := &x.calls[i]
		e := &x.h[k.at]
		if e.Op != OpAcquire || e.Try {
			continue
		}
		from, to := max(e.At, int64(p.HealAt)), x.end
		if k.ret >= 0 {
			to = x.h[k.ret].At
		}
		if k.gaveUp >= 0 {
			to = min(to, x.h[k.gaveUp].At)
		}
		if to <= from {
			continue
		}
		judged++
		if n := x.grantsToOthers(e, from, to, most); n > most {
			count++
			if n > worst {
				worst, worstCall = n, k
			}
		}
	}
	switch {
	case judged == 0:
		return Property{Verdict: NotApplicable, Detail: "nobody waited after " + seconds(int64(p.HealAt))}
	case count == 0:
		return Property{Verdict: OK, Detail: fmt.Sprintf("nobody waited through more than %s to others", counted(most, "grant"))}
	}
	e := &x.h[worstCall.at]
	from, to, end := max(e.At, int64(p.HealAt)), x.end, "to the end of the run"
	events := []int{int(worstCall.at)}
	if worstCall.ret >= 0 {
		to = x.h[worstCall.ret].At
		end = "to " + seconds(to)
		events = append(events, int(worstCall.ret))
	}
	detail := fmt.Sprintf("c%d waited for lock %s from %s %s, through %s to others, where %d is the bound",
		e.Client, e.Lock, seconds(from), end, counted(worst, "grant"), most)
	if count > 1 {
		detail += fmt.Sprintf(" (the worst of %d)", count)
	}
	return Property{Verdict: Violation, Detail: detail, Lock: e.Lock, At: from, Count: count, Size: to - from, Events: rising(events)}
}

// grantsToOthers counts the grants of e's lock, to clients other than e's, that were
// answered from one time to another. It counts closely only where there are more than
// most grants at all.
func (x *index) grantsToOthers(e *Event, from, to int64, most int) int {
	lo, hi := x.grantsIn(e.Lock, from, to)
	if hi-lo <= most {
		return hi - lo
	}
	n := 0
	for _, at := range x.locks[x.byName[e.Lock]].grants[lo:hi] {
		if int(x.grants[at].client) != e.Client {
			n++
		}
	}
	return n
}

// grantsIn returns which grants of a lock, by position, were answered in a time.
func (x *index) grantsIn(lock string, from, to int64) (lo, hi int) {
	grants := x.locks[x.byName[lock]].grants
	lo = sort.Search(len(grants), func(i int) bool { return x.grants[grants[i]].ok > from })
	hi = sort.Search(len(grants), func(i int) bool { return x.grants[grants[i]].ok >= to })
	return lo, max(lo, hi)
}
