package linearizability

import (
	"context"
	"fmt"
)

// stall follows one lock after the faults were healed: how long one client has
// wanted it while nobody believed in a grant of it.
//
//	c0 |====|                     believes
//	c1    |------------------ok   wants
//	        |<---- stall ---->|
//
// It is one client's demand that counts, for only one that goes on looking can
// know that a dead holder is dead. A client that is refused at once and tries
// again goes on looking, unless half a bound lies between two tries.
type stall struct {
	believers int
	// free is since when nobody believes, freeAt the event that made it so.
	free    int64
	freeAt  int
	granted bool // a wanted grant was seen after the healing
	wanted  bool
}

// demand is one client's of one lock: open acquires, since when, and since when there
// is none.
type demand struct {
	open       int
	from, idle int64
	fromAt     int
	lock       int32
	crashes    int32 // of the client, when it began
}

// longStall is a witness.
type longStall struct {
	lock     int32
	from, to int64
	events   []int
}

// watch is the state of the liveness checker.
type watch struct {
	x           *index
	heal, bound int64
	stalls      []stall // by lock
	demands     []demand
	byPair      map[[2]int32]int32 // finds a demand by lock and client
	crashes     []int32            // by client
}

// liveness checks that no lock stalls for longer than the bound after HealAt. Time in
// which the host stood still does not count.
func (c *Checker) liveness(_ context.Context, p *Params) Property {
	bound := p.livenessBound()
	if bound == 0 {
		return Property{Verdict: NotApplicable, Detail: "no ttl and bound to measure by"}
	}
	x := &c.index
	w := watch{x: x, heal: int64(p.HealAt), bound: bound, stalls: make([]stall, len(x.locks)),
		byPair: map[[2]int32]int32{}}
	crashes := x.crashes
	for i := range x.h {
		e := &x.h[i]
		switch e.Op {
		case OpRead, OpWrite, OpRenew, OpGiveUp, OpAsk, OpInspect, OpTamper, OpClose:
			continue
		case OpCrash:
			for ; len(crashes) > 0 && crashes[0].event == int32(i); crashes = crashes[1:] {
				if crashes[0].belief {
					w.stalls[crashes[0].lock].disbelieve(i, e.At)
				} else {
					w.demand(crashes[0].lock, e.Client).stop(e.At)
				}
			}
			w.crashed(e.Client)
			continue
		}
		if found := w.advance(i, e); found != nil {
			return w.property(found)
		}
	}
	return w.judge()
}

// advance brings the stalls up to event i.
func (w *watch) advance(i int, e *Event) *longStall {
	lock := w.x.byName[e.Lock]
	s := &w.stalls[lock]
	if e.Op != OpAcquire {
		// Each belief of a grant ends once, at the event that the index has noted.
		at, _ := w.x.byGrant.get(e.Grant)
		switch g := &w.x.grants[at]; {
		case e.Op == OpResume:
			s.believers++
		case w.x.endsBelief(i, g):
			s.disbelieve(i, e.At)
		}
		return nil
	}
	d := w.demand(lock, e.Client)
	if e.Phase == Invoke {
		d.start(i, e.At, w.bound, w.crashesOf(e.Client))
		return nil
	}
	found := w.long(d, e.At)
	if found != nil {
		found.events = rising(append(found.events, i))
	}
	s.wanted = s.wanted || e.At >= w.heal
	d.stop(e.At)
	if e.Phase == Ok {
		s.believers++
		s.granted = s.granted || e.At >= w.heal
	}
	return found
}

func (w *watch) demand(lock int32, client int) *demand {
	pair := [2]int32{lock, int32(client)}
	at, ok := w.byPair[pair]
	if !ok {
		at = int32(len(w.demands))
		w.byPair[pair] = at
		w.demands = append(w.demands, demand{from: unset, lock: lock})
	}
	return &w.demands[at]
}

// crashed lets a client that starts anew look anew.
func (w *watch) crashed(client int) {
	for len(w.crashes) <= client {
		w.crashes = append(w.crashes, 0)
	}
	w.crashes[client]++
}

func (w *watch) crashesOf(client int) int32 {
	if client >= len(w.crashes) {
		return 0
	}
	return w.crashes[client]
}

func (d *demand) start(i int, at, bound int64, crashes int32) {
	if d.open == 0 && (d.from == unset || d.crashes != crashes || at-d.idle > bound/2) {
		d.from, d.fromAt, d.crashes = at, i, crashes
	}
	d.open++
}

func (d *demand) stop(at int64) {
	d.open--
	d.idle = at
}

// disbelieve notes the end of a belief.
func (s *stall) disbelieve(i int, at int64) {
	s.believers--
	if s.believers == 0 {
		s.free, s.freeAt = at, i
	}
}

// long returns the stall of an open demand if it is longer than the bound.
func (w *watch) long(d *demand, now int64) *longStall {
	s := &w.stalls[d.lock]
	if s.believers > 0 || d.open == 0 {
		return nil
	}
	from, at := d.from, d.fromAt
	if s.free > from {
		from, at = s.free, s.freeAt
	}
	from = max(from, w.heal)
	if now-from <= w.bound || now <= w.x.due(everyClient, from, w.bound) {
		return nil
	}
	return &longStall{lock: d.lock, from: from, to: now, events: []int{at}}
}

// judge judges what was still under way when the recording stopped.
func (w *watch) judge() Property {
	x := w.x
	for i := range w.demands {
		d := &w.demands[i]
		if found := w.long(d, x.end); found != nil {
			return w.property(found)
		}
		s := &w.stalls[d.lock]
		s.wanted = s.wanted || d.open > 0
	}
	judged, short := 0, int32(-1)
	for at := range w.stalls {
		switch s := &w.stalls[at]; {
		case s.granted:
			judged++
		case s.wanted && short < 0:
			short = int32(at)
		}
	}
	switch {
	case judged == 0 && short >= 0:
		return Property{Verdict: Unknown, Lock: x.locks[short].name, Detail: fmt.Sprintf(
			"lock %s was wanted after %s and not granted, but the run ended at %s, before the bound of %s%s%s",
			x.locks[short].name, seconds(w.heal), seconds(x.end), seconds(w.bound),
			x.stalledNote(w.heal, x.end), x.errorNote(short))}
	case judged == 0:
		return Property{Verdict: Unknown, Detail: "nobody wanted a lock after " + seconds(w.heal) + x.stalledNote(w.heal, x.end)}
	}
	return Property{Verdict: OK, Detail: fmt.Sprintf("%s granted after %s, never stalled for more than %s%s",
		counted(judged, "lock"), seconds(w.heal), seconds(w.bound), x.stalledNote(w.heal, x.end))}
}

func (w *watch) property(s *longStall) Property {
	x, size := w.x, s.to-s.from
	return Property{Verdict: Violation, Lock: x.locks[s.lock].name, At: s.from, Size: size, Events: s.events,
		Detail: fmt.Sprintf("lock %s was wanted from %s on and nobody held it, yet it was not granted by %s: %s, where %s is the bound%s%s",
			x.locks[s.lock].name, seconds(s.from), seconds(s.to), seconds(size), seconds(w.bound),
			x.stalledNote(s.from, s.to), x.errorNote(s.lock))}
}

// errorNote quotes the error that most acquires of a lock ended with, if it was never
// granted: that is likelier to be what is wrong than the lock is.
func (x *index) errorNote(lock int32) string {
	const distinct = 1000 // errors that differ each time are not worth the memory
	if len(x.locks[lock].grants) > 0 {
		return ""
	}
	all, most, text := 0, 0, ""
	seen := map[string]int{}
	for i := range x.locks[lock].tries {
		t := &x.locks[lock].tries[i]
		if t.retAt < 0 || t.inspect {
			continue
		}
		all++
		detail := x.h[t.retAt].Detail
		if _, known := seen[detail]; detail == "" || !known && len(seen) >= distinct {
			continue
		}
		seen[detail]++
		if seen[detail] > most {
			most, text = seen[detail], detail
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("; it was never granted, and %d of %s ended with %q", most, counted(all, "acquire"), text)
}
