package linearizability

import (
	"cmp"
	"fmt"
	"slices"
)

// everyClient is the client of an interval in which the host stood still.
const everyClient = -1

// lateTimers is how many timers in a row a bound may wait for: each may be late.
const lateTimers = 4

// hostLost gathers what is taken off every bound.
func (x *index) hostLost(p *Params) {
	x.lost = append(x.lost[:0], p.Faulty...)
	for _, s := range p.Stalls {
		x.lost = append(x.lost, Interval{Client: everyClient, From: s.From, To: s.To})
	}
	slices.SortFunc(x.lost, func(a, b Interval) int { return cmp.Compare(a.From, b.From) })
	x.late = min(lateTimers*int64(p.Lateness), maxTime)
}

// due returns by when a client that runs must have done what a bound of d from a time
// on gives it: the time in which it or the host stood still does not count.
//
//	from
//	  |-----d-----|                         running
//	  |--[ paused ]--[ host stalled ]---|   both in between
func (x *index) due(client int32, from, d int64) int64 {
	return running(x.lost, int(client), from, min(d, maxTime)+x.late)
}

// stalled returns for how long the host stood still from a time to another.
func (x *index) stalled(from, to int64) int64 {
	sum := int64(0)
	for _, s := range x.lost {
		if s.Client != everyClient {
			continue
		}
		if lo, hi := max(int64(s.From), from), min(int64(s.To), to); hi > lo {
			sum, from = sum+hi-lo, hi
		}
	}
	return sum
}

// stalledNote says for how long the host stood still, if it did.
func (x *index) stalledNote(from, to int64) string {
	if lost := x.stalled(from, to); lost > 0 {
		return fmt.Sprintf("; the host stood still for %s of it", seconds(lost))
	}
	return ""
}

// undisturbed tells whether the client ran, and the host with it, from a time to
// another.
func (x *index) undisturbed(client int32, from, to int64) bool {
	return !slices.ContainsFunc(x.lost, func(l Interval) bool {
		return (l.Client == everyClient || l.Client == int(client)) && int64(l.From) <= to && int64(l.To) >= from
	})
}
