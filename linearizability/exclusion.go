package linearizability

import (
	"context"
	"fmt"
	"slices"
	"sort"
)

// mutualExclusion sweeps over the belief intervals of each lock.
//
// A belief is [ok of the acquire, first of release invoked, own validity over,
// told of the loss, crash, end of recording). Grants are in the order of their
// start, so the largest overlap that a grant has with an earlier one is with
// whichever of those ends last:
//
//	c1 |=======================|          <- furthest end so far
//	c2      |====|
//	c3                |================|  overlap with c1
func (c *Checker) mutualExclusion(context.Context, *Params) Property {
	x := &c.index
	worst := overlap{}
	count, grants := 0, 0
	for i := range x.locks {
		grants += len(x.locks[i].grants)
		o := x.worstOverlap(x.locks[i].grants)
		if o.size == 0 {
			continue
		}
		count += c.countOverlaps(x.locks[i].grants)
		if o.size > worst.size {
			worst = o
		}
	}
	if worst.size == 0 {
		return Property{Verdict: OK, Detail: "no two beliefs overlapped in " + counted(grants, "grant")}
	}
	return x.overlapProperty(worst, count)
}

// overlap is how long two grants were believed in at once.
type overlap struct {
	first, second int32
	size          int64
}

// believed returns the half-open interval of a belief.
func (x *index) believed(g *grant) (from, to int64) {
	return g.ok, min(g.beliefEnd, x.end)
}

func (x *index) worstOverlap(grants []int32) overlap {
	worst := overlap{}
	// The grant with the furthest end among all, and among exclusive ones.
	any, exclusive := int32(-1), int32(-1)
	anyEnd, exclusiveEnd := unset, unset
	for _, at := range grants {
		g := &x.grants[at]
		from, to := x.believed(g)
		if to <= from {
			continue
		}
		rival, rivalEnd := any, anyEnd
		if g.mode == Shared {
			rival, rivalEnd = exclusive, exclusiveEnd
		}
		if size := min(to, rivalEnd) - from; rival >= 0 && size > worst.size {
			worst = overlap{first: rival, second: at, size: size}
		}
		if to > anyEnd {
			any, anyEnd = at, to
		}
		if g.mode == Exclusive && to > exclusiveEnd {
			exclusive, exclusiveEnd = at, to
		}
	}
	return worst
}

// countOverlaps counts the pairs: all that overlap, less those of two readers.
func (c *Checker) countOverlaps(grants []int32) int {
	return c.countPairs(grants, func(*grant) bool { return true }) -
		c.countPairs(grants, func(g *grant) bool { return g.mode == Shared })
}

// countPairs counts the pairs of overlapping beliefs among the grants that count:
// those that started before this one, less those that had ended by then.
func (c *Checker) countPairs(grants []int32, counts func(*grant) bool) int {
	x := &c.index
	c.ends = c.ends[:0]
	for _, at := range grants {
		g := &x.grants[at]
		if from, to := x.believed(g); to > from && counts(g) {
			c.ends = append(c.ends, to)
		}
	}
	slices.Sort(c.ends)
	pairs, started := 0, 0
	for _, at := range grants {
		g := &x.grants[at]
		if from, to := x.believed(g); to > from && counts(g) {
			ended := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] > from })
			pairs += started - ended
			started++
		}
	}
	return pairs
}

func (x *index) overlapProperty(o overlap, count int) Property {
	a, b := &x.grants[o.first], &x.grants[o.second]
	_, to := x.believed(a)
	until := "to " + seconds(to)
	if a.beliefEnd > x.end {
		until = "to the end of the run"
	}
	detail := fmt.Sprintf("c%d believed in grant %d of lock %s%s from %s %s; c%d was granted it%s (grant %d) at %s: overlap %s",
		a.client, a.id, x.locks[a.lock].name, modeNote(a.mode), seconds(a.ok), until,
		b.client, modeNote(b.mode), b.id, seconds(b.ok), seconds(o.size))
	if count > 1 {
		detail += fmt.Sprintf(" (the largest of %d)", count)
	}
	events := []int{int(a.okAt), int(b.okAt)}
	for _, end := range []int32{a.endAt, b.endAt} {
		if end >= 0 {
			events = append(events, int(end))
		}
	}
	return Property{Verdict: Violation, Detail: detail, Lock: x.locks[a.lock].name, At: b.ok, Count: count,
		Size: o.size, Events: rising(events)}
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
