package linearizability

import (
	"context"
	"fmt"
)

// earlyLoss is a loss that was reported while the lease can still have been in
// force, by its holder's clock and by the store.
type earlyLoss struct {
	at, grant int32
	// extended is when the last request that was known by then to have extended the
	// lease was sent.
	extended int64
}

// reportedLost notes that the lock told a holder that its lease is lost.
func (x *index) reportedLost(i int, e *Event, g *grant) {
	over := g.lost != unset || g.expire != unset || g.release != unset || g.crash != unset
	if over || x.keeps == 0 || e.At-g.extended >= x.keeps {
		return
	}
	at, _ := x.byGrant.get(g.id)
	x.early = append(x.early, earlyLoss{at: int32(i), grant: at, extended: g.extended})
}

// leaseKept checks that no lease is reported lost that is still in force: before its
// shortest time has passed since it was extended, with nobody else granted the lock
// and nobody else at its record.
//
//	extended                        shortest lease and belief
//	   |======================================|
//	                 lost?
func (c *Checker) leaseKept(_ context.Context, p *Params) Property {
	x := &c.index
	switch {
	case x.keeps == 0 && p.TTL == 0:
		return Property{Verdict: NotApplicable, Detail: "ttl not given"}
	case x.keeps == 0:
		return Property{Verdict: NotApplicable, Detail: "not promised: a lease may be lost at any time"}
	}
	count, first := 0, earlyLoss{}
	for _, l := range x.early {
		if x.lossExcused(l) {
			continue
		}
		if count == 0 {
			first = l
		}
		count++
	}
	if count == 0 {
		return Property{Verdict: OK, Detail: "no lease in force was reported lost in " + counted(len(x.grants), "grant")}
	}
	g, e := &x.grants[first.grant], &x.h[first.at]
	end := first.extended + x.keeps
	what := "was told that it is lost"
	if e.Op == OpRenew {
		what = "was refused its renewal"
	}
	detail := fmt.Sprintf("c%d held grant %d of lock %s, extended at %s, and %s at %s, with nobody else in the way: it was good to %s at the least",
		g.client, g.id, e.Lock, seconds(first.extended), what, seconds(e.At), seconds(end))
	if count > 1 {
		detail += fmt.Sprintf(" (the first of %d)", count)
	}
	events := []int{int(g.okAt), int(first.at)}
	if g.renewedAt >= 0 && g.renewedAt < first.at {
		events = append(events, int(g.renewedAt))
	}
	return Property{Verdict: Violation, Detail: detail, Lock: e.Lock, At: e.At, Count: count, Size: end - e.At, Events: rising(events)}
}

// lossExcused tells whether something else may have ended the lease: another grant,
// an acquire that may have been one, or somebody at the record. Whether that was right
// is for other properties.
func (x *index) lossExcused(loss earlyLoss) bool {
	g, at := &x.grants[loss.grant], x.h[loss.at].At
	l := &x.locks[g.lock]
	if g.loose || g.retaken != unset && g.retaken <= at {
		return true // what became of the client's other grant of the lock became of it
	}
	if t := l.tamperedFrom(g.sent); t != unset && t <= at {
		return true
	}
	for _, k := range l.grants {
		other := &x.grants[k]
		if k != loss.grant && other.ok >= g.sent && other.ok <= at && (g.mode == Exclusive || other.mode == Exclusive) {
			return true
		}
	}
	for i := range l.tries {
		t := &l.tries[i]
		if !t.failed && t.call <= at && (t.until == 0 || t.until >= g.sent) {
			return true
		}
	}
	return false
}
