package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
)

// mutualExclusion sweeps over the belief intervals of each lock.
//
// A belief is [ok of the acquire or resume, first of release invoked, own validity
// over, told of the loss, crash, somebody else changed the record, end of recording).
// They are in the order of their start, so the largest overlap that one has with an
// earlier one is with whichever of those ends last:
//
//	c1 |=======================|          <- furthest end so far
//	c2      |====|
//	c3                |================|  overlap with c1
func (c *Checker) mutualExclusion(_ context.Context, p *Params) Property {
	x := &c.index
	worst := overlap{}
	count, grants := 0, 0
	for i := range x.locks {
		grants += len(x.locks[i].grants)
		c.stretches = x.stretchesOf(c.stretches[:0], int32(i))
		o := worstOverlap(c.stretches, p.Promises.NoRetake)
		if o.size == 0 {
			continue
		}
		count += c.countOverlaps(c.stretches, p.Promises.NoRetake)
		if o.size > worst.size {
			worst = o
		}
	}
	if worst.size == 0 {
		return Property{Verdict: OK, Detail: "no two beliefs overlapped in " + counted(grants, "grant")}
	}
	return x.overlapProperty(worst, count)
}

// stretch is one belief in a grant, To excluded.
type stretch struct {
	from, to int64
	grant    int32
	client   int32
	mode     Mode
}

// overlap is how long two grants were believed in at once.
type overlap struct {
	first, second stretch
	size          int64
}

// believed returns the half-open interval of the last belief in a grant.
func (x *index) believed(g *grant) (from, to int64) {
	to = min(g.beliefEnd, x.end)
	if g.tampered != unset {
		to = min(to, g.tampered)
	}
	return g.believes, to
}

// stretchesOf lists the beliefs of a lock in the order of their start.
func (x *index) stretchesOf(stretches []stretch, lock int32) []stretch {
	for _, at := range x.locks[lock].grants {
		g := &x.grants[at]
		if from, to := x.believed(g); to > from {
			stretches = append(stretches, stretch{from, to, at, g.client, g.mode})
		}
	}
	for _, b := range x.beliefs {
		if g := &x.grants[b.grant]; g.lock == lock && b.to > b.from {
			stretches = append(stretches, stretch{b.from, b.to, b.grant, g.client, g.mode})
		}
	}
	byStart := func(a, b stretch) int { return cmp.Compare(a.from, b.from) }
	if !slices.IsSortedFunc(stretches, byStart) {
		slices.SortStableFunc(stretches, byStart)
	}
	return stretches
}

// furthest are the beliefs that end last among those seen, of two clients.
type furthest struct {
	first, second stretch
}

func (f *furthest) add(s stretch) {
	switch {
	case s.to <= f.first.to && (s.client == f.first.client || s.to <= f.second.to):
	case s.to <= f.first.to:
		f.second = s
	case s.client == f.first.client:
		f.first = s
	default:
		f.first, f.second = s, f.first
	}
}

// rival returns the one that ends last, of another client than s if a client may be
// granted its own lease again.
func (f *furthest) rival(s stretch, noRetake bool) stretch {
	if !noRetake && f.first.client == s.client {
		return f.second
	}
	return f.first
}

func worstOverlap(stretches []stretch, noRetake bool) overlap {
	worst := overlap{}
	var all, exclusive furthest
	for _, s := range stretches {
		among := &all
		if s.mode == Shared {
			among = &exclusive
		}
		rival := among.rival(s, noRetake)
		if size := min(s.to, rival.to) - s.from; size > worst.size {
			worst = overlap{first: rival, second: s, size: size}
		}
		all.add(s)
		if s.mode == Exclusive {
			exclusive.add(s)
		}
	}
	return worst
}

// countOverlaps counts the pairs: all that overlap, less those of two readers, and
// less those of one client where it may be granted its own lease again.
func (c *Checker) countOverlaps(stretches []stretch, noRetake bool) int {
	pairs := c.countConflicts(stretches)
	if noRetake {
		return pairs
	}
	stretches = slices.Clone(stretches)
	slices.SortStableFunc(stretches, func(a, b stretch) int { return cmp.Compare(a.client, b.client) })
	for len(stretches) > 0 {
		n := slices.IndexFunc(stretches, func(s stretch) bool { return s.client != stretches[0].client })
		if n < 0 {
			n = len(stretches)
		}
		pairs -= c.countConflicts(stretches[:n])
		stretches = stretches[n:]
	}
	return pairs
}

func (c *Checker) countConflicts(stretches []stretch) int {
	return c.countPairs(stretches, func(Mode) bool { return true }) -
		c.countPairs(stretches, func(m Mode) bool { return m == Shared })
}

// countPairs counts the pairs of overlapping beliefs among those that count: those
// that started before this one, less those that had ended by then.
func (c *Checker) countPairs(stretches []stretch, counts func(Mode) bool) int {
	c.ends = c.ends[:0]
	for _, s := range stretches {
		if counts(s.mode) {
			c.ends = append(c.ends, s.to)
		}
	}
	slices.Sort(c.ends)
	pairs, started := 0, 0
	for _, s := range stretches {
		if counts(s.mode) {
			ended := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] > s.from })
			pairs += started - ended
			started++
		}
	}
	return pairs
}

func (x *index) overlapProperty(o overlap, count int) Property {
	a, b := &x.grants[o.first.grant], &x.grants[o.second.grant]
	until := "-" + seconds(o.first.to)
	if a.beliefEnd > x.end && o.first.to == x.end {
		until = " to the end of the run"
	}
	event, acquired := b.okAt, "acquired it"
	if o.second.from != b.ok {
		event, acquired = x.resumedAt(o.second), "believed in it again"
	}
	detail := fmt.Sprintf("c%d held %s%s %s%s (grant %d); c%d %s%s at %s (grant %d): overlap %s",
		a.client, x.locks[a.lock].name, modeNote(a.mode), seconds(o.first.from), until, a.id,
		b.client, acquired, modeNote(b.mode), seconds(o.second.from), b.id, seconds(o.size))
	if count > 1 {
		detail += fmt.Sprintf(" (the largest of %d)", count)
	}
	events := []int{int(a.okAt), int(b.okAt), int(event)}
	for _, end := range []int32{a.endAt, b.endAt} {
		if end >= 0 {
			events = append(events, int(end))
		}
	}
	return Property{Verdict: Violation, Detail: detail, Lock: x.locks[a.lock].name, At: o.second.from, Count: count,
		Size: o.size, Events: rising(events)}
}

// resumedAt returns the event by which a belief came back.
func (x *index) resumedAt(s stretch) int32 {
	for _, b := range x.beliefs {
		if b.grant == s.grant && x.h[b.resumeAt].At == s.from {
			return b.resumeAt
		}
	}
	return x.grants[s.grant].okAt
}

func modeNote(m Mode) string {
	if m == Shared {
		return " (shared)"
	}
	return ""
}

// rising sorts event positions and drops those named twice.
func rising(events []int) []int {
	slices.Sort(events)
	return slices.Compact(events)
}
