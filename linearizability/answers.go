package linearizability

import (
	"context"
	"fmt"
	"slices"
)

// validAnswers compares what leases say of themselves with the belief of their
// holders: one that is over is not valid, one that is believed in is. A holder that
// has just been told may not have written it down, for which it has NoticeSlack.
//
//	belief  |==================|
//	ask          no (wrong)        yes (wrong)
func (c *Checker) validAnswers(_ context.Context, p *Params) Property {
	x := &c.index
	asked, count := 0, 0
	property := Property{}
	for i := range x.h {
		e := &x.h[i]
		if e.Op != OpAsk {
			continue
		}
		asked++
		at, _ := x.byGrant.get(e.Grant)
		g := &x.grants[at]
		since := e.At
		if e.Since != 0 {
			since = e.Since
		}
		wrong := property
		if e.Value > 0 {
			wrong = x.validAfterEnd(i, at, g, since)
		} else {
			wrong = x.invalidWithin(i, at, g, since, int64(p.NoticeSlack))
		}
		if wrong.Verdict != Violation {
			continue
		}
		if count == 0 {
			property = wrong
		}
		count++
	}
	switch {
	case asked == 0:
		return Property{Verdict: NotApplicable, Detail: "no lease was asked whether it is valid"}
	case count == 0:
		return Property{Verdict: OK, Detail: counted(asked, "answer") + " of leases fitted what their holders believed"}
	}
	if property.Count = count; count > 1 {
		property.Detail += fmt.Sprintf(" (the first of %d)", count)
	}
	return property
}

// validAfterEnd judges the answer of event i, asked for since a time, that a lease is
// valid. A release ends it when it has returned.
func (x *index) validAfterEnd(i int, at int32, g *grant, since int64) Property {
	end, endAt := g.beliefEnd, g.endAt
	if g.endOp == OpRelease {
		if end = never; g.releasePhase != Invoke {
			end = g.released
		}
	}
	if since < g.believes { // asked before it came back, or before it ended first
		for _, b := range x.beliefs {
			if b.grant == at && b.to < since && x.h[b.resumeAt].At > x.h[i].At {
				end, endAt = b.to, b.endAt
			}
		}
	}
	if end >= since {
		return Property{}
	}
	e := &x.h[i]
	detail := fmt.Sprintf("c%d's lease of grant %d of lock %s said at %s that it is valid for %s, but it ended at %s (%s)",
		g.client, g.id, e.Lock, seconds(e.At), seconds(e.Value), seconds(end), endWords(x.h[endAt].Op))
	return Property{Verdict: Violation, Detail: detail, Lock: e.Lock, At: e.At, Size: since - end,
		Events: rising([]int{int(g.okAt), int(endAt), i})}
}

func endWords(o Op) string {
	switch o {
	case OpExpire:
		return "its holder's own clock"
	case OpLost:
		return "its holder was told of the loss"
	case OpRelease:
		return "released"
	}
	return o.String()
}

// invalidWithin judges the answer that a lease is not valid, against the beliefs that
// went on for longer than slack after it.
func (x *index) invalidWithin(i int, at int32, g *grant, since, slack int64) Property {
	e := &x.h[i]
	within := func(from, to int64) bool {
		return from <= since && e.At < to && x.due(g.client, e.At, slack) < min(to, x.end)
	}
	believed := within(g.believes, g.beliefEnd) ||
		slices.ContainsFunc(x.beliefs, func(b belief) bool { return b.grant == at && within(b.from, b.to) })
	if !believed {
		return Property{}
	}
	until := "to the end of the run"
	events := []int{int(g.okAt), i}
	if g.endAt >= 0 {
		until = "to " + seconds(g.beliefEnd)
		events = append(events, int(g.endAt))
	}
	detail := fmt.Sprintf("c%d's lease of grant %d of lock %s said at %s that it is not valid, but its holder believed in it %s",
		g.client, g.id, e.Lock, seconds(e.At), until)
	return Property{Verdict: Violation, Detail: detail, Lock: e.Lock, At: e.At,
		Size: min(g.beliefEnd, x.end) - e.At, Events: rising(events)}
}
