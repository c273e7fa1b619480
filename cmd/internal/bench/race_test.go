//go:build race

package bench

// underRace: a simulation is one thread of control, in which the race detector
// has nothing to find and for which it takes thirty times as long.
const underRace = true
