package linearizability

func (x *index) acquire(i int, e *Event, p *process) error {
	lock := x.lockNamed(e.Lock)
	at := p.openOf(lock)
	if e.Phase == Invoke {
		switch {
		case at >= 0:
			return malformed(i, e, "process %d has an acquire of lock %s open", e.Process, e.Lock)
		case p.ended:
			return malformed(i, e, "process %d ended with an info; the client goes on as a fresh one", e.Process)
		case x.releasing(int32(e.Client), e.Process, lock):
			return malformed(i, e, "process %d is releasing lock %s", e.Process, e.Lock)
		}
		p.opened(openAcquire{lock: lock, at: int32(i), gaveUp: -1})
		return nil
	}
	if at < 0 {
		return malformed(i, e, "process %d has no acquire of lock %s open", e.Process, e.Lock)
	}
	call := p.open[at].at
	x.returned(call, int32(i), x.gaveUpBy(&p.open[at], e))
	p.closed(at)
	invoke := &x.h[call]
	if invoke.Mode != e.Mode {
		return malformed(i, e, "mode %v, invoked as %v", e.Mode, invoke.Mode)
	}
	l := &x.locks[lock]
	t := try{call: invoke.At, ret: e.At, answered: e.At, client: int32(e.Client), holder: int32(e.Holder) - 1,
		callAt: call, retAt: int32(i), mode: e.Mode}
	switch e.Phase {
	case Ok:
		return x.granted(i, e, call, lock)
	case Fail:
		t.failed, t.held = true, e.Held || e.Holder > 0
		l.tries = append(l.tries, t)
	case Info:
		p.ended = true
		if e.Until > 0 && e.Until < invoke.At {
			return malformed(i, e, "until is before its invoke")
		}
		if e.Until >= 0 {
			t.until, t.ret = e.Until, never
			l.tries = append(l.tries, t)
		}
	}
	return nil
}

// releasing tells whether the process that made a grant of the lock is in the
// middle of giving it back. Only the client's live grants can be.
func (x *index) releasing(client int32, proc int, lock int32) bool {
	gs := x.locks[lock].grants
	for k := len(gs) - 1; k >= 0 && k >= len(gs)-8; k-- {
		g := &x.grants[gs[k]]
		if g.client == client && g.releasePhase == Invoke && x.h[g.releaseAt].Process == proc {
			return true
		}
	}
	return false
}

func (x *index) granted(i int, e *Event, call, lock int32) error {
	if _, known := x.byGrant.get(e.Grant); known {
		return malformed(i, e, "grant %d was made before", e.Grant)
	}
	invoke := x.h[call].At
	if e.Since != 0 && e.Since < invoke {
		return malformed(i, e, "since is before its invoke")
	}
	sent := max(invoke, e.Since)
	at := int32(len(x.grants))
	x.byGrant.put(e.Grant, at)
	x.grants = append(x.grants, grant{
		id: e.Grant, token: e.Token, invoke: invoke, sent: sent, ok: e.At, believes: e.At, beliefEnd: never, retaken: unset, tampered: unset,
		extended: sent, renewSent: unset, renewOpen: unset, renewFailCall: unset, renewFail: unset,
		release: unset, released: unset, expire: unset, lost: unset, crash: unset, closed: unset,
		client: int32(e.Client), lock: lock, invokeAt: call, okAt: int32(i), endAt: -1, renewedAt: -1,
		renewOpenAt: -1, renewFailedAt: -1, releaseAt: -1, mode: e.Mode, believingAt: int32(len(x.believing[e.Client])),
		renews: e.Renews,
	})
	x.locks[lock].grants = append(x.locks[lock].grants, at)
	x.believing[e.Client] = append(x.believing[e.Client], at)
	return nil
}

func (x *index) renew(i int, e *Event, g *grant) error {
	if e.Phase == Invoke {
		if g.renewOpen != unset {
			return malformed(i, e, "a renew of grant %d is open", g.id)
		}
		g.renewOpen, g.renewOpenAt, g.renewSent = e.At, int32(i), e.At
		return nil
	}
	if g.renewOpen == unset {
		return malformed(i, e, "no renew of grant %d is open", g.id)
	}
	call := g.renewOpen
	if e.Since != 0 && e.Since < call {
		return malformed(i, e, "since is before its invoke")
	}
	g.renewOpen = unset
	x.returned(g.renewOpenAt, int32(i), -1)
	switch e.Phase {
	case Ok:
		g.extended, g.renewedAt = max(g.extended, call, e.Since), int32(i)
	case Fail:
		x.reportedLost(i, e, g)
		// What a client says of a lease whose end it has reached by its own clock
		// is no answer of the lock.
		// One that may have been called before the grant was is worth less than the next.
		first := g.renewFail == unset || g.renewFailCall <= g.ok
		if first && g.expire == unset && e.At < g.extended+x.shortestBelief {
			g.renewFailCall, g.renewFail, g.renewFailedAt = call, e.At, int32(i)
		}
	}
	return nil
}

func (x *index) release(i int, e *Event, g *grant, p *process) error {
	if e.Phase == Invoke {
		switch {
		case g.releasePhase == Invoke:
			return malformed(i, e, "a release of grant %d is open", g.id)
		case g.releasePhase != PhaseInvalid:
			return malformed(i, e, "grant %d was released before", g.id)
		case p.openOf(g.lock) >= 0:
			return malformed(i, e, "process %d has an acquire of lock %s open", e.Process, e.Lock)
		}
		g.release, g.releaseAt, g.releasePhase = e.At, int32(i), Invoke
		x.stopBelieving(i, e, g)
		return nil
	}
	if g.releasePhase != Invoke {
		return malformed(i, e, "no release of grant %d is open", g.id)
	}
	if e.Until > 0 && e.Until < g.release {
		return malformed(i, e, "until is before its invoke")
	}
	g.released, g.releasePhase, g.releaseUntil = e.At, e.Phase, e.Until
	x.returned(g.releaseAt, int32(i), -1)
	if e.Phase == Info {
		p.ended = true
	}
	return nil
}

// expired notes the end of a lease by its holder's own clock. An answer that the
// client gave at that very moment may come from the clock too.
func (g *grant) expired(at int64) {
	if g.expire == unset {
		g.expire = at
	}
	if g.renewFail == at {
		g.renewFailCall, g.renewFail, g.renewFailedAt = unset, unset, -1
	}
}

func (x *index) stopBelieving(i int, e *Event, g *grant) {
	if g.beliefEnd != never {
		return
	}
	g.beliefEnd, g.endAt, g.endOp = e.At, int32(i), e.Op
	// The last one takes its place.
	live := x.believing[g.client]
	last := live[len(live)-1]
	live[g.believingAt] = last
	x.grants[last].believingAt = g.believingAt
	x.believing[g.client] = live[:len(live)-1]
}

// crash ends every belief of the client, all its processes and, without an answer,
// their open acquires. Nobody can be told of a loss after it.
func (x *index) crash(i int, e *Event) {
	if e.Client < len(x.untold) {
		for _, at := range x.untold[e.Client] {
			if g := &x.grants[at]; g.lost == unset && g.release == unset {
				g.crash = e.At
			}
		}
		x.untold[e.Client] = x.untold[e.Client][:0]
	}
	for _, at := range x.believing[e.Client] {
		g := &x.grants[at]
		g.beliefEnd, g.endAt, g.endOp, g.crash = e.At, int32(i), OpCrash, e.At
		x.crashes = append(x.crashes, crashEffect{event: int32(i), lock: g.lock, belief: true})
	}
	x.believing[e.Client] = x.believing[e.Client][:0]
	x.open.crash(e.Client)
	for len(x.crashed) <= e.Client {
		x.crashed = append(x.crashed, unset)
	}
	x.crashed[e.Client] = e.At
	for _, at := range x.living[e.Client] {
		p := &x.processes[at]
		p.crashed = true
		for _, o := range p.open {
			x.crashes = append(x.crashes, crashEffect{event: int32(i), lock: o.lock})
		}
		x.abandon(p, e.At)
	}
	x.living[e.Client] = x.living[e.Client][:0]
}

// finish leaves open what the history left open.
func (x *index) finish() {
	for i := range x.processes {
		p := &x.processes[i]
		for _, o := range p.open {
			x.returned(o.at, -1, x.gaveUpBy(&o, &x.h[o.at]))
		}
		x.abandon(p, x.end)
	}
	for i := range x.grants {
		g := &x.grants[i]
		// A release ends the renewals of its grant, and with them the need of an answer.
		if g.renewOpen != unset && g.releasePhase == PhaseInvalid && !x.died(&x.h[g.renewOpenAt]) {
			x.returned(g.renewOpenAt, -1, -1)
		}
		if g.releasePhase == Invoke && !x.died(&x.h[g.releaseAt]) {
			x.returned(g.releaseAt, -1, -1)
		}
	}
	for _, at := range x.open.events {
		x.returned(at, -1, -1)
	}
}

// died tells whether the client crashed after an event of its own.
func (x *index) died(e *Event) bool {
	return e.Client < len(x.crashed) && x.crashed[e.Client] >= e.At
}

// abandon turns the open acquires of a process, at a time at which nobody waits for
// their answers any more, into ones that may have happened.
func (x *index) abandon(p *process, at int64) {
	for _, o := range p.open {
		invoke := &x.h[o.at]
		l := &x.locks[o.lock]
		l.tries = append(l.tries, try{call: invoke.At, ret: never, answered: at, client: int32(invoke.Client), holder: -1,
			callAt: o.at, retAt: -1, mode: invoke.Mode})
	}
	p.open, p.many = p.open[:0], nil
}
