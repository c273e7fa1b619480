package linearizability

import (
	"context"
	"fmt"
)

// endIsFinal checks that no belief comes back once it has ended.
func (c *Checker) endIsFinal(_ context.Context, p *Params) Property {
	x := &c.index
	if !p.Promises.EndIsFinal {
		return Property{Verdict: NotApplicable, Detail: "not promised: a holder may go on where its lease is unbroken"}
	}
	if len(x.beliefs) == 0 {
		return Property{Verdict: OK, Detail: "no belief that had ended came back"}
	}
	first := &x.beliefs[0]
	g := &x.grants[first.grant]
	resumed := x.h[first.resumeAt].At
	detail := fmt.Sprintf("c%d's belief in grant %d of lock %s ended by its own clock at %s, and came back at %s",
		g.client, g.id, x.locks[g.lock].name, seconds(first.to), seconds(resumed))
	if len(x.beliefs) > 1 {
		detail += fmt.Sprintf(" (the first of %d)", len(x.beliefs))
	}
	return Property{Verdict: Violation, Detail: detail, Lock: x.locks[g.lock].name, At: resumed, Count: len(x.beliefs),
		Size: resumed - first.to, Events: rising([]int{int(g.okAt), int(first.endAt), int(first.resumeAt)})}
}
