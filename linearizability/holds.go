package linearizability

import (
	"cmp"
	"slices"
)

// hold is one grant, or one acquire that may have been granted, as an order of
// the lock's answers sees it: it takes the lock at some time from takeLo to
// takeHi, and leaves it at some time from endLo to endHi, but not inside the gap.
//
//	takeLo      takeHi    endLo   gapLo  gapHi      endHi
//	  |- - -take- - -|      |- -end- -|xxxx|- -end- - -|
//
// A release that ended ok must be the end. Otherwise the end is the lease's own,
// or that of a release with no known end, and it need not come at all; but as it
// may come as late as one likes, leaving it out of no use is no restriction.
//
// Renewals that ended ok are in endLo: between two points of a grant it was held
// throughout, as no grant comes back. A renewal that proved the loss is in endHi.
type hold struct {
	takeLo, takeHi int64
	endLo, endHi   int64
	gapLo, gapHi   int64 // gapLo is never where there is no gap
	// over is by when an answer shows that it had left the lock, never without one.
	// One that was asked for at the very moment of the take does not count: it may
	// come before the take in an order.
	over  int64
	token uint64
	// grant is its position in the index; -1 for a maybe, whose try is at.
	grant, at int32
	client    int32
	mode      Mode
	again     bool // it may be the lease that its client had already

	// Where the last schedule put it.
	take, end int64
}

// hold derives the intervals of a grant. Intervals of operations are made longer
// where something is not known, never shorter.
func (g *grant) hold(at int32, p *Promises) hold {
	expiry := g.expiry
	s := hold{takeLo: g.sent, takeHi: g.ok, endLo: expiry, endHi: never, gapLo: never, gapHi: never, over: never,
		token: g.token, grant: at, at: -1, client: g.client, mode: g.mode, again: g.again}
	if g.retaken != unset {
		// Its client holds the lock by another grant from here on, and what is said of
		// either may be said of both.
		s.endLo = max(g.sent, min(expiry, g.retaken, orNever(g.release)))
		return s
	}
	switch g.releasePhase {
	case Ok:
		switch g.proof(p) {
		case ReleaseProvesHeld:
			s.endLo, s.endHi = max(g.release, g.extended), g.released
		case ReleaseProvesGone:
			s.endLo, s.endHi = max(g.extended, min(g.release, expiry)), g.released
		default:
			s.endLo = max(g.extended, min(g.release, expiry))
		}
	case Fail:
		// An earlier attempt of the same release may be what took the lock away.
		s.endLo = max(g.extended, min(g.release, expiry))
		if g.answeredByLock(p) {
			s.endHi = g.released
		}
	case Info, Invoke:
		if g.releaseUntil >= 0 {
			s.endLo = max(g.extended, min(g.release, expiry))
		}
		if g.releaseUntil > 0 && g.releaseUntil < expiry {
			s.gapLo, s.gapHi = g.releaseUntil, expiry
		}
	}
	if g.releasePhase == Ok && s.endHi < never || g.release > g.ok {
		s.over = s.endHi
	}
	if g.renewFail != unset {
		s.endHi = min(s.endHi, g.renewFail)
		if g.renewFailCall > g.ok {
			s.over = min(s.over, g.renewFail)
		}
	}
	return s
}

// ending is when a hold can leave the lock.
type ending struct {
	lo, hi int64
}

// ties are the other ends of a hold that took the lock at the very moment of its
// answer: a renew or a release that was called at that moment too, and failed, may
// have come before it in an order, and then says nothing of the end.
func (g *grant) ties(h *hold, p *Promises) []ending {
	if g.retaken != unset {
		return nil
	}
	renew := g.renewFail != unset && g.renewFailCall <= g.ok
	release := g.releasePhase == Fail && g.release <= g.ok && g.answeredByLock(p)
	if !renew && !release {
		return nil
	}
	without := func(renewToo, releaseToo bool) ending {
		e := ending{lo: h.endLo, hi: never}
		if releaseToo {
			e.lo = max(g.extended, g.expiry)
		} else {
			e.hi = g.releasedBy(p)
		}
		if g.renewFail != unset && !renewToo {
			e.hi = min(e.hi, g.renewFail)
		}
		return e
	}
	var all []ending
	if renew {
		all = append(all, without(true, false))
	}
	if release {
		all = append(all, without(false, true))
	}
	if renew && release {
		all = append(all, without(true, true))
	}
	return all
}

// releasedBy is by when the answer to its release proves that a grant had left the
// lock, never if it proves nothing.
func (g *grant) releasedBy(p *Promises) int64 {
	switch {
	case g.releasePhase == Fail && g.answeredByLock(p):
		return g.released
	case g.releasePhase == Ok && g.proof(p) == ReleaseProvesHeld:
		return g.released
	case g.releasePhase == Ok && g.proof(p) == ReleaseProvesGone:
		return max(g.extended, g.released)
	}
	return never
}

// answeredByLock tells whether a failed release must be the lock's own answer:
// the client's clock cannot have told it that the lease is over.
func (g *grant) answeredByLock(p *Promises) bool {
	return g.released < g.extended+p.shortestBelief() && (g.expire == unset || g.expire > g.released)
}

// maybe is an acquire with no known end as a hold that may have been. It may be
// over at any time: a lock that gives up on an acquire may free in the background
// what it took.
func (t *try) maybe(at int32) hold {
	s := hold{takeLo: t.call, takeHi: never, endLo: t.call, endHi: never,
		gapLo: never, gapHi: never, over: never, grant: -1, at: at, client: t.client, mode: t.mode}
	if t.until > 0 {
		s.takeHi = t.until
	}
	return s
}

// lockPart is the part of one lock's history that is being judged: its grants in
// the order in which they are tried, what may have been granted besides, and the
// answers that name a holder.
type lockPart struct {
	holds  []hold
	maybes []hold
	named  []naming
	tokens bool
	// ordered: the tokens leave only one order, that of holds. Else holds are in the
	// order of their answers.
	ordered bool
	// before holds the tokens that this part starts from.
	before tokens
	// ties are, by grant, the other ends that a hold can have if it took the lock at
	// takeHi. Only what an order is searched for has them.
	ties map[int32][]ending

	lastNamed []int64 // per client, scratch
}

// tokens are the largest that a lock has given out: to anybody, and to a writer.
type tokens struct {
	any, exclusive uint64
}

// next tells whether a grant may come now, and the tokens after it. An unknown
// token of a lock that has tokens is the smallest that it can be. A grant that may be
// a lease which its client had already (again) may carry the same token again.
func (t tokens) next(token uint64, mode Mode, again bool) (tokens, bool) {
	switch {
	case again && token != 0 && token == t.any:
		return t, true
	case token == 0 && mode == Shared:
		token = max(t.any, t.exclusive+1)
	case token == 0:
		token = t.any + 1
	case token < t.any, token <= t.exclusive, token == t.any && mode == Exclusive:
		return t, false
	}
	t.any = token
	if mode == Exclusive {
		t.exclusive = token
	}
	return t, true
}

// naming is a failed acquire that said which client is in the way: that client
// held the lock at some time from lo to hi.
type naming struct {
	lo, hi int64
	client int32 // who is named
	at     int32 // try
}

// partOf derives one lock's holds. Where tokens are all known they leave only one
// order; else the order of the answers is tried.
func (x *index) partOf(part *lockPart, lock int32, p *Params) {
	l := &x.locks[lock]
	part.holds, part.maybes, part.named = part.holds[:0], part.maybes[:0], part.named[:0]
	part.tokens, part.before = p.Promises.Tokens && len(l.tampered) == 0, tokens{}
	all := part.tokens
	part.holds = slices.Grow(part.holds, len(l.grants))
	for _, at := range l.grants {
		g := &x.grants[at]
		all = all && g.token != 0
		part.holds = append(part.holds, g.hold(at, &p.Promises))
	}
	part.reserve(l.tries)
	for at := range l.tries {
		t := &l.tries[at]
		switch {
		case t.failed && t.holder < 0:
		case t.failed:
			part.named = append(part.named, naming{lo: t.call, hi: t.ret, client: t.holder, at: int32(at)})
		default:
			part.maybes = append(part.maybes, t.maybe(int32(at)))
		}
	}
	part.ordered = all
	if all {
		byToken := func(a, b hold) int {
			return cmp.Or(cmp.Compare(a.token, b.token), cmp.Compare(a.takeHi, b.takeHi))
		}
		if !slices.IsSortedFunc(part.holds, byToken) {
			slices.SortStableFunc(part.holds, byToken)
		}
	}
}

// reserve makes room for what the tries of a long history come to.
func (part *lockPart) reserve(tries []try) {
	maybes, named := 0, 0
	for i := range tries {
		switch {
		case !tries[i].failed:
			maybes++
		case tries[i].holder >= 0:
			named++
		}
	}
	part.maybes, part.named = slices.Grow(part.maybes, maybes), slices.Grow(part.named, named)
}

// searchPartOf is partOf for a search: without the answers that prove nothing, and
// with no more maybes than the rest can need. A witness does without, as it takes
// no maybe as having happened and one answer more to place only makes it fail.
func (x *index) searchPartOf(part *lockPart, lock int32, p *Params) {
	x.partOf(part, lock, p)
	part.ties = nil
	for i := range part.holds {
		h := &part.holds[i]
		if all := x.grants[h.grant].ties(h, &p.Promises); all != nil {
			if part.ties == nil {
				part.ties = map[int32][]ending{}
			}
			part.ties[h.grant] = all
		}
	}
	part.dropUnderWay(x, &x.locks[lock])
	part.dropExplained()
	part.dropUseless()
}
