package linearizability

import "sort"

// fault is where and why an order could not be completed. It proves nothing: it
// is where porcupine is to look, and gives its answer words.
type fault struct {
	why     faultKind
	at      int // position in holds
	blocker int // position in holds of who was in the way, -1 if none
	naming  int // position in named
}

type faultKind uint8

const (
	noFault faultKind = iota
	// takenTooEarly: the grant was answered before the blocker can have ended.
	takenTooEarly
	// tokenNotAbove: the grant's token is not above the one before.
	tokenNotAbove
	// endedTooEarly: the lock answered that the grant was over before it can have
	// been, or that it was held when it cannot have been any more.
	endedTooEarly
	// namedWrongly: an answer names a client that cannot have held the lock.
	namedWrongly
)

// witness tries to complete the order of part's holds and to find a place for
// each answer that names a holder. It takes no maybe as having happened. If it
// returns noFault there is such an order, and that is a proof.
func (l *linearizer) witness(part *lockPart) fault {
	if f := part.schedule(); f.why != noFault {
		return f
	}
	if len(part.named) == 0 {
		return fault{}
	}
	l.byClient(part)
	moved := false
	for i := range part.named {
		switch l.place(part, &part.named[i]) {
		case nowhere:
			return fault{why: namedWrongly, at: part.near(part.named[i].hi), blocker: -1, naming: i}
		case ifMoved:
			moved = true
		}
	}
	if !moved {
		return fault{}
	}
	return part.schedule()
}

// schedule gives each hold the earliest times that its place in the order leaves:
// after those before it in the order have taken the lock, and after those that it
// cannot stand beside have left it. For a given order earliest is best, as
// nothing is ever helped by coming later.
func (part *lockPart) schedule() fault {
	var lastTake, freeOfAll, freeOfWriters int64
	byAll, byWriters, byTake := -1, -1, -1
	before := part.before
	for i := range part.holds {
		s := &part.holds[i]
		free, blocker := freeOfWriters, byWriters
		if s.mode == Exclusive {
			free, blocker = freeOfAll, byAll
		}
		if lastTake > free {
			free, blocker = lastTake, byTake
		}
		s.take = max(s.takeLo, free)
		if s.take > s.takeHi {
			return fault{why: takenTooEarly, at: i, blocker: blocker}
		}
		if part.tokens {
			var ok bool
			if before, ok = before.next(s.token, s.mode, s.again); !ok {
				return fault{why: tokenNotAbove, at: i, blocker: i - 1}
			}
		}
		s.end = max(s.take, s.endLo)
		if s.end > s.gapLo && s.end < s.gapHi {
			s.end = s.gapHi
		}
		if s.end > s.endHi {
			return fault{why: endedTooEarly, at: i, blocker: -1}
		}
		lastTake, byTake = s.take, i
		if s.end > freeOfAll || byAll < 0 {
			freeOfAll, byAll = s.end, i
		}
		if s.mode == Exclusive && (s.end > freeOfWriters || byWriters < 0) {
			freeOfWriters, byWriters = s.end, i
		}
	}
	return fault{}
}

// byClient lists the holds of each client in order. The lists share one array.
func (l *linearizer) byClient(part *lockPart) {
	clients := int32(0)
	for i := range part.holds {
		clients = max(clients, part.holds[i].client+1)
	}
	l.starts = append(l.starts[:0], make([]int32, clients+1)...)
	for i := range part.holds {
		l.starts[part.holds[i].client+1]++
	}
	for c := range clients {
		l.starts[c+1] += l.starts[c]
	}
	l.next = append(l.next[:0], l.starts[:clients]...)
	if cap(l.ofClient) < len(part.holds) {
		l.ofClient = make([]int32, len(part.holds))
	}
	l.ofClient = l.ofClient[:len(part.holds)]
	for i := range part.holds {
		c := part.holds[i].client
		l.ofClient[l.next[c]] = int32(i)
		l.next[c]++
	}
}

func (l *linearizer) holdsOf(client int32) []int32 {
	if int(client) >= len(l.starts)-1 {
		return nil
	}
	return l.ofClient[l.starts[client]:l.starts[client+1]]
}

type placing uint8

const (
	nowhere placing = iota
	// asItIs: a hold surely covers some time of the answer.
	asItIs
	// ifMoved: a hold was narrowed so that it does; the order must be tried again.
	ifMoved
)

// place finds a hold of the named client for an answer. One that is held at some
// time of the answer wherever it is put is taken first; else the latest that may
// be, which is narrowed: taken by hi and ended no earlier than lo.
func (l *linearizer) place(part *lockPart, n *naming) placing {
	const lookBack = 16
	of := l.holdsOf(n.client)
	k := sort.Search(len(of), func(i int) bool { return part.holds[of[i]].take > n.hi })
	candidate := int32(-1)
	for i := k - 1; i >= 0 && i >= k-lookBack; i-- {
		s := &part.holds[of[i]]
		if s.takeHi <= n.hi && s.endLo >= n.lo {
			return asItIs
		}
		if candidate < 0 && s.take <= n.hi && s.endHi >= n.lo {
			candidate = of[i]
		}
	}
	if candidate < 0 {
		return nowhere
	}
	s := &part.holds[candidate]
	s.takeHi = min(s.takeHi, n.hi)
	s.endLo = max(s.endLo, n.lo)
	return ifMoved
}

// near returns the last hold, in order, that was taken by a time.
func (part *lockPart) near(at int64) int {
	k := sort.Search(len(part.holds), func(i int) bool { return part.holds[i].take > at })
	return max(k-1, 0)
}
