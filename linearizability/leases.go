package linearizability

import (
	"cmp"
	"slices"
)

// belief is one that ended by the holder's own clock before it came back.
type belief struct {
	from, to        int64
	grant           int32
	endAt, resumeAt int32 // events
}

// resume notes that a holder believes again.
func (x *index) resume(i int, e *Event, g *grant, at int32) error {
	if g.endOp != OpExpire || g.lost != unset || g.release != unset || g.crash != unset {
		return malformed(i, e, "grant %d did not end by its holder's own clock", g.id)
	}
	x.beliefs = append(x.beliefs, belief{from: g.believes, to: g.beliefEnd, grant: at, endAt: g.endAt, resumeAt: int32(i)})
	g.believes, g.beliefEnd, g.endAt, g.endOp, g.expire = e.At, never, -1, OpInvalid, unset
	g.believingAt = int32(len(x.believing[e.Client]))
	x.believing[e.Client] = append(x.believing[e.Client], at)
	return nil
}

// endsBelief tells whether event i is one by which a belief in g ended.
func (x *index) endsBelief(i int, g *grant) bool {
	if g.endAt == int32(i) {
		return true
	}
	k, found := slices.BinarySearchFunc(x.beliefs, int32(i), func(b belief, at int32) int { return cmp.Compare(b.endAt, at) })
	return found && x.beliefs[k].endAt == int32(i)
}

// leases derives from when on each grant may have ended by itself: when the shortest
// lease that is promised has passed, or when somebody else changed the record.
func (x *index) leases(p *Promises) {
	slices.SortFunc(x.beliefs, func(a, b belief) int { return cmp.Compare(a.endAt, b.endAt) })
	lease := p.shortestLease()
	for i := range x.locks {
		l := &x.locks[i]
		for _, at := range l.grants {
			g := &x.grants[at]
			g.expiry = min(never, g.extended+lease)
			if g.tampered = l.tamperedFrom(g.extended); g.tampered != unset {
				g.expiry, g.loose = min(g.expiry, g.tampered), true
			}
		}
		if !p.NoRetake {
			x.retakes(l, p)
			x.unanswered(l)
		}
	}
}

// tamperedFrom returns the first time from at on at which somebody else touched the
// lock's record, or unset.
func (l *lockIndex) tamperedFrom(at int64) int64 {
	if k, _ := slices.BinarySearch(l.tampered, at); k < len(l.tampered) {
		return l.tampered[k]
	}
	return unset
}

// retakes finds the grants that may be a lease which their client had already. From
// then on the two are one lease: a release of the older may end the newer too.
//
//	grant 1  |======= paused ... - - - - release|
//	grant 2                |=====================?
func (x *index) retakes(l *lockIndex, p *Promises) {
	// Of each client: its last grant, and when older ones may have been released.
	type time struct{ from, to int64 }
	last, freed := map[int32]*grant{}, map[int32][]time{}
	for _, at := range l.grants {
		g := &x.grants[at]
		before := last[g.client]
		last[g.client] = g
		if before == nil {
			continue
		}
		if before.releasePhase == Ok && p.Release >= ReleaseProvesGone && before.released < g.sent {
			delete(freed, g.client) // it was gone, with all that were one with it
			continue
		}
		before.retaken, g.again = g.sent, true
		if from, to, released := before.releasing(); released {
			freed[g.client] = append(freed[g.client], time{from, to})
		}
		for _, r := range freed[g.client] {
			if r.to >= g.sent {
				g.loose = true
				g.expiry = min(g.expiry, max(r.from, g.sent))
			}
		}
	}
}

// unanswered lets each grant of a client end with an acquire of the same client that
// never got an answer: it may have taken that very lease, before or after, and may give
// it back at any time.
func (x *index) unanswered(l *lockIndex) {
	byClient := map[int32][]*try{}
	for i := range l.tries {
		if t := &l.tries[i]; !t.failed {
			byClient[t.client] = append(byClient[t.client], t)
		}
	}
	for _, at := range l.grants {
		g := &x.grants[at]
		for _, t := range byClient[g.client] {
			from := max(t.call, g.sent)
			if g.retaken == unset || from < g.retaken {
				g.retaken = from
			}
			g.again, g.loose = true, true
		}
	}
}

// releasing returns in which time a release of g, if there was one, was performed.
func (g *grant) releasing() (from, to int64, released bool) {
	switch {
	case g.releasePhase == PhaseInvalid || g.releaseUntil < 0:
		return 0, 0, false
	case g.releasePhase == Ok || g.releasePhase == Fail:
		return g.release, g.released, true
	case g.releaseUntil > 0:
		return g.release, g.releaseUntil, true
	}
	return g.release, never, true
}

// proof is what an ok release of g proves.
func (g *grant) proof(p *Promises) ReleaseProof {
	if g.loose {
		return min(p.Release, ReleaseProvesGone)
	}
	return p.Release
}

// orNever is a time that may be unset as one that never comes then.
func orNever(t int64) int64 {
	if t == unset {
		return never
	}
	return t
}
