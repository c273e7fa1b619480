// Package house holds tests of the source itself: which room may import which,
// what may not be used where, how long a function may be. It has no code of its
// own. Each rule is a function from a file to what is wrong with it, and is seen
// to fail on a small bad source beside the run over the real ones.
//
// The rules look at syntax, not at types: they catch what is done in passing,
// not what is done to get round them.
package house
