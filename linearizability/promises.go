package linearizability

import (
	"fmt"
	"time"
)

// ReleaseProof is what a release that returned nil proves.
type ReleaseProof uint8

// The proofs.
const (
	// ReleaseProvesNothing: the release of a lease that was lost long ago returns
	// nil too, and so does one that the store never saw.
	ReleaseProvesNothing ReleaseProof = iota
	// ReleaseProvesGone: the grant does not hold the lock any more. It may have
	// been lost before the release was called.
	ReleaseProvesGone
	// ReleaseProvesHeld: the grant held the lock until this release took it away.
	ReleaseProvesHeld
)

// Promises are what a lock under test says of itself, and so what it is judged
// by: a property of which it promises nothing is n/a. The zero value promises
// mutual exclusion and no more. Durations are true time, of a holder that runs.
type Promises struct {
	// ShortestLease is how long after its last extending request was sent a grant
	// keeps others out at the least, whatever its holder does short of releasing it.
	// 0: a lease may end at any time. Forever: a grant never ends by itself.
	ShortestLease time.Duration
	// ShortestBelief is how long after that request a running holder may at the
	// earliest take its lease for lost by its own clock. What it says of the lease
	// before then is the word of the store. 0: at any time.
	ShortestBelief time.Duration
	// Release is what a release that returned nil proves.
	Release ReleaseProof
	// NoRetake: a client is not granted a lock that it holds. Without it, a client
	// may be granted its own lease again, and a release of either grant may end both.
	NoRetake bool
	// EndIsFinal: a belief that has ended never comes back. Without it, a holder
	// may go on where its lease turns out to be unbroken.
	EndIsFinal bool
	// LossNotice: a holder is told of every loss, also where the lock gives it no
	// end of validity.
	LossNotice bool
	// Tokens: grants carry fencing tokens that rise with every grant.
	Tokens bool
	// KeepsTrying: a waiting acquire fails only if its caller gave up, or the store
	// refused a request for good.
	KeepsTrying bool
	// GrantsFree: a lock that nobody can hold is not refused.
	GrantsFree bool
	// CallLimit bounds how long a call goes on after nothing keeps it: a release
	// from its invoke, an acquire from when its caller gave up. 0: no bound.
	CallLimit time.Duration
	// RenewEvery is the longest time that a running holder of a lease that renews
	// itself goes without sending a renewal. 0: no bound.
	RenewEvery time.Duration
	// WaitGrants bounds how many grants of a lock others get while one client waits
	// for it with everything healed. 0: no bound.
	WaitGrants int
	// RenewalOff: a lease may be taken without renewal, and then ends by its holder's
	// own clock. Without it, nothing may be left to run out.
	RenewalOff bool
	// Requests are the most requests to the store that calls need. Zero fields are
	// no bound.
	Requests RequestBudget
}

// RequestBudget bounds the requests of calls that met no fault.
type RequestBudget struct {
	// Acquire is for one that need not wait, Renew and Release for one call each.
	Acquire, Renew, Release int
	// Wait is for one that waits: each of the grants that it waits through, and
	// each poll interval, may cost that much.
	Wait int
}

// Forever is the ShortestLease of a lock whose grants never end by themselves.
const Forever = time.Duration(maxTime)

var releaseProofNames = [...]string{"nothing", "gone", "held"}

func (r ReleaseProof) String() string {
	if int(r) < len(releaseProofNames) {
		return releaseProofNames[r]
	}
	return fmt.Sprintf("proof(%d)", uint8(r))
}

// MarshalText writes "nothing", "gone" or "held".
func (r ReleaseProof) MarshalText() ([]byte, error) {
	if int(r) >= len(releaseProofNames) {
		return nil, fmt.Errorf("no such proof: %d", uint8(r))
	}
	return []byte(releaseProofNames[r]), nil
}

// UnmarshalText reads what MarshalText writes.
func (r *ReleaseProof) UnmarshalText(b []byte) error {
	for i, name := range releaseProofNames {
		if name == string(b) {
			*r = ReleaseProof(i)
			return nil
		}
	}
	return fmt.Errorf("release proves %q: it must be nothing, gone or held", b)
}

// shortestLease and shortestBelief are the promises as times to add to an instant.
func (p *Promises) shortestLease() int64  { return orForever(p.ShortestLease) }
func (p *Promises) shortestBelief() int64 { return orForever(p.ShortestBelief) }

func orForever(d time.Duration) int64 {
	if d >= Forever {
		return never
	}
	return int64(d)
}

func (p *Promises) check() error {
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"shortest_lease", p.ShortestLease}, {"shortest_belief", p.ShortestBelief},
		{"call_limit", p.CallLimit}, {"renew_every", p.RenewEvery},
	} {
		if d.d < 0 || int64(d.d) > maxTime {
			return fmt.Errorf("promises: %s %v is out of range", d.name, d.d)
		}
	}
	for _, n := range []struct {
		name string
		n    int
	}{
		{"wait_grants", p.WaitGrants}, {"acquire", p.Requests.Acquire}, {"renew", p.Requests.Renew},
		{"release", p.Requests.Release}, {"wait", p.Requests.Wait},
	} {
		if n.n < 0 || n.n > maxClients {
			return fmt.Errorf("promises: %s %d is out of range", n.name, n.n)
		}
	}
	if p.Release > ReleaseProvesHeld {
		return fmt.Errorf("promises: %v", p.Release)
	}
	return nil
}

// promisesJSON is Promises as a header line spells it.
type promisesJSON struct {
	ShortestLease  span         `json:"shortest_lease,omitzero"`
	ShortestBelief span         `json:"shortest_belief,omitzero"`
	Release        ReleaseProof `json:"release"`
	NoRetake       bool         `json:"no_retake,omitempty"`
	EndIsFinal     bool         `json:"end_is_final,omitempty"`
	LossNotice     bool         `json:"loss_notice,omitempty"`
	Tokens         bool         `json:"tokens,omitempty"`
	KeepsTrying    bool         `json:"keeps_trying,omitempty"`
	GrantsFree     bool         `json:"grants_free,omitempty"`
	CallLimit      span         `json:"call_limit,omitzero"`
	RenewEvery     span         `json:"renew_every,omitzero"`
	WaitGrants     int          `json:"wait_grants,omitempty"`
	RenewalOff     bool         `json:"renewal_off,omitempty"`
	Requests       *budgetJSON  `json:"requests,omitempty"`
}

type budgetJSON struct {
	Acquire int `json:"acquire,omitempty"`
	Renew   int `json:"renew,omitempty"`
	Release int `json:"release,omitempty"`
	Wait    int `json:"wait,omitempty"`
}

func (p Promises) toJSON() *promisesJSON {
	j := &promisesJSON{
		ShortestLease: span(p.ShortestLease), ShortestBelief: span(p.ShortestBelief), Release: p.Release,
		NoRetake: p.NoRetake, EndIsFinal: p.EndIsFinal, LossNotice: p.LossNotice, Tokens: p.Tokens,
		KeepsTrying: p.KeepsTrying, GrantsFree: p.GrantsFree, CallLimit: span(p.CallLimit),
		RenewEvery: span(p.RenewEvery), WaitGrants: p.WaitGrants, RenewalOff: p.RenewalOff,
	}
	if p.Requests != (RequestBudget{}) {
		b := budgetJSON(p.Requests)
		j.Requests = &b
	}
	return j
}

func (j *promisesJSON) promises() Promises {
	p := Promises{
		ShortestLease: time.Duration(j.ShortestLease), ShortestBelief: time.Duration(j.ShortestBelief), Release: j.Release,
		NoRetake: j.NoRetake, EndIsFinal: j.EndIsFinal, LossNotice: j.LossNotice, Tokens: j.Tokens,
		KeepsTrying: j.KeepsTrying, GrantsFree: j.GrantsFree, CallLimit: time.Duration(j.CallLimit),
		RenewEvery: time.Duration(j.RenewEvery), WaitGrants: j.WaitGrants, RenewalOff: j.RenewalOff,
	}
	if j.Requests != nil {
		p.Requests = RequestBudget(*j.Requests)
	}
	return p
}

// LeasePromises are those of a plain lease lock on clocks whose rates are wrong by
// at most driftPPM: a contender waits out ttl on its own clock, a holder believes
// for ttl x (1 - drift) on its own, and an answer is the store's. A header without
// promises, as they were written once, is read with these.
func LeasePromises(ttl time.Duration, driftPPM int64) Promises {
	if ttl == 0 {
		return Promises{Release: ReleaseProvesHeld, NoRetake: true, EndIsFinal: true}
	}
	margin := time.Duration(scalePPM(int64(ttl), driftPPM))
	return Promises{ShortestLease: ttl - margin, ShortestBelief: max(0, ttl-2*margin),
		Release: ReleaseProvesHeld, NoRetake: true, EndIsFinal: true}
}
