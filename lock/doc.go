// Package lock is a lease lock with fencing tokens over any compare-and-swap
// store.
//
// # What it promises
//
// At most one holder of a lock believes in its lease at any instant, whatever
// the network, the wall clocks, pauses, suspends, crashes and lost replies do,
// as long as (1) the store keeps its contract (see Store) and (2) every
// process's Runtime clock runs at a rate within Config.MaxClockDriftPPM of true
// time. Every grant of a lock carries a token greater than that of every
// earlier grant, as long as the record is not deleted.
//
// # What it does not promise
//
// No lease lock can stop a process that believed in its lease, was paused, and
// then writes late: the belief is checked before the write, and time passes in
// between. Pass Lease.Token to the resource and let it reject every access,
// reads included, that carries a smaller token than it has seen. A store that
// forgets a write it acknowledged can break exclusion and repeat a token.
//
// # How it works
//
// One record per lock holds a token, the holder's id, its lease length and a
// beat, a counter that the holder raises at every renewal. No instant of any
// clock is ever stored.
//
//	holder     CAS sent ──► applied ──► reply      believes until sent + ttl·(1-drift)
//	             t0          t1          t2
//	contender                     read returned, beat b     may take over at t3 + ttl·(1+drift),
//	                                   t3                   if the beat is still b
//
// The holder counts from before its write was applied, the contender from after
// it read it, each on its own clock: t0 ≤ t1 ≤ t3, so the first ends before
// the second begins. The takeover is a compare-and-swap on the very revision
// that was watched; a renewal that lands first makes it fail.
//
// A write whose reply is lost is neither a success nor a failure. The lock
// reads the record again and looks for its own id and beat there. Because every
// write names the revision it replaces, one that lands late can only replace
// what its sender had seen.
//
// The rules are pure functions in rules.go. Nothing here reads a clock, starts
// a goroutine or waits except through Runtime and Store, which is what lets the
// same lines run in a simulator.
package lock
