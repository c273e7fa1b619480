package sim

import "time"

type eventKind uint8

const (
	evWake       eventKind = iota + 1 // a Sleep is over
	evDepart                          // a request leaves its node
	evArrive                          // a request reaches the store or the resource
	evReply                           // a reply reaches its node
	evAlarm                           // Node.AtLocal
	evObserve                         // World.At
	evFaultStart                      //
	evFaultEnd                        //
	evExpire                          // a key's bucket TTL
	evStrike                          // an aimed fault that waited for its Amount
)

var eventNames = [...]string{"", "wake", "depart", "arrive", "reply", "alarm", "observe", "fault-start", "fault-end", "expire", "strike-due"}

// event is something that will happen. Which fields are used depends on the
// kind: fields rather than a closure, so that an event costs no allocation.
// Events are recycled; id tells one use from the next.
type event struct {
	id    uint64
	pos   int // index in the queue, -1 if not queued
	kind  eventKind
	node  *Node
	task  *task
	call  *call
	entry *entry
	fault int
	f     func()

	// Timers on a node's clock (evWake, evAlarm) are aimed again when its rate
	// changes; they are kept in a list of the node.
	target     time.Duration // elapsed reading of the node's clock
	notBefore  time.Duration // true time; lateness after a suspend
	prev, next *event
}

// slot is an event's place in the queue, with its order at hand: comparing does
// not touch the event.
type slot struct {
	at  time.Duration
	seq uint64
	ev  *event
}

// queue is a 4-ary heap ordered by (at, seq). An event knows its position, so a
// timer that is no longer wanted is removed rather than left to rot: a lock sets
// a timeout around every request, and nearly none of them ever fires.
type queue struct {
	slots []slot
	seq   uint64
}

func (s *slot) before(o *slot) bool {
	return s.at < o.at || s.at == o.at && s.seq < o.seq
}

func (q *queue) push(at time.Duration, ev *event) {
	q.seq++
	q.slots = append(q.slots, slot{})
	q.up(len(q.slots)-1, slot{at: at, seq: q.seq, ev: ev})
}

// pop removes and returns the first event. The queue must not be empty.
func (q *queue) pop() *event {
	ev := q.slots[0].ev
	q.removeAt(0)
	return ev
}

func (q *queue) remove(ev *event) {
	if ev.pos >= 0 {
		q.removeAt(ev.pos)
	}
}

func (q *queue) removeAt(i int) {
	q.slots[i].ev.pos = -1
	n := len(q.slots) - 1
	last := q.slots[n]
	q.slots[n] = slot{}
	q.slots = q.slots[:n]
	if i < n {
		q.settle(i, last)
	}
}

// move gives a queued event another time and leaves its order among equals.
func (q *queue) move(ev *event, at time.Duration) {
	s := q.slots[ev.pos]
	s.at = at
	q.settle(ev.pos, s)
}

func (q *queue) settle(i int, s slot) {
	if i > 0 && s.before(&q.slots[(i-1)/4]) {
		q.up(i, s)
	} else {
		q.down(i, s)
	}
}

func (q *queue) up(i int, s slot) {
	for i > 0 {
		p := (i - 1) / 4
		if !s.before(&q.slots[p]) {
			break
		}
		q.slots[i] = q.slots[p]
		q.slots[i].ev.pos = i
		i = p
	}
	q.slots[i] = s
	s.ev.pos = i
}

func (q *queue) down(i int, s slot) {
	n := len(q.slots)
	for {
		c := 4*i + 1
		if c >= n {
			break
		}
		least := c
		for j := c + 1; j < min(c+4, n); j++ {
			if q.slots[j].before(&q.slots[least]) {
				least = j
			}
		}
		if !q.slots[least].before(&s) {
			break
		}
		q.slots[i] = q.slots[least]
		q.slots[i].ev.pos = i
		i = least
	}
	q.slots[i] = s
	s.ev.pos = i
}

// newEvent returns an event from the pool.
func (w *World) newEvent(kind eventKind, n *Node) *event {
	var ev *event
	if last := len(w.freeEvents) - 1; last >= 0 {
		ev = w.freeEvents[last]
		w.freeEvents = w.freeEvents[:last]
	} else {
		ev = &event{pos: -1}
	}
	w.lastEvent++
	ev.id, ev.kind, ev.node = w.lastEvent, kind, n
	return ev
}

// freeEvent gives back an event that is neither queued nor in a list.
func (w *World) freeEvent(ev *event) {
	*ev = event{pos: -1}
	w.freeEvents = append(w.freeEvents, ev)
}
