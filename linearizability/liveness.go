package linearizability

import (
	"context"
	"fmt"
)

// stall follows one lock after the faults were healed. It is the time for which
// somebody wants the lock and nobody believes in a grant of it:
//
//	c0 |====|                     believes
//	c1    |------------------ok   wants
//	        |<---- stall ---->|
//
// A stall goes on from one try to the next unless a whole bound lies between, so
// that a lock that refuses every try at once is found too.
type stall struct {
	believers int
	wanting   int
	from      int64 // unset: no stall
	fromAt    int
	idle      int64 // since when nobody wants the lock
	granted   bool  // a wanted grant was seen after the healing
	wanted    bool
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
	stalls := make([]stall, len(x.locks))
	for i := range stalls {
		stalls[i].from = unset
	}
	heal := int64(p.HealAt)
	crashes := x.crashes
	for i := range x.h {
		e := &x.h[i]
		switch e.Op {
		case OpRead, OpWrite, OpRenew:
			continue
		case OpCrash:
			for ; len(crashes) > 0 && crashes[0].event == int32(i); crashes = crashes[1:] {
				stalls[crashes[0].lock].crash(crashes[0].belief, i, e.At, heal)
			}
			continue
		}
		if found := x.advance(stalls, i, e, heal, bound); found != nil {
			return x.stallProperty(found, bound)
		}
	}
	return x.livenessOf(stalls, heal, bound)
}

// advance brings the stalls up to event i.
func (x *index) advance(stalls []stall, i int, e *Event, heal, bound int64) *longStall {
	lock := x.byName[e.Lock]
	s := &stalls[lock]
	if e.Op != OpAcquire {
		// The belief of a grant ends once, at the event that the index has noted.
		at, _ := x.byGrant.get(e.Grant)
		if g := &x.grants[at]; g.endAt == int32(i) {
			s.believers--
			s.begin(i, e.At, heal)
		}
		return nil
	}
	var found *longStall
	if e.At >= heal {
		s.wanted = true
	}
	if s.from != unset && s.wanting > 0 && e.At-s.from > bound {
		found = &longStall{lock: lock, from: s.from, to: e.At, events: rising([]int{s.fromAt, i})}
	}
	switch e.Phase {
	case Invoke:
		s.want(i, e.At, heal, bound)
	case Ok:
		s.wanting--
		s.believers++
		s.from = unset
		s.granted = s.granted || e.At >= heal
	default:
		s.unwant(e.At)
	}
	return found
}

// want notes an acquire. Where nobody had wanted the lock for longer than the
// bound, a stall starts anew: the tries are no longer one demand.
func (s *stall) want(i int, at, heal, bound int64) {
	if s.wanting == 0 && s.from != unset && at-s.idle > bound {
		s.from = unset
	}
	s.wanting++
	s.begin(i, at, heal)
}

func (s *stall) unwant(at int64) {
	s.wanting--
	s.idle = at
}

// crash takes away one belief or one open acquire of a client that died.
func (s *stall) crash(belief bool, i int, at, heal int64) {
	if !belief {
		s.unwant(at)
		return
	}
	s.believers--
	s.begin(i, at, heal)
}

// begin starts a stall if there is one now and none is under way.
func (s *stall) begin(i int, at, heal int64) {
	if s.believers > 0 || s.wanting == 0 || s.from != unset {
		return
	}
	s.from, s.fromAt = max(at, heal), i
}

// livenessOf judges what was still under way when the recording stopped.
func (x *index) livenessOf(stalls []stall, heal, bound int64) Property {
	judged, short := 0, int32(-1)
	for at := range stalls {
		s := &stalls[at]
		if s.from != unset && s.wanting > 0 && x.end-s.from > bound {
			return x.stallProperty(&longStall{lock: int32(at), from: s.from, to: x.end, events: []int{s.fromAt}}, bound)
		}
		switch {
		case s.granted:
			judged++
		case (s.wanted || s.wanting > 0) && short < 0:
			short = int32(at)
		}
	}
	switch {
	case short >= 0:
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
