package linearizability

import "slices"

// sketch is an order under construction, as far as the rest depends on it.
type sketch struct {
	last, freeOfAll, freeOfWriters int64
	byLast, byAll, byWriters       int32 // positions in holds, -1 for none
	tokens                         tokens
	first                          int32   // the first hold that is not placed
	ahead                          []int32 // those behind it that are, rising
	told                           []int32 // how many answers are explained, by slot
	used                           []int32 // maybes, rising
}

// keep adds n to a front, unless one is there that is behind it in nothing, and
// drops those that n makes superfluous.
func (o *ordering) keep(front *[]sketch, n sketch) {
	o.steps += len(*front)
	for k := range *front {
		if o.covers(&(*front)[k], &n) {
			return
		}
	}
	if front == &o.next {
		*front = slices.DeleteFunc(*front, func(s sketch) bool { return o.covers(&n, &s) })
	}
	if len(*front) < maxSketches {
		*front = append(*front, n)
	}
}

// covers tells whether whatever completes b completes a.
func (o *ordering) covers(a, b *sketch) bool {
	if a.last > b.last || a.freeOfAll > b.freeOfAll || a.freeOfWriters > b.freeOfWriters ||
		a.tokens.any > b.tokens.any || a.tokens.exclusive > b.tokens.exclusive ||
		a.first != b.first || !slices.Equal(a.ahead, b.ahead) {
		return false
	}
	for slot := range a.told {
		if a.told[slot] < b.told[slot] {
			return false
		}
	}
	for _, at := range a.used {
		if _, also := slices.BinarySearch(b.used, at); !also && o.part.maybes[at].takeHi >= b.last {
			return false
		}
	}
	return true
}

// freeFor returns from when one of a mode can take the lock, and who is in the way.
func (s *sketch) freeFor(mode Mode) (int64, int32) {
	free, by := s.freeOfWriters, s.byWriters
	if mode == Exclusive {
		free, by = s.freeOfAll, s.byAll
	}
	if s.last > free {
		return s.last, s.byLast
	}
	return free, by
}

// placed marks hold i as placed.
func (s *sketch) placed(i int32, holds int) {
	if i != s.first {
		k, _ := slices.BinarySearch(s.ahead, i)
		s.ahead = slices.Insert(slices.Clone(s.ahead), k, i)
		return
	}
	s.first++
	for len(s.ahead) > 0 && s.ahead[0] == s.first {
		s.first++
		s.ahead = s.ahead[1:]
	}
	if int(s.first) == holds {
		s.ahead = nil
	}
}

// ended notes when the hold that was placed last has left the lock.
func (s *sketch) ended(mode Mode, end int64) {
	if end > s.freeOfAll || s.byAll < 0 {
		s.freeOfAll, s.byAll = max(s.freeOfAll, end), s.byLast
	}
	if mode == Exclusive && (end > s.freeOfWriters || s.byWriters < 0) {
		s.freeOfWriters, s.byWriters = max(s.freeOfWriters, end), s.byLast
	}
}
