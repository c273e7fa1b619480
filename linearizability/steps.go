package linearizability

import (
	"cmp"
	"slices"
	"sort"

	"github.com/anishathalye/porcupine"
)

// chosen are the holds and answers of a part that are searched together.
//
// Any set of grants will do to prove a violation: leave a grant out of an order
// that fits, and the rest still fits, as the lock was merely free for longer.
// Answers that name a holder are kept only with every grant that may explain
// them.
type chosen struct {
	holds  []int // positions, rising
	maybes []int
	named  []int
}

// everything chooses the whole part.
func (part *lockPart) everything() chosen {
	count := func(n int) []int {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	return chosen{holds: count(len(part.holds)), maybes: count(len(part.maybes)), named: count(len(part.named))}
}

// around chooses the holds from position lo up to hi and the blocker, the answers
// that they can explain, and the maybes of which those answers may speak.
func (part *lockPart) around(lo, hi int, f fault) chosen {
	var c chosen
	in := make([]bool, len(part.holds))
	for i := range part.holds {
		if in[i] = i >= lo && i < hi || i == f.blocker; in[i] {
			c.holds = append(c.holds, i)
		}
	}
	from, to := never, unset
	for _, i := range c.holds {
		from, to = min(from, part.holds[i].takeLo), max(to, part.holds[i].takeHi)
	}
	candidates := map[int32][]int{}
	for i := range part.holds {
		client := part.holds[i].client
		candidates[client] = append(candidates[client], i)
	}
	clients := map[int32]bool{}
	for i := range part.named {
		n := &part.named[i]
		aimed := f.why == namedWrongly && i == f.naming
		if !aimed && (n.hi < from || n.lo > to) {
			continue
		}
		explained := !slices.ContainsFunc(candidates[n.client], func(k int) bool {
			s := &part.holds[k]
			return !in[k] && s.takeLo <= n.hi && s.latestEnd() >= n.lo
		})
		if explained {
			c.named = append(c.named, i)
			clients[n.client] = true
		}
	}
	for i := range part.maybes {
		if clients[part.maybes[i].client] {
			c.maybes = append(c.maybes, i)
		}
	}
	return c
}

// latestEnd is a bound on the end that holds even where a later operation on the
// grant contradicts its release.
func (h *hold) latestEnd() int64 { return max(h.endHi, h.endLo) }

// steps writes the chosen as operations of the model. They are built from what was
// recorded, not from the intervals that the witness derives from it, so that the
// search does not lean on that derivation.
func (x *index) steps(part *lockPart, lock int32, c chosen, p *Params) []step {
	steps := make([]step, 0, 3*len(c.holds)+2*len(c.maybes)+len(c.named))
	for _, i := range c.holds {
		steps = x.grantSteps(steps, &x.grants[part.holds[i].grant], holderID(i), p)
	}
	for _, i := range c.maybes {
		m := &part.maybes[i]
		id := holderID(len(part.holds) + i)
		event := x.locks[lock].tries[m.at].callAt
		steps = append(steps, step{kind: stepMaybe, mode: m.mode, client: m.client, holder: id, call: m.takeLo, ret: m.takeHi, event: event})
		if m.endLo < never {
			steps = append(steps, step{kind: stepEnd, mode: m.mode, client: m.client, holder: id, call: m.endLo, ret: never, event: -1})
		}
	}
	for _, i := range c.named {
		n := &part.named[i]
		t := &x.locks[lock].tries[n.at]
		steps = append(steps, step{kind: stepNamed, client: n.client, call: n.lo, ret: n.hi, event: t.retAt})
	}
	return boundEnds(steps)
}

func (x *index) grantSteps(steps []step, g *grant, id holderID, p *Params) []step {
	base := step{mode: g.mode, client: g.client, holder: id, token: g.token}
	add := func(kind stepKind, call, ret int64, event int32) {
		s := base
		s.kind, s.call, s.ret, s.event = kind, call, ret, event
		steps = append(steps, s)
	}
	base.again = g.again
	add(stepTake, g.sent, g.ok, g.okAt)
	if g.retaken != unset {
		add(stepEnd, max(g.sent, min(g.expiry, g.retaken, orNever(g.release))), never, -1)
		return steps
	}
	if g.renewedAt >= 0 {
		add(stepHeld, g.extended, x.h[g.renewedAt].At, g.renewedAt)
	}
	if g.renewFail != unset {
		add(stepGone, g.renewFailCall, g.renewFail, g.renewFailedAt)
	}
	expiry := g.expiry
	switch g.releasePhase {
	case Ok:
		switch g.proof(&p.Promises) {
		case ReleaseProvesHeld:
			add(stepRelease, g.release, g.released, g.releaseAt)
			return steps
		case ReleaseProvesGone:
			add(stepEnd, min(expiry, g.release), g.released, g.releaseAt)
			return steps
		}
		expiry = min(expiry, g.release)
	case Fail:
		if g.answeredByLock(&p.Promises) {
			add(stepEnd, g.release, g.released, g.releaseAt)
		} else {
			expiry = min(expiry, g.release)
		}
	case Info, Invoke:
		switch {
		case g.releaseUntil > 0:
			add(stepMaybeEnd, g.release, g.releaseUntil, g.releaseAt)
		case g.releaseUntil == 0:
			expiry = min(expiry, g.release)
		}
	}
	if expiry < never {
		add(stepEnd, expiry, never, -1)
	}
	return steps
}

// boundEnds narrows the ends that may come at any time, each of which doubles the
// search. A grant has left the lock when one that was asked for after its answer,
// and that cannot stand beside it, takes the lock; or when an answer says that it
// has. An end that came later did nothing, and may as well come at that moment.
// One that cannot come so early did nothing at all and is left out.
func boundEnds(steps []step) []step {
	var takes []int
	for i := range steps {
		if steps[i].kind == stepTake {
			takes = append(takes, i)
		}
	}
	slices.SortFunc(takes, func(a, b int) int { return cmp.Compare(steps[a].call, steps[b].call) })
	// firstRet[k] is the earliest return among takes[k:], for all and for writers.
	all, writers := make([]int64, len(takes)+1), make([]int64, len(takes)+1)
	all[len(takes)], writers[len(takes)] = never, never
	for k := len(takes) - 1; k >= 0; k-- {
		s := &steps[takes[k]]
		all[k], writers[k] = min(all[k+1], s.ret), writers[k+1]
		if s.mode == Exclusive {
			writers[k] = min(writers[k], s.ret)
		}
	}
	calls := make([]int64, len(takes))
	for k, i := range takes {
		calls[k] = steps[i].call
	}
	taken, gone := map[holderID]int64{}, map[holderID]int64{}
	for i := range steps {
		switch s := &steps[i]; s.kind {
		case stepTake, stepMaybe:
			taken[s.holder] = s.ret
		case stepGone:
			// An answer that was asked for at the very moment of the take may come
			// before it in an order, and prove nothing.
			if s.call > taken[s.holder] {
				gone[s.holder] = s.ret
			}
		}
	}
	kept := steps[:0]
	for _, s := range steps {
		if s.kind == stepEnd || s.kind == stepMaybeEnd {
			k := sort.Search(len(takes), func(k int) bool { return calls[k] > taken[s.holder] })
			if s.mode == Exclusive {
				s.ret = min(s.ret, all[k])
			} else {
				s.ret = min(s.ret, writers[k])
			}
			if at, ok := gone[s.holder]; ok {
				s.ret = min(s.ret, at)
			}
			if s.ret < s.call {
				continue
			}
		}
		kept = append(kept, s)
	}
	return kept
}

// operations writes steps for porcupine.
func operations(steps []step) []porcupine.Operation {
	ops := make([]porcupine.Operation, len(steps))
	for i := range steps {
		s := &steps[i]
		ops[i] = porcupine.Operation{ClientId: int(s.client), Input: s, Call: s.call, Return: s.ret}
	}
	return ops
}
