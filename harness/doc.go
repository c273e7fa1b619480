// Package harness performs one experiment from end to end:
//
//	scenario ──► world ──► history ──► verdict
//
// A Scenario holds everything that a run depends on. A world, simulated or live,
// gives each client its clock, its store and its share of the faults. The same
// workload runs in both: contend, hold, touch the protected resource, release or
// let go. What happens becomes a history, which package linearizability judges.
//
// A simulated run of a scenario is the same run each time, down to its trace
// hash. A live run is not: it is judged, and its history kept, but a replay of
// it is another run of the same scenario.
package harness
