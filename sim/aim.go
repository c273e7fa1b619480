package sim

import (
	"slices"
	"time"

	"github.com/lockproof/lockproof/fault"
)

// Strike is what became of an aimed fault: where in true time it struck, and
// until when it lasted.
type Strike struct {
	Fault     fault.Fault
	At, Until time.Duration
}

// Strikes returns the aimed faults that have struck so far, in order.
func (w *World) Strikes() []Strike { return slices.Clone(w.strikes) }

// aimedAt is the kind that an aimed kind is, once it has struck; "" for one that
// is over with a single message.
func aimedAt(k fault.Kind) fault.Kind {
	switch k {
	case fault.AimedPause:
		return fault.Pause
	case fault.AimedCrash:
		return fault.Crash
	case fault.AimedPartition:
		return fault.Partition
	}
	return ""
}

func aimed(k fault.Kind) bool { return len(fault.Describe(k).Moments) > 0 }

// reach tells the faults that are aimed at n that the request of c has come to a
// moment of its life.
func (n *Node) reach(c *call, at fault.Moment) {
	if len(n.aims) == 0 || c.kind == opTrip {
		return
	}
	ops := c.kind.class().ops()
	// A strike takes its fault off the list.
	for _, i := range slices.Clone(n.aims) {
		p := &n.w.plan[i]
		if p.Aim.Moment != at || !p.Aim.Ops.Has(ops) {
			continue
		}
		if p.reached++; p.reached < p.Aim.Nth {
			continue
		}
		switch {
		case p.Amount == 0:
			n.w.strike(i, c)
		case p.start == nil:
			p.start = n.w.armFault(evStrike, i, n.w.now+time.Duration(p.Amount))
		default:
			n.w.queue.move(p.start, n.w.now+time.Duration(p.Amount))
		}
	}
}

// arm lets an aimed fault look out for its moment.
func (n *Node) arm(i int) { n.aims = append(n.aims, i) }

func (n *Node) disarm(i int) {
	n.aims = slices.DeleteFunc(n.aims, func(x int) bool { return x == i })
}

// strikeLate is the strike of a fault that waited for its Amount.
func (w *World) strikeLate(i int) {
	p := &w.plan[i]
	w.freeEvent(p.start)
	p.start = nil
	w.strike(i, nil)
}

// strike lets an aimed fault begin, at the message of c where it concerns one.
func (w *World) strike(i int, c *call) {
	p := &w.plan[i]
	n := w.nodes[p.Target]
	n.disarm(i)
	w.counters.Strikes++
	w.mix(uint64(w.now) + uint64(i))
	if w.trace != nil {
		w.tracef("strike %s", p.Fault)
	}
	until := w.now + p.Duration
	w.strikes = append(w.strikes, Strike{p.Fault, w.now, until})
	switch p.Kind {
	case fault.AimedDelay:
		c.kept += p.Duration
		return
	case fault.AimedLoseRequest, fault.AimedLoseReply:
		c.lost = true
		return
	}
	p.active = true
	p.end = w.armFault(evFaultEnd, i, until)
	w.apply(p, +1)
}
