package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
)

// linearizer is the memory of the checker of the lock's answers.
type linearizer struct {
	part lockPart
	// searched is how often porcupine was asked since the checker was made, and
	// ordered the most steps that an order took.
	searched, ordered int

	// The holds of each client, as ofClient[starts[c]:starts[c+1]].
	starts, next, ofClient []int32
}

// lockLinearizability asks of each lock whether one order of its answers is that
// of a single lock.
func (c *Checker) lockLinearizability(ctx context.Context, p *Params) Property {
	x := &c.index
	if why := p.nothingToAnswerFor(); why != "" {
		return Property{Verdict: NotApplicable, Detail: why}
	}
	limit := newBudget(ctx)
	answers, unknown := 0, Property{}
	for lock := range x.locks {
		x.partOf(&c.lin.part, int32(lock), p)
		answers += len(c.lin.part.holds) + len(x.locks[lock].tries)
		if c.lin.witness(&c.lin.part).why == noFault {
			continue
		}
		property := c.lin.decide(x, int32(lock), p, limit)
		switch property.Verdict {
		case Violation:
			return property
		case Unknown:
			unknown = property
		}
	}
	if unknown.Detail != "" {
		return unknown
	}
	return Property{Verdict: OK, Detail: "an order of the lock's answers exists for " + counted(answers, "acquire")}
}

// decide judges a lock for which the plain order did not work out.
func (l *linearizer) decide(x *index, lock int32, p *Params, limit *budget) Property {
	x.searchPartOf(&l.part, lock, p)
	unknown := Property{Verdict: OK}
	for _, piece := range l.part.split() {
		f, steps := piece.order()
		l.ordered = max(l.ordered, steps)
		if f.why == noFault {
			continue
		}
		l.searched++
		result, c := x.search(piece, lock, f, p, limit)
		switch result {
		case Violation:
			return x.violation(piece, lock, f, c, p)
		case Unknown:
			unknown = Property{Verdict: Unknown, Lock: x.locks[lock].name,
				Detail: fmt.Sprintf("lock %s: no order was found, and none was ruled out: %s", x.locks[lock].name, limit.why)}
		}
	}
	return unknown
}

// split cuts a part where nothing is under way and the lock is surely free, so
// that each piece can be judged by itself: what a piece starts from is the largest
// token before it. Where tokens are unknown that is not known either, and there
// is one piece.
func (part *lockPart) split() []*lockPart {
	if part.tokens && slices.ContainsFunc(part.holds, func(s hold) bool { return s.token == 0 }) {
		return []*lockPart{part}
	}
	type item struct {
		from, to int64
		index    int
		of       uint8 // 0 hold, 1 maybe, 2 naming
	}
	bound := part.freeBy()
	items := make([]item, 0, len(part.holds)+len(part.maybes)+len(part.named))
	for i := range part.holds {
		s := &part.holds[i]
		items = append(items, item{s.takeLo, max(min(s.over, bound(s)), s.takeHi), i, 0})
	}
	for i := range part.maybes {
		m := &part.maybes[i]
		items = append(items, item{m.takeLo, max(bound(m), m.takeHi), i, 1})
	}
	for i := range part.named {
		items = append(items, item{part.named[i].lo, part.named[i].hi, i, 2})
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.from, b.from) })
	piece := make([]int, len(part.holds))
	var pieces []*lockPart
	end := int64(-1)
	for _, it := range items {
		if it.from > end {
			pieces = append(pieces, &lockPart{tokens: part.tokens, ordered: part.ordered, ties: part.ties})
		}
		end = max(end, it.to)
		last := pieces[len(pieces)-1]
		switch it.of {
		case 0:
			piece[it.index] = len(pieces) - 1
		case 1:
			last.maybes = append(last.maybes, part.maybes[it.index])
		case 2:
			last.named = append(last.named, part.named[it.index])
		}
	}
	for i, s := range part.holds {
		pieces[piece[i]].holds = append(pieces[piece[i]].holds, s)
	}
	before := part.before
	for _, p := range pieces {
		p.before = before
		before = before.after(p.holds)
	}
	return pieces
}

// after is the largest tokens once all holds have been.
func (t tokens) after(holds []hold) tokens {
	for i := range holds {
		s := &holds[i]
		t.any = max(t.any, s.token)
		if s.mode == Exclusive {
			t.exclusive = max(t.exclusive, s.token)
		}
	}
	return t
}

// freeBy returns, for a hold, a time by which it has surely left the lock in every
// order: when one that was asked for after it was answered, and that cannot stand
// beside it, was answered.
func (part *lockPart) freeBy() func(*hold) int64 {
	byCall := make([]int32, len(part.holds))
	for i := range byCall {
		byCall[i] = int32(i)
	}
	slices.SortFunc(byCall, func(a, b int32) int { return cmp.Compare(part.holds[a].takeLo, part.holds[b].takeLo) })
	all, writers := make([]int64, len(byCall)+1), make([]int64, len(byCall)+1)
	all[len(byCall)], writers[len(byCall)] = never, never
	for k := len(byCall) - 1; k >= 0; k-- {
		s := &part.holds[byCall[k]]
		all[k], writers[k] = min(all[k+1], s.takeHi), writers[k+1]
		if s.mode == Exclusive {
			writers[k] = min(writers[k], s.takeHi)
		}
	}
	return func(s *hold) int64 {
		k := sort.Search(len(byCall), func(k int) bool { return part.holds[byCall[k]].takeLo > s.takeHi })
		if s.mode == Shared {
			return writers[k]
		}
		return all[k]
	}
}
