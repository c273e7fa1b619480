package linearizability

import "time"

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
// mutual exclusion and no more. Durations are true time.
type Promises struct {
	// ShortestLease is how long after its last extending request was sent a grant
	// keeps others out at the least, whatever its holder does. 0: a lease may end
	// at any time.
	ShortestLease time.Duration
	// ShortestBelief is how long after that request a running holder may at the
	// earliest take its lease for lost by its own clock. 0: at any time.
	ShortestBelief time.Duration
	// Release is what a release that returned nil proves.
	Release ReleaseProof
	// NoRetake: a client is not granted a lock that it holds. Without it, a client
	// may be granted its own lease again.
	NoRetake bool
	// EndIsFinal: a belief that has ended never comes back. Without it, a holder
	// may go on where its lease turns out to be unbroken.
	EndIsFinal bool
	// LossNotice: a holder is told of every loss, also where the lock gives it no
	// end of validity.
	LossNotice bool
	// Tokens: grants carry fencing tokens that rise with every grant.
	Tokens bool
	// KeepsTrying: a waiting acquire fails only if its caller gave up.
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
