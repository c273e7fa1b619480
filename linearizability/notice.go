package linearizability

import (
	"context"
	"fmt"
)

// notices sums up who was told what.
type notices struct {
	due, open, late int
	worst, taker    *grant
	worstSize       int64
	worstDeadline   int64
}

// lossNotice checks that a holder is told of its loss no later than NoticeSlack
// after the end of its lease by its own clock or, where it has none, after
// another was granted the lock. A client that stands still cannot be told
// anything: such time does not count. Whoever released, closed its client or died
// need not be told.
//
//	expire         deadline
//	  |--slack-----|              running
//	  |--[ paused ]--slack-----|  paused in between
func (c *Checker) lossNotice(_ context.Context, p *Params) Property {
	x := &c.index
	if !p.Promises.LossNotice {
		return Property{Verdict: NotApplicable, Detail: "not promised: a holder may learn of its loss late, or never"}
	}
	if p.NoticeSlack == 0 {
		return Property{Verdict: NotApplicable, Detail: "notice_slack not given"}
	}
	n := notices{}
	for i := range x.locks {
		grants := x.locks[i].grants
		var next, nextExclusive *grant
		for k := len(grants) - 1; k >= 0; k-- {
			g := &x.grants[grants[k]]
			rival := next
			if g.mode == Shared {
				rival = nextExclusive
			}
			if loss, taker := g.loss(rival); loss != unset {
				n.judge(x, g, taker, x.due(g.client, loss, int64(p.NoticeSlack)))
			}
			next = g
			if g.mode == Exclusive {
				nextExclusive = g
			}
		}
	}
	if n.late == 0 {
		detail := fmt.Sprintf("losses told in time: %d", n.due)
		if n.open > 0 {
			detail += fmt.Sprintf("; the run ended before %d more were due", n.open)
		}
		return Property{Verdict: OK, Detail: detail}
	}
	return n.property(x)
}

// loss returns when g was lost while its holder still was to be told, or unset:
// the end of its validity or, without one, when its rival, the next grant that it
// cannot stand beside, took it over.
func (g *grant) loss(rival *grant) (at int64, taker *grant) {
	at = g.expire
	if rival != nil && (rival.again && rival.client == g.client || g.tampered != unset && g.tampered <= rival.ok) {
		// It took its own lease again; or somebody else let the rival in, of which the
		// holder hears when it renews.
		rival = nil
	}
	if at == unset && rival != nil {
		at, taker = rival.ok, rival
	}
	for _, over := range []int64{g.release, g.crash, g.lost} {
		if over != unset && over <= at {
			return unset, nil
		}
	}
	return at, taker
}

func (n *notices) judge(x *index, g, taker *grant, deadline int64) {
	told := earliest(g.lost, g.release, g.crash, g.closed)
	switch {
	case told != unset && told <= deadline:
		n.due++
		return
	case told == unset && deadline >= x.end:
		n.open++
		return
	}
	n.late++
	size := x.end - deadline
	if told != unset {
		size = told - deadline
	}
	if n.worst == nil || size > n.worstSize {
		n.worst, n.taker, n.worstSize, n.worstDeadline = g, taker, size, deadline
	}
}

func (n *notices) property(x *index) Property {
	g := n.worst
	why := "its lease ended by its own clock at " + seconds(g.expire)
	if n.taker != nil {
		why = fmt.Sprintf("c%d was granted the lock at %s (grant %d)", n.taker.client, seconds(n.taker.ok), n.taker.id)
	}
	told := "was never told"
	if g.lost != unset {
		told = fmt.Sprintf("was told at %s, %s late", seconds(g.lost), seconds(g.lost-n.worstDeadline))
	}
	detail := fmt.Sprintf("c%d held grant %d of lock %s; %s, it was to be told by %s and %s",
		g.client, g.id, x.locks[g.lock].name, why, seconds(n.worstDeadline), told)
	if n.late > 1 {
		detail += fmt.Sprintf(" (the worst of %d)", n.late)
	}
	events := []int{int(g.okAt)}
	if g.endAt >= 0 {
		events = append(events, int(g.endAt))
	}
	return Property{Verdict: Violation, Detail: detail, Lock: x.locks[g.lock].name, At: n.worstDeadline,
		Count: n.late, Size: n.worstSize, Events: rising(events)}
}

// running returns when the client has run for d from a time on, given all
// intervals in which clients or the host stood still, sorted by start.
func running(faulty []Interval, client int, from, d int64) int64 {
	end := from + d
	for _, f := range faulty {
		if f.Client != client && f.Client != everyClient || int64(f.To) <= from {
			continue
		}
		if int64(f.From) > end {
			break
		}
		end += int64(f.To) - max(int64(f.From), from)
		from = int64(f.To)
	}
	return end
}

// earliest returns the first of the times that are set.
func earliest(times ...int64) int64 {
	first := unset
	for _, t := range times {
		if t != unset && (first == unset || t < first) {
			first = t
		}
	}
	return first
}
