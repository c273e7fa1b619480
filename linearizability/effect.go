package linearizability

import (
	"context"
	"fmt"
)

// effects is what one resource per lock saw.
type effects struct {
	accesses, rejected         int
	staleReads, staleWrites    int
	lost                       int
	broken                     bool // the resource was no register
	first, firstCause          int  // events of the first witness
	brokenAt                   int
	detail, brokenDetail, lock string
}

// resource follows the accesses to one lock's resource, in its own order.
type resource struct {
	// value is what was written last (event valueAt), or read first of all.
	touched bool
	value   int64
	valueAt int
	// newest is the newest grant that got in, newestExclusive likewise.
	newest, newestExclusive     *grant
	newestAt, newestExclusiveAt int
}

func (c *Checker) fencedEffect(_ context.Context, p *Params) Property {
	if !p.Promises.Tokens {
		return Property{Verdict: NotApplicable, Detail: "not promised: grants carry no tokens"}
	}
	return c.effectProperty(true, p.Promises.Tokens)
}

func (c *Checker) unfencedEffect(_ context.Context, p *Params) Property {
	return c.effectProperty(false, p.Promises.Tokens)
}

func (c *Checker) effectProperty(fenced, tokens bool) Property {
	f := c.index.effects(fenced, tokens)
	if f.accesses == 0 {
		return Property{Verdict: NotApplicable, Detail: "no access was recorded"}
	}
	bad := f.staleReads + f.staleWrites + f.lost
	summary := fmt.Sprintf("%d accesses, %d rejected", f.accesses, f.rejected)
	switch {
	case f.broken:
		return Property{Verdict: Unknown, Detail: "the resource itself cannot be trusted: " + f.brokenDetail,
			At: c.index.h[f.brokenAt].At, Events: []int{f.brokenAt}}
	case bad > 0:
		detail := fmt.Sprintf("%s, %s, %s in %s; first: %s", counted(f.lost, "lost update"),
			counted(f.staleWrites, "stale write"), counted(f.staleReads, "stale read"), summary, f.detail)
		return Property{Verdict: Violation, Detail: detail, Lock: f.lock, At: c.index.h[f.first].At, Count: bad,
			Events: rising([]int{f.firstCause, f.first})}
	}
	return Property{Verdict: OK, Detail: "no stale access and no lost update in " + summary}
}

// effects replays the accesses of one kind of resource.
//
//   - An access is stale if a newer grant had got in before; two readers do not
//     make each other stale. Newer is a larger token or, without tokens, a later
//     grant.
//   - A write of v says that its writer had read v-1. If the last applied value
//     is another one, the writes in between are lost.
func (x *index) effects(fenced, tokens bool) effects {
	f := effects{first: -1}
	resources := make([]resource, len(x.locks))
	for i := range x.h {
		e := &x.h[i]
		if e.Op != OpRead && e.Op != OpWrite || e.Fenced != fenced {
			continue
		}
		f.accesses++
		if e.Phase == Fail {
			f.rejected++
			continue
		}
		at, _ := x.byGrant.get(e.Grant)
		g := &x.grants[at]
		x.access(&f, &resources[g.lock], g, i, e, tokens)
	}
	return f
}

func (x *index) access(f *effects, r *resource, g *grant, i int, e *Event, tokens bool) {
	rival, rivalAt := r.newest, r.newestAt
	if g.mode == Shared {
		rival, rivalAt = r.newestExclusive, r.newestExclusiveAt
	}
	stale := rival != nil && rival.newerThan(g, tokens)
	if stale {
		f.witness(x, i, rivalAt, "c%d's %v under grant %d of lock %s was let through at %s, after grant %d of c%d at %s",
			g.client, e.Op, g.id, e.Lock, seconds(e.At), rival.id, rival.client, seconds(x.h[rivalAt].At))
	}
	switch {
	case e.Op == OpRead && stale:
		f.staleReads++
	case e.Op == OpWrite && stale:
		f.staleWrites++
	}
	switch {
	case e.Op == OpRead && r.touched && e.Value != r.value:
		if !f.broken {
			f.broken, f.brokenAt = true, i
			f.brokenDetail = fmt.Sprintf("c%d read %d from lock %s's resource at %s, where %d was written last",
				g.client, e.Value, e.Lock, seconds(e.At), r.value)
		}
	case e.Op == OpWrite && r.touched && e.Value-1 != r.value:
		f.lost++
		f.witness(x, i, r.valueAt, "c%d wrote %d to lock %s's resource at %s, where %d had been written: updates in between are lost",
			g.client, e.Value, e.Lock, seconds(e.At), r.value)
	}
	if e.Op == OpWrite || !r.touched {
		r.touched, r.value, r.valueAt = true, e.Value, i
	}
	if r.newest == nil || !r.newest.newerThan(g, tokens) {
		r.newest, r.newestAt = g, i
	}
	if g.mode == Exclusive && (r.newestExclusive == nil || !r.newestExclusive.newerThan(g, tokens)) {
		r.newestExclusive, r.newestExclusiveAt = g, i
	}
}

// witness keeps the first.
func (f *effects) witness(x *index, i, cause int, format string, args ...any) {
	if f.first >= 0 {
		return
	}
	f.first, f.firstCause, f.lock = i, cause, x.h[i].Lock
	f.detail = fmt.Sprintf(format, args...)
}

func (g *grant) newerThan(other *grant, tokens bool) bool {
	if tokens && g.token != 0 && other.token != 0 {
		return g.token > other.token
	}
	return g.id > other.id
}
