package linearizability

import (
	"context"
	"fmt"
)

// acquirePersists checks that an acquire that waits goes on until it is granted or
// its caller gives it up: neither a failing store nor a lost reply ends it. A store that
// refuses a request for good does.
func (c *Checker) acquirePersists(_ context.Context, p *Params) Property {
	x := &c.index
	if !p.Promises.KeepsTrying {
		return Property{Verdict: NotApplicable, Detail: "not promised: a waiting acquire may fail"}
	}
	judged, count := 0, 0
	var first *call
	for i := range x.calls {
		k := &x.calls[i]
		e := &x.h[k.at]
		if e.Op != OpAcquire || e.Try || k.ret < 0 {
			continue
		}
		if x.h[k.ret].Phase == Ok || x.h[k.ret].Refused || k.gaveUp >= 0 || x.tamperedBy(e.Lock, x.h[k.ret].At) {
			judged++
			continue
		}
		if count == 0 {
			first = k
		}
		count++
	}
	switch {
	case count > 0:
		e, ret := &x.h[first.at], &x.h[first.ret]
		detail := fmt.Sprintf("c%d waited for lock %s from %s on and did not give up, yet its acquire ended at %s%s",
			e.Client, e.Lock, seconds(e.At), seconds(ret.At), quoted(ret.Detail))
		if count > 1 {
			detail += fmt.Sprintf(" (the first of %d)", count)
		}
		return Property{Verdict: Violation, Detail: detail, Lock: e.Lock, At: ret.At, Count: count,
			Size: ret.At - e.At, Events: rising([]int{int(first.at), int(first.ret)})}
	case judged == 0:
		return Property{Verdict: NotApplicable, Detail: "no acquire waited"}
	}
	return Property{Verdict: OK, Detail: counted(judged, "waiting acquire") + " ended with a grant or with their callers' patience"}
}

// tamperedBy tells whether somebody else touched a lock's record up to a time: what
// is not the lock's own may be an error to it.
func (x *index) tamperedBy(lock string, at int64) bool {
	l := &x.locks[x.byName[lock]]
	return len(l.tampered) > 0 && l.tampered[0] <= at
}

// quoted is an event's detail as the end of a sentence.
func quoted(detail string) string {
	if detail == "" {
		return ""
	}
	return ": " + detail
}
