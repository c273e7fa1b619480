package linearizability

import (
	"cmp"
	"slices"
)

// dropUnderWay removes the answers that name a client whose acquire was under way
// at the time. Such an acquire may have taken the lock without knowing it, lost it
// again when that lease ran out, and gone on trying: what it was told in the end
// says nothing of what it held before. What it can have left behind at its end, if
// it never got an answer, is a maybe.
//
//	c1  |--acquire-----(taken, reply lost)-----(run out)------ok--|
//	c2                     |-acquire: fail, c1 has it-|
func (part *lockPart) dropUnderWay(x *index, l *lockIndex) {
	if len(part.named) == 0 {
		return
	}
	type acquire struct {
		client    int32
		call, ret int64
	}
	all := make([]acquire, 0, len(l.grants)+len(l.tries))
	for _, at := range l.grants {
		g := &x.grants[at]
		all = append(all, acquire{g.client, g.invoke, g.ok})
	}
	for i := range l.tries {
		t := &l.tries[i]
		if t.inspect {
			continue
		}
		all = append(all, acquire{t.client, t.call, t.answered})
	}
	slices.SortFunc(all, func(a, b acquire) int { return cmp.Compare(b.ret, a.ret) })
	slices.SortFunc(part.named, func(a, b naming) int { return cmp.Compare(b.lo, a.lo) })
	// asked is, for each client, the first invoke of its acquires that end at lo or
	// later: one of them was under way if that is by hi.
	asked := map[int32]int64{}
	k := 0
	kept := part.named[:0]
	for _, n := range part.named {
		for ; k < len(all) && all[k].ret >= n.lo; k++ {
			if call, ok := asked[all[k].client]; !ok || all[k].call < call {
				asked[all[k].client] = all[k].call
			}
		}
		if call, ok := asked[n.client]; !ok || call > n.hi {
			kept = append(kept, n)
		}
	}
	part.named = kept
	slices.SortFunc(part.named, func(a, b naming) int { return cmp.Compare(a.at, b.at) })
}

// dropExplained removes the answers that every order explains: some grant of the
// client that they name had the lock by then in each, and cannot have ended before.
func (part *lockPart) dropExplained() {
	if len(part.named) == 0 {
		return
	}
	taken := make([]int32, len(part.holds))
	for i := range taken {
		taken[i] = int32(i)
	}
	slices.SortFunc(taken, func(a, b int32) int { return cmp.Compare(part.holds[a].takeHi, part.holds[b].takeHi) })
	slices.SortFunc(part.named, func(a, b naming) int { return cmp.Compare(a.hi, b.hi) })
	lasts := map[int32]int64{} // for each client, how long its grants taken by hi surely last
	k := 0
	kept := part.named[:0]
	for _, n := range part.named {
		for ; k < len(taken) && part.holds[taken[k]].takeHi <= n.hi; k++ {
			s := &part.holds[taken[k]]
			if end, ok := lasts[s.client]; !ok || end < s.endLo {
				lasts[s.client] = s.endLo
			}
		}
		if end, ok := lasts[n.client]; !ok || end < n.lo {
			kept = append(kept, n)
		}
	}
	part.named = kept
	slices.SortFunc(part.named, func(a, b naming) int { return cmp.Compare(a.at, b.at) })
}

// dropUseless removes the maybes that nobody can have seen. A maybe that took the
// lock only makes the rest harder, unless some answer names its client; and it
// need not have taken the lock after the last such answer.
func (part *lockPart) dropUseless() {
	if len(part.maybes) == 0 {
		return
	}
	part.lastNamed = part.lastNamed[:0]
	for i := range part.named {
		n := &part.named[i]
		for len(part.lastNamed) <= int(n.client) {
			part.lastNamed = append(part.lastNamed, unset)
		}
		part.lastNamed[n.client] = max(part.lastNamed[n.client], n.hi)
	}
	part.maybes = slices.DeleteFunc(part.maybes, func(m hold) bool {
		return int(m.client) >= len(part.lastNamed) || part.lastNamed[m.client] < m.takeLo
	})
	for i := range part.maybes {
		m := &part.maybes[i]
		m.takeHi = min(m.takeHi, part.lastNamed[m.client])
	}
}
