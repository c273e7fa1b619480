package sim

import (
	"fmt"
	"time"
)

// Counters say what happened, so that a run in which nothing did is not taken
// for a good one.
type Counters struct {
	StoreOps     uint64 // store calls made by clients
	RoundTrips   uint64 // calls of Node.RoundTrip
	Events       uint64 // delivered
	Switches     uint64 // steps of tasks
	Tasks        uint64 // started
	Choices      uint64 // made by the Chooser
	Indefinite   uint64 // writes that ended without an answer, their context having ended
	Unanswered   uint64 // reads and waits that did
	Unsent       uint64 // store calls whose context had ended before, or whose process died before departure
	LostRequests uint64 // by links and by a store that was down or restarted
	LostReplies  uint64 // by links and in a failover
	Duplicates   uint64 // requests delivered twice
	HeldMessages uint64 // kept back by fault.Hold
	HeldRequests uint64 // kept on their node by a pause or suspend
	LateWrites   uint64 // writes applied after their caller had given up or died
	LateReplies  uint64 // replies that found nobody waiting
	Refused      uint64 // requests refused by a restarting store
	Throttled    uint64
	Denied       uint64 // requests refused by fault.Refuse
	Retries      uint64 // requests that an SDK sent again
	StaleWaits   uint64 // waits answered with a version that was not the current one
	Tampered     uint64 // records changed by nobody's client
	Strikes      uint64 // of aimed faults
	Preemptions  uint64 // tasks interrupted by Config.PreemptEvery
	LateTimeouts uint64 // timeouts that fell into a pause
	StaleReads   uint64 // reads answered with a version that was not the current one
	LostWrites   uint64 // keys rolled back by fault.LostWrite
	Expired      uint64 // keys removed by the bucket TTL
	Crashes      uint64
	Restarts     uint64
	Pauses       uint64
	Suspends     uint64
}

// Counters returns the counts so far.
func (w *World) Counters() Counters { return w.counters }

// Hash returns a hash over every choice and every event so far, in order. Two
// runs with the same hash took the same course; it is the same on every machine.
func (w *World) Hash() uint64 { return scramble(w.hash) }

// mix adds one word to the hash. Each round is a bijection of the state, so a
// difference once in is never lost but by collision.
func (w *World) mix(x uint64) {
	h := (w.hash ^ x) * 0x9e3779b97f4a7c15
	w.hash = h ^ h>>32
}

// mixEvent adds an event: its time, kind, node and, for a message, what it is.
func (w *World) mixEvent(ev *event) {
	x := uint64(ev.kind)<<16 | uint64(ev.fault)<<32
	if ev.node != nil {
		x |= uint64(ev.node.index) + 1
	}
	w.mix(uint64(w.now))
	if c := ev.call; c != nil {
		x |= uint64(c.kind) << 24
		w.mix(c.id)
	}
	w.mix(x)
	if w.trace != nil {
		w.traceEvent(ev)
	}
}

// SetTrace makes the world describe each event, in a line of text, to f. It is
// for debugging and golden tests; nil switches it off.
func (w *World) SetTrace(f func(at time.Duration, line string)) { w.trace = f }

func (w *World) traceEvent(ev *event) {
	switch {
	case ev.call != nil:
		w.tracef("%s %s %s", ev.node, eventNames[ev.kind], ev.call)
	case ev.kind == evFaultStart || ev.kind == evFaultEnd || ev.kind == evStrike:
		w.tracef("%s %s", eventNames[ev.kind], w.plan[ev.fault].Fault)
	case ev.kind == evExpire:
		w.tracef("store expiry %s", ev.entry.key)
	case ev.node != nil:
		w.tracef("%s %s", ev.node, eventNames[ev.kind])
	}
}

func (w *World) tracef(format string, args ...any) {
	if w.trace != nil {
		w.trace(w.now, fmt.Sprintf(format, args...))
	}
}

// Write is a write that the store has just applied.
type Write struct {
	At     time.Duration // true time
	Client int
	Key    string
	// Late: its caller has given up, or is dead.
	Late bool
}

// OnWrite makes the store report each write, as it applies it, to the observer
// f: so an indefinite write can be given its true end.
func (w *World) OnWrite(f func(Write)) { w.onWrite = f }
