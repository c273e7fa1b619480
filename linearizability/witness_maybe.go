package linearizability

import "slices"

// witnessWithMaybes is witness, and where an answer names a client that no grant
// explains, takes an acquire of that client with no known end as having happened,
// at a place in the order that fits. The part is left as it was.
func (l *linearizer) witnessWithMaybes(part *lockPart) fault {
	given := part.holds
	defer func() { part.holds = given }()
	order := slices.Clone(given)
	unused := slices.Clone(part.maybes)
	for {
		part.holds = slices.Clone(order)
		f := l.witness(part)
		if f.why != namedWrongly {
			return f.inOrder(part, given)
		}
		n := part.named[f.naming]
		at := slices.IndexFunc(unused, func(m hold) bool { return m.client == n.client && m.takeLo <= n.hi })
		if at < 0 {
			return f.inOrder(part, given)
		}
		inserted := false
		for ; at < len(unused) && !inserted; at++ {
			m := unused[at]
			if m.client != n.client || m.takeLo > n.hi {
				continue
			}
			if order, inserted = part.insert(order, m, &n); inserted {
				unused = slices.Delete(unused, at, at+1)
			}
		}
		if !inserted {
			return f.inOrder(part, given)
		}
	}
}

// insert tries to put m into an order, in force during n. It looks at the places
// that end just before n does.
func (part *lockPart) insert(order []hold, m hold, n *naming) ([]hold, bool) {
	const places = 6
	m.takeHi = min(m.takeHi, n.hi)
	m.endLo = max(m.endLo, n.lo)
	if m.takeLo > m.takeHi {
		return order, false
	}
	after := part.near(n.hi) + 1
	for at := min(after, len(order)); at >= 0 && at > after-places; at-- {
		tried := slices.Insert(slices.Clone(order), at, m)
		part.holds = slices.Clone(tried)
		if part.schedule().why == noFault {
			return tried, true
		}
	}
	return order, false
}

// inOrder translates the positions of a fault, found in an order with maybes put
// in, to positions in the given holds.
func (f fault) inOrder(part *lockPart, given []hold) fault {
	position := func(at int) int {
		if at < 0 || at >= len(part.holds) {
			return -1
		}
		for ; at >= 0; at-- {
			if g := part.holds[at].grant; g >= 0 {
				return slices.IndexFunc(given, func(s hold) bool { return s.grant == g })
			}
		}
		return -1
	}
	f.at, f.blocker = max(position(f.at), 0), position(f.blocker)
	return f
}
