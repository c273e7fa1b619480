// Package servers starts real store servers for tests, for CI and for live
// runs, so that nothing has to be installed first.
//
// It promises a server on the loopback interface that answers before the
// constructor returns, a Restart that keeps the address and the data, and a
// Stop that leaves neither files nor goroutines behind. It does not promise
// production settings: there is no authentication and no encryption, and data
// lives in a temporary directory unless the caller names one.
//
// A server that is shut down or restarted here stops as its own software stops
// in an orderly way: connections are closed and files are synced. The loss of
// a machine, which would lose writes that were not synced yet, is not modelled.
//
// Clients that the caller opened are the caller's to close.
package servers
