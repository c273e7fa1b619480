package sim

import (
	"fmt"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
)

// activeFault is one fault of the plan and how far it has come.
type activeFault struct {
	fault.Fault
	start, end *event // while queued
	active     bool
	reached    int    // how often an aimed fault has seen its moment
	key        *entry // where a foreign record stands
	instead    lock.Record
}

// lasting reports whether a kind has an end.
func lasting(k fault.Kind) bool { return fault.Describe(k).Duration != fault.Instant }

// validatePlan refuses what the world could not inject as it is written. Faults
// may be in any order and may overlap; those of one kind then add up.
func validatePlan(p fault.Plan, clients int) error {
	for i, f := range p {
		if err := f.Validate(); err != nil {
			return fmt.Errorf("sim: Plan[%d]: %w", i, err)
		}
		if f.Target >= clients {
			return fmt.Errorf("sim: Plan[%d] (%s): Target %d is none of Clients %d", i, f, f.Target, clients)
		}
	}
	return nil
}

func (w *World) armPlan(p fault.Plan) {
	w.plan = make([]activeFault, len(p))
	for i, f := range p {
		w.plan[i].Fault = f
		w.plan[i].start = w.armFault(evFaultStart, i, f.Start)
		if lasting(f.Kind) && !aimed(f.Kind) {
			w.plan[i].end = w.armFault(evFaultEnd, i, f.Start+f.Duration)
		}
	}
}

func (w *World) armFault(kind eventKind, i int, at time.Duration) *event {
	ev := w.newEvent(kind, nil)
	ev.fault = i
	w.queue.push(at, ev)
	return ev
}

// Heal ends every active fault of the plan now, in the plan's order, and takes
// back those that have not begun: links open, clocks run right, crashed
// processes start. What a clock has gone wrong by, it stays wrong by.
func (w *World) Heal() {
	for i := range w.plan {
		p := &w.plan[i]
		for _, ev := range []**event{&p.start, &p.end} {
			if *ev != nil {
				w.queue.remove(*ev)
				w.freeEvent(*ev)
				*ev = nil
			}
		}
		if aimed(p.Kind) {
			w.nodes[p.Target].disarm(i)
		}
		if p.active {
			w.apply(p, -1)
			p.active = false
		}
	}
	for i := range w.strikes {
		w.strikes[i].Until = min(w.strikes[i].Until, w.now)
	}
	w.mix(uint64(w.now))
}

func (w *World) startFault(i int) {
	p := &w.plan[i]
	w.freeEvent(p.start)
	p.start = nil
	if aimed(p.Kind) {
		w.nodes[p.Target].arm(i)
		return
	}
	p.active = lasting(p.Kind)
	w.apply(p, +1)
}

func (w *World) endFault(i int) {
	p := &w.plan[i]
	w.freeEvent(p.end)
	p.end = nil
	p.active = false
	w.apply(p, -1)
}

// apply begins (sign +1) or ends (-1) a fault. Faults of one kind at the same
// time add up, so each is a sum or a count.
func (w *World) apply(p *activeFault, sign int64) {
	f := p.Fault
	if f.Kind == fault.ForeignRecord {
		w.store.foreign(p, sign)
		return
	}
	if k := aimedAt(f.Kind); k != "" {
		f.Kind = k
	}
	if f.Target == fault.Store {
		w.store.applyFault(f, sign)
		return
	}
	n := w.nodes[f.Target]
	if !n.applyFault(f, sign) {
		n.link.applyFault(f, sign)
	}
}

// applyFault reports whether the fault is one of the node itself.
func (n *Node) applyFault(f fault.Fault, sign int64) bool {
	begins := sign > 0
	switch f.Kind {
	case fault.ClockOffset, fault.ClockJump:
		n.clock.wall += time.Duration(sign * f.Amount)
	case fault.ClockRate:
		n.setRate(sign * f.Amount)
	case fault.ClockStop:
		n.clock.stand(n.w.now, int(sign))
		n.setRate(0)
	case fault.ClockBack:
		n.clock.back(n.w.now, time.Duration(f.Amount))
		n.setRate(0)
	case fault.Pause:
		if begins {
			n.w.counters.Pauses++
			n.stop()
		} else {
			n.run()
		}
	case fault.Suspend:
		if begins {
			n.w.counters.Suspends++
			n.suspend()
		} else {
			n.resume()
		}
	case fault.Crash:
		if begins {
			n.crash()
		} else {
			n.restart()
		}
	default:
		return false
	}
	return true
}

func (l *link) applyFault(f fault.Fault, sign int64) {
	switch f.Kind {
	case fault.Partition:
		l.cutRequests += int(sign)
		l.cutReplies += int(sign)
	case fault.PartitionRequests:
		l.cutRequests += int(sign)
	case fault.PartitionReplies:
		l.cutReplies += int(sign)
	case fault.Hold:
		if sign > 0 {
			l.holds++
		} else {
			l.unhold()
		}
	}
	l.faulty = l.cutRequests|l.cutReplies|l.holds != 0
	for class := range classes {
		t := &l.by[class]
		if f.Aim.Ops.Has(class.ops()) {
			t.apply(f.Kind, sign*f.Amount)
		}
		l.faulty = l.faulty || *t != troubles{}
	}
}

func (t *troubles) apply(k fault.Kind, amount int64) {
	switch k {
	case fault.Latency:
		t.extra += amount
	case fault.Jitter:
		t.jitter += amount
	case fault.LoseRequest:
		t.loseRequest += amount
	case fault.LoseReply:
		t.loseReply += amount
	case fault.DuplicateRequest:
		t.duplicate += amount
	}
}

func (s *server) applyFault(f fault.Fault, sign int64) {
	begins := sign > 0
	switch f.Kind {
	case fault.StoreDown:
		s.down += int(sign)
	case fault.StoreRestart, fault.StoreFailover:
		if f.Kind == fault.StoreRestart {
			s.restarting += int(sign)
		} else {
			s.failing += int(sign)
		}
		if begins {
			s.brokenAt = s.w.now
			s.breakConnections()
		}
	case fault.Throttle, fault.Refuse:
		for class := range classes {
			switch {
			case !f.Aim.Ops.Has(class.ops()):
			case f.Kind == fault.Throttle:
				s.throttle[class] += sign * f.Amount
			default:
				s.refuse[class] += sign * f.Amount
			}
		}
	case fault.StaleRead:
		if begins {
			s.stale = append(s.stale, time.Duration(f.Amount))
		} else {
			s.stale = without(s.stale, time.Duration(f.Amount))
		}
	case fault.LostWrite:
		s.rollBack(time.Duration(f.Amount))
	case fault.RemoveRecord, fault.RestoreRecord:
		s.edit(f)
	}
	if !begins && s.down == 0 && s.restarting == 0 {
		s.back()
	}
	// A connection broken once stays broken, so this is never false again.
	s.faulty = s.brokenAt >= 0 || s.down > 0 || s.throttle != [classes]int64{} || s.refuse != [classes]int64{}
}
