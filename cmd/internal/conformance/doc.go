// Package conformance holds the tests of the backends that need a server: one run
// of the Store contract and of the lock over all stores that there are, and in a
// folder each what only one of them has. It has no code of its own.
//
// They are here, and not with the backends, so that whoever imports a backend gets
// neither servers nor the SDKs of other stores into go.sum.
package conformance
