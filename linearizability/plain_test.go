package linearizability

import (
	"fmt"
	"slices"
	"strings"
)

// This file judges the answers of one lock once more, slowly and straight from the
// events. It shares nothing with the checker but the types of a history: no index,
// no intervals of holds, no steps, no model of porcupine. What it believes is written
// down here a second time, from the package comment and the comments of Event.

// plainOp is something that took effect at one moment from lo to hi.
type plainOp struct {
	kind     string // take, maybe, held, gone, release, end, expiry, named
	lo, hi   int64
	grant    int64 // negative for a maybe
	client   int
	mode     Mode
	token    uint64
	optional bool
}

// plainForever is later than all that the tests write.
const plainForever = int64(1) << 50

// plainGrant is what the events say of one grant.
type plainGrant struct {
	take              plainOp
	extended          int64
	expire            int64 // -1: none
	renewCall         int64
	fails             []plainOp // renewals that said that it was gone
	held              []plainOp
	release, released int64
	releasePhase      Phase
	releaseUntil      int64
	releaseWord       bool // the release failed while the client could not know that by itself
}

// plainAcquire is one call, from its invoke until nobody waited for its answer.
type plainAcquire struct {
	client   int
	from, to int64
	ended    Phase
	until    int64
	mode     Mode
	holder   int
}

// plainly reads the events of one lock.
func plainly(p Params, h History) []plainOp {
	lease, belief := int64(p.Promises.ShortestLease), int64(p.Promises.ShortestBelief)
	grants := map[int64]*plainGrant{}
	var order []int64
	var acquires []*plainAcquire
	open := map[int]*plainAcquire{} // by process
	end := int64(p.End)
	for _, e := range h {
		end = max(end, e.At)
		g := grants[e.Grant]
		switch {
		case e.Op == OpAcquire && e.Phase == Invoke:
			open[e.Process] = &plainAcquire{client: e.Client, from: e.At, mode: e.Mode}
			acquires = append(acquires, open[e.Process])
		case e.Op == OpAcquire:
			a := open[e.Process]
			delete(open, e.Process)
			a.to, a.ended, a.until, a.holder = e.At, e.Phase, e.Until, e.Holder
			if e.Phase == Ok {
				sent := max(a.from, e.Since)
				grants[e.Grant] = &plainGrant{extended: sent, expire: -1,
					take: plainOp{kind: "take", lo: sent, hi: e.At, grant: e.Grant, client: e.Client, mode: e.Mode, token: e.Token}}
				order = append(order, e.Grant)
			}
		case e.Op == OpCrash:
			for process, a := range open {
				if a.client == e.Client {
					a.to, a.ended = e.At, Info
					delete(open, process)
				}
			}
		case e.Op == OpExpire:
			if g.expire < 0 {
				g.expire = e.At
			}
		case e.Op == OpRenew && e.Phase == Invoke:
			g.renewCall = e.At
		case e.Op == OpRenew && e.Phase == Ok:
			sent := max(g.renewCall, e.Since)
			g.extended = max(g.extended, sent)
			g.held = append(g.held, plainOp{kind: "held", lo: sent, hi: e.At, grant: e.Grant, client: e.Client})
		case e.Op == OpRenew && e.Phase == Fail:
			if e.At < g.extended+belief {
				g.fails = append(g.fails, plainOp{kind: "gone", lo: g.renewCall, hi: e.At, grant: e.Grant, client: e.Client})
			}
		case e.Op == OpRelease && e.Phase == Invoke:
			g.release, g.releasePhase = e.At, Invoke
		case e.Op == OpRelease:
			g.released, g.releasePhase, g.releaseUntil = e.At, e.Phase, e.Until
			g.releaseWord = e.At < g.extended+belief
		}
	}
	for _, a := range open {
		a.to, a.ended = end, Info
	}
	var ops []plainOp
	for _, id := range order {
		ops = append(ops, grants[id].ops(lease, p.Promises.Release)...)
	}
	return append(ops, plainAnswers(acquires)...)
}

// ops are the moments of one grant.
func (g *plainGrant) ops(lease int64, proof ReleaseProof) []plainOp {
	ops := append([]plainOp{g.take}, g.held...)
	for _, f := range g.fails {
		if g.expire < 0 || f.hi < g.expire {
			ops = append(ops, f)
		}
	}
	over := plainOp{kind: "end", hi: plainForever, grant: g.take.grant, client: g.take.client, optional: true}
	expiry := over
	expiry.kind, expiry.lo = "expiry", g.extended+lease
	ops = append(ops, expiry)
	over.lo = g.release
	switch g.releasePhase {
	case Ok:
		switch proof {
		case ReleaseProvesHeld:
			over.kind, over.hi, over.optional = "release", g.released, false
		case ReleaseProvesGone:
			over.hi, over.optional = g.released, false
		}
		return append(ops, over)
	case Fail:
		if g.releaseWord && (g.expire < 0 || g.expire > g.released) {
			over.hi, over.optional = g.released, false
		}
		return append(ops, over)
	case Invoke:
		return append(ops, over)
	case Info:
		if g.releaseUntil > 0 {
			over.hi = g.releaseUntil
		}
		if g.releaseUntil >= 0 {
			ops = append(ops, over)
		}
	}
	return ops
}

// plainAnswers are the acquires that were not granted for certain.
func plainAnswers(acquires []*plainAcquire) []plainOp {
	var ops []plainOp
	for i, a := range acquires {
		switch {
		case a.ended == Info && a.until >= 0:
			m := plainOp{kind: "maybe", lo: a.from, hi: plainForever, grant: -int64(i) - 1, client: a.client, mode: a.mode, optional: true}
			if a.until > 0 {
				m.hi = a.until
			}
			back := m
			back.kind, back.hi = "end", plainForever
			ops = append(ops, m, back)
		case a.ended == Fail && a.holder > 0:
			asking := slices.ContainsFunc(acquires, func(b *plainAcquire) bool {
				never := b.ended == Info && b.until < 0
				return b.client == a.holder-1 && !never && b.from <= a.to && b.to >= a.from
			})
			if !asking {
				ops = append(ops, plainOp{kind: "named", lo: a.from, hi: a.to, client: a.holder - 1})
			}
		}
	}
	return ops
}

// plainState is the lock and what has happened to it.
type plainState struct {
	done                uint64 // operations
	now                 int64
	holders             []plainOp // the takes of those who hold it
	largest, largestOne uint64    // tokens: of all, of writers
}

// plainSearch tries everything.
type plainSearch struct {
	ops    []plainOp
	tokens bool
	retake bool // a client may be granted its own lease again
	failed map[string]bool
	budget int
}

// plainVerdict says whether some order of the answers is that of a single lock.
// Unknown: there were too many to try.
func plainVerdict(p Params, h History) Status {
	s := &plainSearch{ops: plainly(p, h), tokens: p.Promises.Tokens, retake: !p.Promises.NoRetake, failed: map[string]bool{}, budget: 60_000}
	if len(s.ops) > 64 {
		return Unknown
	}
	found := s.from(plainState{})
	switch {
	case found:
		return OK
	case s.budget <= 0:
		return Unknown
	}
	return Violation
}

func (s *plainSearch) from(st plainState) bool {
	left := false
	for i, op := range s.ops {
		if st.done&(1<<i) == 0 && !op.optional {
			left = true
			if op.hi < st.now {
				return false
			}
		}
	}
	if !left {
		return true
	}
	key := fmt.Sprint(st.done, st.now, st.holders, st.largest, st.largestOne)
	if s.failed[key] || s.budget <= 0 {
		return false
	}
	s.budget--
	for i, op := range s.ops {
		if st.done&(1<<i) != 0 || max(st.now, op.lo) > op.hi {
			continue
		}
		for _, next := range s.outcomes(st, op) {
			next.done, next.now = st.done|1<<i, max(st.now, op.lo)
			if s.from(next) {
				return true
			}
		}
	}
	s.failed[key] = true
	return false
}

// outcomes are the states that an operation may lead to. Where a client may be granted
// its own lease again, all its grants that come after another without a gap are one
// lease: what is said of one may hold for the other, and a release of one end both. That the
// time of one is up ends that one alone, as to take a lease again extends it.
func (s *plainSearch) outcomes(st plainState, op plainOp) []plainState {
	var all []plainState
	if next, ok := s.perform(st, op); ok {
		all = append(all, next)
	}
	if !s.retake {
		return all
	}
	own := slices.DeleteFunc(slices.Clone(st.holders), func(t plainOp) bool { return t.client != op.client })
	if len(own) == 0 || op.kind == "named" {
		return all
	}
	without := st
	without.holders = slices.DeleteFunc(slices.Clone(st.holders), func(t plainOp) bool { return t.client == op.client })
	switch op.kind {
	case "take", "maybe":
		if next, ok := s.perform(without, op); ok {
			all = append(all, next)
		}
		if op.token == st.largest { // the lease keeps its token
			s := *s
			s.tokens = false
			if next, ok := s.perform(without, op); ok {
				all = append(all, next)
			}
		}
	case "held":
		all = append(all, st)
	case "release", "end":
		all = append(all, st, without)
	}
	return all
}

// perform lets an operation happen to the lock, if it can.
func (s *plainSearch) perform(st plainState, op plainOp) (plainState, bool) {
	at := slices.IndexFunc(st.holders, func(t plainOp) bool { return t.grant == op.grant })
	switch op.kind {
	case "take", "maybe":
		for _, t := range st.holders {
			if t.mode == Exclusive || op.mode == Exclusive {
				return st, false
			}
		}
		st.holders = append(slices.Clone(st.holders), op)
		slices.SortFunc(st.holders, func(a, b plainOp) int { return strings.Compare(fmt.Sprint(a.grant), fmt.Sprint(b.grant)) })
		if !s.tokens {
			return st, true
		}
		// A reader's token may be that of other readers, never that of a writer.
		least := st.largest + 1
		if op.mode == Shared && st.largest > st.largestOne {
			least = st.largest
		}
		token := op.token
		if token == 0 {
			token = least
		}
		st.largest = max(st.largest, token)
		if op.mode == Exclusive {
			st.largestOne = token
		}
		return st, token >= least
	case "held":
		return st, at >= 0
	case "gone":
		return st, at < 0
	case "named":
		return st, slices.ContainsFunc(st.holders, func(t plainOp) bool { return t.client == op.client })
	case "release":
		if at < 0 {
			return st, false
		}
	}
	// The end of a lease, or a release that may have been: of one that holds the
	// lock, and of a maybe only after it took it.
	if at >= 0 {
		st.holders = slices.Delete(slices.Clone(st.holders), at, at+1)
	}
	return st, true
}
