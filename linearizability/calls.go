package linearizability

import "slices"

// call is one operation from its invoke to its return.
type call struct {
	at, ret int32 // events; ret is -1 where it did not return
	gaveUp  int32 // the event by which its caller gave up an acquire, -1 if it did not
}

// closing is the last close of a client.
type closing struct {
	at      int32 // event, -1 if it closed nothing
	process int
}

// openCalls are the inspects and closes under way. There are few at a time.
type openCalls struct {
	events  []int32
	clients []int
}

func (o *openCalls) reset() { o.events, o.clients = o.events[:0], o.clients[:0] }

// crash forgets those of a client that died: nobody waits for them.
func (o *openCalls) crash(client int) {
	for k := len(o.clients) - 1; k >= 0; k-- {
		if o.clients[k] == client {
			o.remove(k)
		}
	}
}

func (o *openCalls) remove(k int) {
	o.events, o.clients = slices.Delete(o.events, k, k+1), slices.Delete(o.clients, k, k+1)
}

func (x *index) returned(at, ret, gaveUp int32) {
	x.calls = append(x.calls, call{at: at, ret: ret, gaveUp: gaveUp})
}

// giveUp notes that nobody wants the answer of an acquire any more. One that comes
// when the answer is there already is too late to mean anything.
func (x *index) giveUp(i int, e *Event, p *process) {
	lock := x.lockNamed(e.Lock)
	at := p.openOf(lock)
	if at >= 0 && p.open[at].gaveUp < 0 {
		p.open[at].gaveUp = int32(i)
	}
}

// gaveUpBy returns the event by which the caller of an acquire that ends with e had
// given it up, or -1: its own word, or the close of its client.
func (x *index) gaveUpBy(o *openAcquire, e *Event) int32 {
	if o.gaveUp >= 0 || e.Client >= len(x.closing) {
		return o.gaveUp
	}
	switch c := x.closing[e.Client]; {
	case c.at > o.at:
		return c.at
	case c.at >= 0 && c.process == e.Process:
		return o.at // asked for when its client was closed already
	}
	return -1
}

// ask notes an inspect or a close, which change nothing.
func (x *index) ask(i int, e *Event) error {
	k := slices.IndexFunc(x.open.events, func(at int32) bool {
		o := &x.h[at]
		return o.Op == e.Op && o.Process == e.Process && o.Lock == e.Lock
	})
	if e.Phase != Invoke {
		if k < 0 {
			return malformed(i, e, "process %d has no %v open", e.Process, e.Op)
		}
		call := x.open.events[k]
		x.returned(call, int32(i), -1)
		x.open.remove(k)
		if e.Holder > 0 {
			// It names a holder as a refused acquire does.
			l := &x.locks[x.lockNamed(e.Lock)]
			l.tries = append(l.tries, try{call: x.h[call].At, ret: e.At, answered: e.At, client: int32(e.Client),
				holder: int32(e.Holder) - 1, callAt: call, retAt: int32(i), failed: true, inspect: true})
		}
		return nil
	}
	if k >= 0 {
		return malformed(i, e, "process %d has %v open", e.Process, e.Op)
	}
	x.open.events, x.open.clients = append(x.open.events, int32(i)), append(x.open.clients, e.Client)
	if e.Op == OpClose {
		for len(x.closing) <= e.Client {
			x.closing = append(x.closing, closing{at: -1})
		}
		x.closing[e.Client] = closing{at: int32(i), process: e.Process}
		x.closeUntold(e)
	}
	return nil
}

// closeUntold notes of the leases that ended by their holder's own clock that the
// holder closed its client before it was told: then it need not be any more.
func (x *index) closeUntold(e *Event) {
	if e.Client >= len(x.untold) {
		return
	}
	for _, at := range x.untold[e.Client] {
		if g := &x.grants[at]; g.closed == unset {
			g.closed = e.At
		}
	}
	x.untold[e.Client] = x.untold[e.Client][:0]
}
