// Package sim is a deterministic world for lock clients: nodes with their own
// clocks, links to one store, and a fault.Plan that makes all of them go wrong.
//
// # What it promises
//
// One Config and one sequence of answers from its Chooser give one execution:
// the same events in the same order with the same Hash, on every machine and
// processor. So a failing run is a seed, and a seed can be replayed.
//
// # Why that holds
//
// There is one thread of control. Each task is a coroutine (iter.Pull), of which
// at most one is ever awake; it runs without any virtual time passing until it
// calls something that blocks. Everything else is an event in one heap ordered
// by (true time, order of scheduling). Events of an instant come before the
// tasks of that instant, and where several tasks could run, the Chooser picks.
// All arithmetic is on integers, no map is ever ranged over, no address and no
// wall-clock reading reaches a decision. Every random answer comes from the one
// Chooser, through a stream with a name of its own, so that a new kind of fault
// does not reshuffle the seeds of the old ones.
//
// # What a task may do
//
// It may block only in Runtime.Sleep, a join function, a call of the
// ClientStore, or Node.RoundTrip. It may use contexts without a deadline: a
// context is looked at after each step of any task of the node, so a call
// returns in the very instant its context ends. It must not start goroutines,
// wait on channels that another task feeds, or ask for the time of day. A task
// that blocks anywhere else is found by the watchdog (ErrStuck).
//
// # Failure model
//
//	task          departure     link       store      link      task
//	 | call ------- > |---------- > |------- > apply ---- > |------ > |
//	       (1 ns..5 µs)  (200 µs..2 ms)              (200 µs..2 ms)
//
// A pause or suspend that begins before the departure keeps the request on the
// node until it ends: that is a process that has decided to write and is stopped
// before it does. A crash before the departure means that the request was never
// sent; after it, the request lives on without its process. A call whose context
// ends returns an indefinite error, and its request, too, lives on: it may be
// applied later (Counters.LateWrites). A lost request or reply is silence, until
// the caller's context ends.
//
// A pause can begin only where a task blocks or between call and departure:
// code between two blocking points is one instant, unless Config.PreemptEvery
// asks for interruptions where the clock is read. Faults aimed at a moment of one
// request (fault.Aim) begin at one of
//
//	task   call ---- before | sent ------> applied ------> answered | goes on
//
// # Kinds of stores
//
// StoreConfig makes the store one or another of those that there are: with
// revisions that occur under many keys, with an SDK that tries again and meets
// its own write, with waits that are answered late or from a cache. None of these
// breaks the contract of lock.Store. Faults that do (fault.StaleRead,
// fault.LostWrite) and changes by somebody who is no client (OnTamper) have to be
// in the plan.
//
// # What it does not promise
//
// It cannot see a data race (one thread of control), and it does not model
// memory, disks or CPU time.
package sim
