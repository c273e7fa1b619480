package linearizability

import (
	"cmp"
	"slices"
)

// ordering looks for an order of a part's answers, one hold after the other. It
// keeps every sketch of an order that may still turn out to be the right one: of
// two that placed the same holds, one that is behind in nothing makes the other
// superfluous. So few are left, and their number does not grow with the history.
//
// What there is to choose: how long a hold goes on, where an answer would name its
// client; which acquire with no known end took the lock, and before whom; and,
// where tokens leave it open, who comes next. Nothing else is ever helped by coming
// later than it can.
//
// It is bounded in sketches and in steps. An order that it finds is a proof; that
// it finds none is not, as it leans on the intervals of holds: porcupine decides.
type ordering struct {
	part *lockPart
	// named are the answers that name a client, by client, with lo and hi rising;
	// maybes its acquires with no known end, by takeHi.
	named  [][]naming
	maybes [][]int32
	slots  map[int32]int32 // of clients that are named
	// firstTake and firstWrite are by when the next of the holds from a position on
	// must have taken the lock: of all, and of writers. nextCall is from when it can.
	firstTake, firstWrite, nextCall []int64

	front, next []sketch
	steps, most int
	fault       fault
	blamed      int // how many holds had been placed where fault was seen
}

// The bounds of an ordering: sketches at a time, and steps, for each piece and for
// each hold of it.
const (
	maxSketches   = 512
	orderSteps    = 1 << 21
	stepsEachHold = 64
)

// order returns where no order could be completed, noFault if there is one, and how
// many steps it took to find out.
func (part *lockPart) order() (fault, int) {
	o := ordering{part: part, blamed: -1, most: orderSteps + stepsEachHold*len(part.holds)}
	o.prepare()
	o.front = append(o.front, sketch{tokens: part.before, byLast: -1, byAll: -1, byWriters: -1,
		told: make([]int32, len(o.named))})
	for placed := range part.holds {
		o.insertMaybes(placed)
		o.next = o.next[:0]
		for k := range o.front {
			o.placeNext(&o.front[k], placed)
		}
		o.front, o.next = o.next, o.front
		if len(o.front) == 0 || o.steps > o.most {
			return o.failed(placed), o.steps
		}
	}
	o.insertMaybes(len(part.holds))
	for k := range o.front {
		slot := o.unexplained(&o.front[k])
		if slot < 0 {
			return fault{}, o.steps
		}
		o.blame(len(part.holds), o.namingFault(&o.front[k], slot))
	}
	return o.failed(len(part.holds)), o.steps
}

// failed is the fault that was seen last, or one of the place where the search was
// given up.
func (o *ordering) failed(placed int) fault {
	if o.blamed < 0 {
		return fault{why: takenTooEarly, at: min(placed, len(o.part.holds)-1), blocker: -1}
	}
	return o.fault
}

// blame keeps the first fault of the latest place.
func (o *ordering) blame(placed int, f fault) {
	if placed > o.blamed {
		o.blamed, o.fault = placed, f
	}
}

func (o *ordering) prepare() {
	part := o.part
	o.slots = map[int32]int32{}
	for i := range part.named {
		n := part.named[i]
		n.at = int32(i) // here its position in the part
		slot, ok := o.slots[n.client]
		if !ok {
			slot = int32(len(o.named))
			o.slots[n.client] = slot
			o.named, o.maybes = append(o.named, nil), append(o.maybes, nil)
		}
		o.named[slot] = append(o.named[slot], n)
	}
	for slot, list := range o.named {
		slices.SortStableFunc(list, func(a, b naming) int { return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(b.hi, a.hi)) })
		o.named[slot] = narrowest(list)
	}
	for i := range part.maybes {
		if slot, ok := o.slots[part.maybes[i].client]; ok {
			o.maybes[slot] = append(o.maybes[slot], int32(i))
		}
	}
	for _, list := range o.maybes {
		slices.SortStableFunc(list, func(a, b int32) int { return cmp.Compare(part.maybes[a].takeHi, part.maybes[b].takeHi) })
	}
	n := len(part.holds)
	all := slices.Repeat([]int64{never}, 3*(n+1))
	o.firstTake, o.firstWrite, o.nextCall = all[:n+1], all[n+1:2*(n+1)], all[2*(n+1):]
	for i := n - 1; i >= 0; i-- {
		s := &part.holds[i]
		o.firstTake[i], o.firstWrite[i] = min(o.firstTake[i+1], s.takeHi), o.firstWrite[i+1]
		if s.mode == Exclusive {
			o.firstWrite[i] = min(o.firstWrite[i], s.takeHi)
		}
		o.nextCall[i] = min(o.nextCall[i+1], s.takeLo)
	}
}

// narrowest drops each interval that has another one inside it: what explains the
// inner one explains both. The rest rise in lo and in hi.
func narrowest(list []naming) []naming {
	kept := list[:0]
	for _, n := range list {
		for len(kept) > 0 && kept[len(kept)-1].hi >= n.hi {
			kept = kept[:len(kept)-1]
		}
		kept = append(kept, n)
	}
	return kept
}

// placeNext places one more hold in each way that may serve. Where tokens leave
// one order, it is the next one.
func (o *ordering) placeNext(s *sketch, placed int) {
	holds := o.part.holds
	if o.part.ordered {
		o.place(s, s.first, placed)
		return
	}
	// Whoever is placed before the first must be able to come before its answer.
	by := holds[s.first].takeHi
	for i := s.first; int(i) < len(holds) && o.nextCall[i] <= by; i++ {
		if holds[i].takeLo <= by && !slices.Contains(s.ahead, i) {
			o.place(s, i, placed)
		}
	}
}

// place puts hold i next, as early as it can be. Only one that may profit from a tie
// is also put as late as it can be.
func (o *ordering) place(s *sketch, i int32, placed int) {
	h := &o.part.holds[i]
	free, by := s.freeFor(h.mode)
	take := max(h.takeLo, free)
	if take > h.takeHi {
		o.steps++
		o.blame(placed, fault{why: takenTooEarly, at: int(i), blocker: int(by)})
		return
	}
	o.placeAt(s, i, placed, h, take)
	if o.part.ties == nil {
		return
	}
	for _, end := range o.part.ties[h.grant] {
		tied := *h
		tied.endLo, tied.endHi = end.lo, end.hi
		o.placeAt(s, i, placed, &tied, h.takeHi)
	}
}

// placeAt puts hold i next to take the lock at a time, and to end as soon as it can
// and, if answers may be explained by it, no sooner than each of them asks for.
func (o *ordering) placeAt(s *sketch, i int32, placed int, h *hold, take int64) {
	o.steps++
	t := s.tokens
	if o.part.tokens {
		var ok bool
		if t, ok = s.tokens.next(h.token, h.mode, h.again); !ok {
			o.blame(placed, fault{why: tokenNotAbove, at: int(i), blocker: int(s.byLast)})
			return
		}
	}
	end := h.leave(take)
	if end > h.endHi {
		o.blame(placed, fault{why: endedTooEarly, at: int(i), blocker: -1})
		return
	}
	n := *s
	n.tokens = t
	n.placed(i, len(o.part.holds))
	n.last, n.byLast = take, i
	if slot := o.tooLate(&n); slot >= 0 {
		o.blame(placed, o.namingFault(&n, slot))
		return
	}
	n.used = o.stillOf(n.used, take)
	slot, isNamed := o.slots[h.client]
	if !isNamed {
		n.ended(h.mode, end)
		o.keep(&o.next, n)
		return
	}
	o.explain(n, slot, h, take, end, o.latestEnd(&n, h.mode), &o.next)
}

// leave returns the earliest end of a hold that took the lock at a time.
func (h *hold) leave(take int64) int64 {
	end := max(take, h.endLo)
	if end > h.gapLo && end < h.gapHi {
		return h.gapHi
	}
	return end
}

// explain keeps n with a hold of slot's client that ends at end, and with each
// later end, up to most, that explains more answers. All that come in question
// begin after those explained already, and end no sooner than take.
func (o *ordering) explain(n sketch, slot int32, h *hold, take, end, most int64, to *[]sketch) {
	list := o.named[slot]
	before := n.told[slot]
	told := before
	for int(told) < len(list) && list[told].lo <= end {
		told++
	}
	for {
		// A maybe that explains nothing need not have been.
		if h.grant >= 0 || told > before {
			v := n
			if told > before {
				v.told = slices.Clone(n.told)
				v.told[slot] = told
			}
			v.ended(h.mode, end)
			o.keep(to, v)
		}
		if int(told) >= len(list) || o.steps > o.most {
			return
		}
		o.steps++
		later := *h
		later.endLo = max(h.endLo, list[told].lo)
		if end = later.leave(take); end > min(h.endHi, most) {
			return
		}
		for int(told) < len(list) && list[told].lo <= end {
			told++
		}
	}
}

// latestEnd is by when a hold of this mode that was just placed must have ended, for
// the sake of those that are not placed yet.
func (o *ordering) latestEnd(s *sketch, mode Mode) int64 {
	by := o.firstWrite
	if mode == Exclusive {
		by = o.firstTake
	}
	if len(s.ahead) == 0 {
		return by[s.first]
	}
	// Some of those behind the first are placed: their times are no bound.
	for i := s.first; int(i) < len(o.part.holds); i++ {
		if !slices.Contains(s.ahead, i) && (mode == Exclusive || o.part.holds[i].mode == Exclusive) {
			return o.part.holds[i].takeHi // answers are in order where ahead is in use
		}
	}
	return never
}

// insertMaybes adds the sketches in which acquires with no known end come next. It
// goes on to the sketches that it has added.
func (o *ordering) insertMaybes(placed int) {
	if len(o.part.maybes) == 0 {
		return
	}
	for k := 0; k < len(o.front); k++ {
		s := o.front[k]
		for slot, list := range o.named {
			if told := s.told[slot]; int(told) < len(list) {
				o.insertOf(&s, int32(slot), list[told].hi)
			}
		}
		if o.steps > o.most {
			return
		}
	}
}

// insertOf adds the sketches in which a maybe of one client comes next, to explain
// at least the answer that is next and was given by a time. Of maybes that could
// all come at once the one that can wait least is as good as any.
func (o *ordering) insertOf(s *sketch, slot int32, by int64) {
	var urgent [2]bool // by mode
	for _, at := range o.maybes[slot] {
		m := &o.part.maybes[at]
		free, _ := s.freeFor(m.mode)
		take := max(m.takeLo, free)
		if urgent[m.mode] && m.takeLo <= free || take > min(m.takeHi, by, o.firstTake[s.first]) {
			continue
		}
		if _, used := slices.BinarySearch(s.used, at); used {
			continue
		}
		urgent[m.mode] = urgent[m.mode] || m.takeLo <= free
		o.steps++
		n := *s
		if o.part.tokens {
			var ok bool
			if n.tokens, ok = s.tokens.next(0, m.mode, false); !ok || !o.roomFor(&n) {
				continue
			}
		}
		n.last = take
		if o.tooLate(&n) >= 0 {
			continue
		}
		n.used = o.stillOf(s.used, take)
		k, _ := slices.BinarySearch(n.used, at)
		n.used = slices.Insert(slices.Clone(n.used), k, at)
		o.explain(n, slot, m, take, take, o.latestEnd(&n, m.mode), &o.front)
	}
}

// roomFor tells whether the next hold's token can still come.
func (o *ordering) roomFor(s *sketch) bool {
	if !o.part.ordered || int(s.first) >= len(o.part.holds) {
		return true
	}
	h := &o.part.holds[s.first]
	_, ok := s.tokens.next(h.token, h.mode, h.again)
	return ok
}

// stillOf drops the maybes that cannot come any more.
func (o *ordering) stillOf(used []int32, now int64) []int32 {
	gone := func(at int32) bool { return o.part.maybes[at].takeHi < now }
	if !slices.ContainsFunc(used, gone) {
		return used
	}
	return slices.DeleteFunc(slices.Clone(used), gone)
}

// tooLate returns a slot with an answer that nobody can explain any more, as the
// last one took the lock after it, or -1.
func (o *ordering) tooLate(s *sketch) int32 {
	for slot, list := range o.named {
		if told := s.told[slot]; int(told) < len(list) && list[told].hi < s.last {
			return int32(slot)
		}
	}
	return -1
}

func (o *ordering) unexplained(s *sketch) int32 {
	for slot, list := range o.named {
		if int(s.told[slot]) < len(list) {
			return int32(slot)
		}
	}
	return -1
}

func (o *ordering) namingFault(s *sketch, slot int32) fault {
	at := max(0, min(int(s.first), len(o.part.holds))-1)
	return fault{why: namedWrongly, at: at, blocker: -1, naming: int(o.named[slot][s.told[slot]].at)}
}
