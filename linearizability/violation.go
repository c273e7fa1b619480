package linearizability

import "fmt"

// violation puts into words what porcupine found to be impossible.
func (x *index) violation(part *lockPart, lock int32, f fault, c chosen, p *Params) Property {
	property := Property{Verdict: Violation, Lock: x.locks[lock].name}
	if f.why == namedWrongly {
		return x.namedProperty(property, part, lock, f)
	}
	if len(part.holds) == 0 || f.at >= len(part.holds) {
		property.Detail = "no order of the answers of lock " + property.Lock + " is that of one lock"
		return property
	}
	g := &x.grants[part.holds[f.at].grant]
	property.At = g.ok
	events := []int{int(g.invokeAt), int(g.okAt)}
	var blocker *grant
	if f.blocker >= 0 {
		blocker = &x.grants[part.holds[f.blocker].grant]
		events = append(events, int(blocker.invokeAt), int(blocker.okAt))
		if blocker.renewedAt >= 0 {
			events = append(events, int(blocker.renewedAt))
		}
		if blocker.releaseAt >= 0 {
			events = append(events, int(blocker.releaseAt))
		}
	}
	who := fmt.Sprintf("c%d was granted lock %s%s at %s (grant %d)", g.client, property.Lock, modeNote(g.mode), seconds(g.ok), g.id)
	switch {
	case f.why == takenTooEarly && blocker != nil && g.token != 0 && g.token <= blocker.token && part.tokens,
		f.why == tokenNotAbove && blocker != nil:
		property.Detail = fmt.Sprintf("%s with token %d, and c%d with token %d at %s (grant %d): no order has both",
			who, g.token, blocker.client, blocker.token, seconds(blocker.ok), blocker.id)
	case f.why == tokenNotAbove:
		property.Detail = fmt.Sprintf("%s with token %d, where token %d had been given out before", who, g.token, part.before.any)
	case f.why == takenTooEarly && blocker != nil:
		property.Detail = fmt.Sprintf("%s, but c%d's grant %d was in force: %s", who, blocker.client, blocker.id, blocker.forceUntil(p))
		property.Size = max(0, part.holds[f.blocker].endLo-g.ok)
	case f.why == endedTooEarly:
		property.Detail = fmt.Sprintf("%s, and the answers about that grant contradict each other: %s", who, g.contradiction(x))
		for _, at := range []int32{g.renewedAt, g.renewFailedAt, g.releaseAt} {
			if at >= 0 {
				events = append(events, int(at))
			}
		}
	default:
		property.Detail = who + ", and no order of the answers around it is that of one lock"
	}
	property.Detail += fmt.Sprintf(" (no order of the %s around it exists)", counted(len(c.holds)+len(c.named), "answer"))
	property.Events = rising(events)
	return property
}

// forceUntil says why a grant was still in force.
func (g *grant) forceUntil(p *Params) string {
	switch {
	case g.releasePhase == Ok && g.proof(&p.Promises) != ReleaseProvesNothing:
		return "it was released at " + seconds(g.release)
	case g.releasePhase != PhaseInvalid && g.releasePhase != Fail:
		return "it may have been released from " + seconds(g.release) + " on"
	}
	if g.expiry >= never {
		return "it was not released"
	}
	what := "requested"
	if g.renewedAt >= 0 {
		what = "last renewed"
	}
	return fmt.Sprintf("%s at %s, it could not end before %s", what, seconds(g.extended), seconds(g.expiry))
}

// contradiction says which answers about one grant do not fit together.
func (g *grant) contradiction(x *index) string {
	switch {
	case g.renewFail != unset && g.renewedAt >= 0 && x.h[g.renewedAt].At > g.renewFail:
		return fmt.Sprintf("a renew at %s said that it was lost, and one at %s was ok", seconds(g.renewFail), seconds(x.h[g.renewedAt].At))
	case g.renewFail != unset && g.releasePhase == Ok:
		return fmt.Sprintf("a renew at %s said that it was lost, and its release at %s was ok", seconds(g.renewFail), seconds(g.released))
	case g.renewFail != unset:
		return fmt.Sprintf("a renew at %s said that it was lost before it can have ended", seconds(g.renewFail))
	case g.releasePhase == Ok && g.extended > g.released:
		return fmt.Sprintf("it was released at %s, and renewed at %s", seconds(g.released), seconds(g.extended))
	case g.releasePhase == Ok:
		return fmt.Sprintf("its release at %s was ok, when it can no longer have been held", seconds(g.released))
	case g.releasePhase == Fail:
		return fmt.Sprintf("its release at %s said that it was gone, and a renew sent at %s was ok", seconds(g.released), seconds(g.extended))
	}
	return "it can no longer have been held when an answer says that it was"
}

func (x *index) namedProperty(property Property, part *lockPart, lock int32, f fault) Property {
	n := &part.named[f.naming]
	t := &x.locks[lock].tries[n.at]
	property.At = t.ret
	property.Detail = fmt.Sprintf("c%d was told between %s and %s that c%d holds lock %s, which it cannot have held then",
		t.client, seconds(t.call), seconds(t.ret), n.client, property.Lock)
	events := []int{int(t.callAt), int(t.retAt)}
	// What the named client had last is what a reader wants to see.
	grants := x.locks[lock].grants
	for i := len(grants) - 1; i >= 0; i-- {
		g := &x.grants[grants[i]]
		if g.client != n.client || g.ok > t.ret {
			continue
		}
		events = append(events, int(g.okAt))
		if g.releaseAt >= 0 {
			events = append(events, int(g.releaseAt))
			property.Detail += fmt.Sprintf(": it released grant %d at %s", g.id, seconds(g.release))
		}
		break
	}
	property.Events = rising(events)
	return property
}
