package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// tokenOrder checks that tokens rise along real time: a grant whose request was
// sent after another grant had been answered carries a larger token, and no two
// grants share one. Readers may share theirs with readers.
func (c *Checker) tokenOrder(_ context.Context, p *Params) Property {
	if !p.Promises.Tokens {
		return Property{Verdict: NotApplicable, Detail: "not promised: grants carry no tokens"}
	}
	x := &c.index
	known := 0
	for i := range x.grants {
		if x.grants[i].token != 0 {
			known++
		}
	}
	if len(x.grants) > 0 && known == 0 {
		return Property{Verdict: Unknown, Detail: "no grant of the history carries a token"}
	}
	for i := range x.locks {
		if len(x.locks[i].tampered) > 0 {
			continue // whoever removes a record lets its tokens begin anew
		}
		for _, find := range []func([]int32) (int32, int32, bool){c.fallingToken, c.sharedToken} {
			if a, b, found := find(x.locks[i].grants); found {
				return x.tokenProperty(&x.grants[a], &x.grants[b])
			}
		}
	}
	detail := "tokens rose in " + counted(known, "grant")
	if known < len(x.grants) {
		detail += fmt.Sprintf("; %d without a token were not compared", len(x.grants)-known)
	}
	return Property{Verdict: OK, Detail: detail}
}

// tokensBy returns the grants that have a token, sorted by a key.
func (c *Checker) tokensBy(grants []int32, key func(*grant) int64) []int32 {
	x := &c.index
	c.order = c.order[:0]
	for _, at := range grants {
		if x.grants[at].token != 0 {
			c.order = append(c.order, at)
		}
	}
	by := func(a, b int32) int { return cmp.Compare(key(&x.grants[a]), key(&x.grants[b])) }
	if !slices.IsSortedFunc(c.order, by) {
		slices.SortStableFunc(c.order, by)
	}
	return c.order
}

// fallingToken walks the grants in the order of their requests, and keeps the
// largest token that had been answered before each.
func (c *Checker) fallingToken(grants []int32) (before, after int32, found bool) {
	x := &c.index
	answered := 0
	top, topExclusive := int32(-1), int32(-1)
	for _, at := range c.tokensBy(grants, func(g *grant) int64 { return g.sent }) {
		g := &x.grants[at]
		for ; answered < len(grants) && x.grants[grants[answered]].ok < g.sent; answered++ {
			a := &x.grants[grants[answered]]
			if top < 0 || a.token > x.grants[top].token {
				top = grants[answered]
			}
			if a.mode == Exclusive && (topExclusive < 0 || a.token > x.grants[topExclusive].token) {
				topExclusive = grants[answered]
			}
		}
		if topExclusive >= 0 && g.token <= x.grants[topExclusive].token && !g.sameLease(&x.grants[topExclusive]) {
			return topExclusive, at, true
		}
		if top >= 0 && !g.sameLease(&x.grants[top]) && (g.token < x.grants[top].token || g.mode == Exclusive && g.token == x.grants[top].token) {
			return top, at, true
		}
	}
	return 0, 0, false
}

func (c *Checker) sharedToken(grants []int32) (a, b int32, found bool) {
	x := &c.index
	order := c.tokensBy(grants, func(g *grant) int64 { return int64(g.token) })
	for i := 0; i < len(order); {
		first := i
		exclusive := -1
		for ; i < len(order) && x.grants[order[i]].token == x.grants[order[first]].token; i++ {
			if x.grants[order[i]].mode == Exclusive {
				exclusive = i
			}
		}
		if i-first < 2 || exclusive < 0 || x.oneLease(order[first:i]) {
			continue
		}
		other := first
		if exclusive == first {
			other++
		}
		return min(order[other], order[exclusive]), max(order[other], order[exclusive]), true
	}
	return 0, 0, false
}

// sameLease tells whether g may be the lease of an older grant, taken again by the
// client that had it.
func (g *grant) sameLease(older *grant) bool {
	return g.again && g.client == older.client && g.token == older.token
}

// oneLease tells whether grants of one token may all be one lease, taken again and
// again.
func (x *index) oneLease(grants []int32) bool {
	first := &x.grants[slices.Min(grants)]
	for _, at := range grants {
		if g := &x.grants[at]; g != first && !g.sameLease(first) {
			return false
		}
	}
	return true
}

func (x *index) tokenProperty(a, b *grant) Property {
	var detail string
	if a.token == b.token {
		detail = fmt.Sprintf("grant %d of c%d (at %s) and grant %d of c%d (at %s) of lock %s carry the same token %d",
			a.id, a.client, seconds(a.ok), b.id, b.client, seconds(b.ok), x.locks[a.lock].name, a.token)
	} else {
		detail = fmt.Sprintf("c%d got grant %d of lock %s with token %d at %s; c%d asked at %s and got grant %d with token %d, which is not above it",
			a.client, a.id, x.locks[a.lock].name, a.token, seconds(a.ok), b.client, seconds(b.sent), b.id, b.token)
	}
	return Property{Verdict: Violation, Detail: detail, Lock: x.locks[a.lock].name, At: b.ok,
		Events: rising([]int{int(a.okAt), int(b.invokeAt), int(b.okAt)})}
}
