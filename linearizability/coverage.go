package linearizability

import "time"

// Coverage counts what a history exercised, so that a run in which nothing
// happened is not taken for one that passed.
type Coverage struct {
	// Acquires were asked for, Grants made; Failed were certainly not granted.
	Acquires int `json:"acquires"`
	Grants   int `json:"grants"`
	Failed   int `json:"failed"`
	// Contended acquires were asked for while somebody believed in a grant.
	Contended int `json:"contended"`
	Renews    int `json:"renews"`
	Releases  int `json:"releases"`
	// Expired grants reached the end of their validity; Lost ones were told.
	Expired int `json:"expired"`
	Lost    int `json:"lost"`
	// Takeovers are grants of a lock whose last grant was not released for
	// certain; Handoffs those of one that was, with the new holder waiting.
	Takeovers int `json:"takeovers"`
	Handoffs  int `json:"handoffs"`
	// Indefinite counts acquires, renews and releases with no known end.
	Indefinite int `json:"indefinite"`
	Crashes    int `json:"crashes"`
	// Rejected accesses were refused by a resource that compares tokens.
	Accesses int `json:"accesses"`
	Rejected int `json:"rejected"`

	// Uncontended and ContendedWait are how long acquires took until granted.
	Uncontended []time.Duration `json:"-"`
	// Calm are those of Uncontended that were asked for once all faults were over.
	Calm          []time.Duration `json:"-"`
	ContendedWait []time.Duration `json:"-"`
	// Failover is from the end of service of a grant that was not released (the
	// crash of its holder or, without one, its last renew) to the next grant, of
	// another client that could not stand beside it.
	Failover []time.Duration `json:"-"`
	// Handoff is from the release of a grant to the next one, that was waited for.
	Handoff []time.Duration `json:"-"`
}

// CoverageOf derives the coverage of h. A malformed history is counted up to where
// it stops being one.
func CoverageOf(p Params, h History) Coverage {
	var c Checker
	return c.Coverage(p, h)
}

// Coverage is CoverageOf with the checker's memory.
func (c *Checker) Coverage(p Params, h History) Coverage {
	x := &c.index
	// The error is for Check to report; what was read until then still counts.
	_ = x.build(&p, h)
	var v Coverage
	believers := make([]int, len(x.locks))
	crashes := x.crashes
	contended := make(map[int32]struct{})
	for i := range h {
		e := &h[i]
		v.count(e)
		switch e.Op {
		case OpCrash:
			for ; len(crashes) > 0 && crashes[0].event == int32(i); crashes = crashes[1:] {
				if crashes[0].belief {
					believers[crashes[0].lock]--
				}
			}
			continue
		case OpRead, OpWrite, OpRenew, OpGiveUp, OpAsk, OpInspect, OpTamper, OpClose:
			continue
		}
		lock, known := x.byName[e.Lock]
		if !known {
			continue
		}
		switch {
		case e.Op == OpAcquire && e.Phase == Invoke:
			if believers[lock] > 0 {
				v.Contended++
				contended[int32(i)] = struct{}{}
			}
		case e.Op == OpAcquire && e.Phase == Ok:
			believers[lock]++
		case e.Op == OpAcquire:
		case e.Op == OpResume:
			believers[lock]++
		default:
			if at, ok := x.byGrant.get(e.Grant); ok && x.endsBelief(i, &x.grants[at]) {
				believers[lock]--
			}
		}
	}
	v.samples(x, contended, p.HealAt)
	return v
}

// count counts what an event shows by itself.
func (v *Coverage) count(e *Event) {
	if e.Phase == Info && (e.Op == OpAcquire || e.Op == OpRenew || e.Op == OpRelease) {
		v.Indefinite++
	}
	switch e.Op {
	case OpAcquire:
		switch e.Phase {
		case Invoke:
			v.Acquires++
		case Ok:
			v.Grants++
		case Fail:
			v.Failed++
		}
	case OpRenew:
		if e.Phase == Invoke {
			v.Renews++
		}
	case OpRelease:
		if e.Phase == Invoke {
			v.Releases++
		}
	case OpExpire:
		v.Expired++
	case OpLost:
		v.Lost++
	case OpCrash:
		v.Crashes++
	case OpRead, OpWrite:
		v.Accesses++
		if e.Phase == Fail {
			v.Rejected++
		}
	}
}

// samples measures the grants of each lock, one after the other.
func (v *Coverage) samples(x *index, contended map[int32]struct{}, healAt time.Duration) {
	for i := range x.locks {
		var last, lastExclusive *grant
		for _, at := range x.locks[i].grants {
			g := &x.grants[at]
			wait := time.Duration(g.ok - g.invoke)
			if _, was := contended[g.invokeAt]; was {
				v.ContendedWait = append(v.ContendedWait, wait)
			} else {
				v.Uncontended = append(v.Uncontended, wait)
				if g.invoke >= int64(healAt) {
					v.Calm = append(v.Calm, wait)
				}
			}
			before := last
			if g.mode == Shared {
				before = lastExclusive
			}
			if before != nil {
				v.succession(before, g)
			}
			last = g
			if g.mode == Exclusive {
				lastExclusive = g
			}
			if g.mode == Shared && before == lastExclusive {
				// One reader follows the writer; the others follow that reader.
				lastExclusive = nil
			}
		}
	}
}

// succession measures how next came after before.
func (v *Coverage) succession(before, next *grant) {
	if before.releasePhase == Ok {
		if next.invoke <= before.release && next.ok >= before.release {
			v.Handoffs++
			v.Handoff = append(v.Handoff, time.Duration(next.ok-before.release))
		}
		return
	}
	v.Takeovers++
	served := max(before.sent, before.renewSent)
	if before.crash != unset {
		served = before.crash
	}
	if next.client != before.client && before.releasePhase == PhaseInvalid && next.ok >= served {
		v.Failover = append(v.Failover, time.Duration(next.ok-served))
	}
}

// Add adds what another history exercised.
func (v *Coverage) Add(o Coverage) {
	v.Acquires += o.Acquires
	v.Grants += o.Grants
	v.Failed += o.Failed
	v.Contended += o.Contended
	v.Renews += o.Renews
	v.Releases += o.Releases
	v.Expired += o.Expired
	v.Lost += o.Lost
	v.Takeovers += o.Takeovers
	v.Handoffs += o.Handoffs
	v.Indefinite += o.Indefinite
	v.Crashes += o.Crashes
	v.Accesses += o.Accesses
	v.Rejected += o.Rejected
	v.Uncontended = append(v.Uncontended, o.Uncontended...)
	v.Calm = append(v.Calm, o.Calm...)
	v.ContendedWait = append(v.ContendedWait, o.ContendedWait...)
	v.Failover = append(v.Failover, o.Failover...)
	v.Handoff = append(v.Handoff, o.Handoff...)
}
