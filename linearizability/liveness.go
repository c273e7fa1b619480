package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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

// demand is one client's for one lock: open acquires, since when, and since when
// there is none.
type demand struct {
	lock, client int32
	open         int32
	crashes      int32 // of the client, when it began
	from, idle   int64
	fromAt       int
}

// stalls follow all locks. There is a demand for each client and lock that met, and
// no more: many clients with a lock of their own each must not cost the square.
type stalls struct {
	locks   []stall
	demands []demand
	at      map[uint64]int32 // by lock and client, positions in demands
	crashes []int32          // by client
}

// longStall is a witness.
type longStall struct {
	lock     int32
	from, to int64
	events   []int
}

// liveness checks that no lock stalls for longer than the bound after HealAt.
func (c *Checker) liveness(_ context.Context, p *Params) Property {
	bound := p.livenessBound()
	if bound == 0 {
		return Property{Verdict: NotApplicable, Detail: "no ttl and bound to measure by"}
	}
	x := &c.index
	all := &stalls{locks: make([]stall, len(x.locks)), at: map[uint64]int32{}}
	heal := int64(p.HealAt)
	crashes := x.crashes
	for i := range x.h {
		e := &x.h[i]
		switch e.Op {
		case OpRead, OpWrite, OpRenew:
			continue
		case OpCrash:
			for ; len(crashes) > 0 && crashes[0].event == int32(i); crashes = crashes[1:] {
				if crashes[0].belief {
					all.locks[crashes[0].lock].disbelieve(i, e.At)
				} else {
					all.demand(crashes[0].lock, e.Client).stop(e.At)
				}
			}
			all.crashed(e.Client)
			continue
		}
		if found := x.advance(all, i, e, heal, bound); found != nil {
			return x.stallProperty(found, bound)
		}
	}
	return x.livenessOf(all, heal, bound)
}

// advance brings the stalls up to event i.
func (x *index) advance(all *stalls, i int, e *Event, heal, bound int64) *longStall {
	lock := x.byName[e.Lock]
	s := &all.locks[lock]
	if e.Op != OpAcquire {
		// The belief of a grant ends once, at the event that the index has noted.
		at, _ := x.byGrant.get(e.Grant)
		if g := &x.grants[at]; g.endAt == int32(i) {
			s.disbelieve(i, e.At)
		}
		return nil
	}
	d := all.demand(lock, e.Client)
	if e.Phase == Invoke {
		d.start(i, e.At, bound, all.crashesOf(e.Client))
		return nil
	}
	found := s.long(d, heal, bound, e.At)
	if found != nil {
		found.lock, found.events = lock, rising(append(found.events, i))
	}
	s.wanted = s.wanted || e.At >= heal
	d.stop(e.At)
	if e.Phase == Ok {
		s.believers++
		s.granted = s.granted || e.At >= heal
	}
	return found
}

func (a *stalls) demand(lock int32, client int) *demand {
	key := uint64(lock)<<32 | uint64(client)
	at, ok := a.at[key]
	if !ok {
		at = int32(len(a.demands))
		a.at[key] = at
		a.demands = append(a.demands, demand{lock: lock, client: int32(client), from: unset})
	}
	return &a.demands[at]
}

// crashed lets a client that starts anew look anew.
func (a *stalls) crashed(client int) {
	for len(a.crashes) <= client {
		a.crashes = append(a.crashes, 0)
	}
	a.crashes[client]++
}

func (a *stalls) crashesOf(client int) int32 {
	if client >= len(a.crashes) {
		return 0
	}
	return a.crashes[client]
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
func (s *stall) long(d *demand, heal, bound, now int64) *longStall {
	if s.believers > 0 || d.open == 0 {
		return nil
	}
	from, at := d.from, d.fromAt
	if s.free > from {
		from, at = s.free, s.freeAt
	}
	if from = max(from, heal); now-from <= bound {
		return nil
	}
	return &longStall{from: from, to: now, events: []int{at}}
}

// livenessOf judges what was still under way when the recording stopped.
func (x *index) livenessOf(all *stalls, heal, bound int64) Property {
	slices.SortFunc(all.demands, func(a, b demand) int {
		return cmp.Or(cmp.Compare(a.lock, b.lock), cmp.Compare(a.client, b.client))
	})
	for i := range all.demands {
		d := &all.demands[i]
		s := &all.locks[d.lock]
		if found := s.long(d, heal, bound, x.end); found != nil {
			found.lock = d.lock
			return x.stallProperty(found, bound)
		}
		s.wanted = s.wanted || d.open > 0
	}
	judged, short := 0, int32(-1)
	for at := range all.locks {
		s := &all.locks[at]
		switch {
		case s.granted:
			judged++
		case s.wanted && short < 0:
			short = int32(at)
		}
	}
	switch {
	case judged == 0 && short >= 0:
		return Property{Verdict: Unknown, Lock: x.locks[short].name, Detail: fmt.Sprintf(
			"lock %s was wanted after %s and not granted, but the run ended at %s, before the bound of %s",
			x.locks[short].name, seconds(heal), seconds(x.end), seconds(bound))}
	case judged == 0:
		return Property{Verdict: Unknown, Detail: "nobody wanted a lock after " + seconds(heal)}
	}
	return Property{Verdict: OK, Detail: fmt.Sprintf("%s granted after %s, never stalled for more than %s",
		counted(judged, "lock"), seconds(heal), seconds(bound))}
}

func (x *index) stallProperty(s *longStall, bound int64) Property {
	size := s.to - s.from
	return Property{Verdict: Violation, Lock: x.locks[s.lock].name, At: s.from, Size: size, Events: s.events,
		Detail: fmt.Sprintf("lock %s was wanted from %s on and nobody held it, yet it was not granted by %s: %s, where %s is the bound",
			x.locks[s.lock].name, seconds(s.from), seconds(s.to), seconds(size), seconds(bound))}
}
