// Package live makes the world go wrong for clients that run as goroutines of
// one process against a real server.
//
//	client's goroutines ── Runtime ── Clock        what time it is, and sleeping
//	         └── Store (wraps a subjects.RawStore)  requests and replies get lost
//	               └── SDK ── Proxy ── server       what the network does to TCP
//
// An [Injector] carries out a fault.Plan on all of these.
//
// # What is real
//
// The server, its answers, the SDK and its connections, TCP, goroutines and
// their scheduling, and the passing of time. A request that was sent may be
// applied late, after its caller gave up or was killed.
//
// # What is not
//
// A clock's fault is a faulty view of the host's one monotonic clock, given to
// code that asks its Runtime: code that calls time.Now sees none of it. A crash
// is a Runtime and a Store whose every call fails for ever; goroutines wind down
// because of that, they are not unwound. Nothing can stand still: clients share
// one process, so there is no pause and no suspend, and Monotonic equals Now.
//
// The network's faults act on bytes in a proxy on the loopback interface. What a
// cut, a hold and a dial during either do, and how this compares to packets
// getting lost below TCP, is stated at [Proxy]. LoseRequest, LoseReply,
// DuplicateRequest and Throttle act on calls, in the Store, because a proxy that
// knows no protocol cannot tell where a request ends.
//
// # What is promised
//
// Nothing here repeats: the same plan meets another schedule each time. What was
// really done, and when, is recorded ([Applied]). Every goroutine that this
// package starts is waited for by the Close, Wait or Drain of what started it.
package live
