// Package fault holds faults as data: what goes wrong in a run, where, when, for
// how long and by how much.
//
// A [Fault] does nothing by itself. The world in which a run takes place injects
// it: the simulator turns it into a change of a node's clock, a link or the
// simulated store; the live worlds turn it into a change of a client's Runtime,
// into a proxy's behaviour, into a signal or into a command to a real server.
// [Injectable] says which world can do what; a fault that a world cannot inject
// is refused with its reason and never skipped in silence.
//
// # Units
//
// Start and Duration count nanoseconds of true time since the start of the run,
// whatever any clock in the run shows. A fault is in force in [Start,
// Start+Duration): it has ended at its end. The unit of Amount depends on the
// kind and is nanoseconds, parts per million or per mille; [Describe] tells.
//
// # Targets
//
// A fault has one target: a client, named by its index from 0 and written c0,
// c1, ..., or the store, named by [Store] and written store. A fault of a link is
// a fault of the client whose link it is. A fault of every client is as many
// faults as there are clients.
//
// # Requests and moments
//
// A fault of some kinds may concern only reads, only writes or only waits: slow
// writes with fast reads, lost replies of writes alone. An aimed fault is armed at
// its Start and strikes at a moment of one request, or so long after the last one;
// it is in force for its Duration from then on. See [Aim].
//
// # Plans
//
// A [Plan] is the list of a run's faults in the order of their starts. Two faults
// of one kind at one target never overlap, because nobody could say whether their
// amounts add or replace each other; [Validate] refuses such a plan. Faults of
// different kinds may overlap and then hold together: latencies and losses
// compose, a jump counts on top of an offset, a client or a store stands still
// until the last fault that stops it has ended, and a crash ends what it finds.
//
// A plan is written as text, one fault a line ([Parse], [Plan.String]), drawn
// from a stream of choices ([Generate]) and cut down to what is needed to make a
// run fail ([Shrink]).
//
// # What the package promises
//
// Everything here is a function of its arguments. There is no clock, no random
// source, no environment and no floating point in anything that is generated, so
// the same choices give the same plan on every machine. No function keeps or
// changes a plan that it is given, except [Sort], which says so, and nothing here
// starts a goroutine.
package fault
