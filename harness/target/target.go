// Package target says what a real store is to a run: a server, found or started,
// with a container of its own (a bucket, a table, a directory) that is gone
// afterwards. A run, a measurement and a check all begin here.
//
// The stores that need no server are here. Others bring an SDK, and are handed
// over by whoever links it, as the commands do: a Kind is a value, and there is no
// registry.
package target

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// Kind is a kind of real store.
type Kind struct {
	// Name is what --backend takes.
	Name string
	// Summary is one line: what it is, and how it is come by.
	Summary string
	// Server is the kind of server that it needs, as `locksim servers get`
	// names it; empty if it needs none but this process.
	Server string
	// Faults are what a run injects unless it is told otherwise, as --faults
	// takes them: what can happen to such a store in this process.
	Faults string
	// Open finds or starts the server and makes the container. ctx bounds that.
	Open func(ctx context.Context, o Options) (Target, error)
}

// InProcessFaults are those of a store that no network leads to: a proxy has
// nothing to stand in, and only the calls of a client can be tampered with.
const InProcessFaults = "clock-offset,clock-rate,clock-jump,lose-request,lose-reply,duplicate-request,throttle,crash"

// Options say what is asked of a target. Container is required.
type Options struct {
	// Container names the data: letters, digits and dashes.
	Container string
	// Expiry: the store must expire what was not written for so long. A kind
	// that cannot says so.
	Expiry time.Duration
	// PingEvery is how often a client asks whether its connection still lives,
	// and half of the time that it gives an attempt to connect. Default 500 ms.
	PingEvery time.Duration
}

// Target is a real store that clients can connect to. Connect may be called
// from any goroutine.
type Target interface {
	// Describe names the server and its version, and is honest about stand-ins.
	Describe() string
	// Address is where the proxy of a client goes to, host:port; empty if there
	// is no network in between that a proxy could stand in.
	Address(client int) string
	// Connect gives a client connections of its own, by way of the address via
	// if that is not empty. It keeps trying until ctx ends while the server
	// does not answer: a client may start in the middle of a partition.
	Connect(ctx context.Context, client int, via string) (*Connection, error)
	// Faults says what can be done to the server.
	Faults() Faults
	// Close drops the container and stops what was started.
	Close() error
}

// Connection is one client's way to the store.
type Connection struct {
	Store lock.Store
	// Floor prepares a record at key, which must be new, and returns one
	// conditional update of it by the store's own client library on this very
	// connection: no lock on this store can be faster. On a store that tells its
	// clients of changes the record lies beside the container of the locks, where
	// nobody watches: who waits for a lock does not slow the floor.
	Floor func(ctx context.Context, key string) (Swap, error)
	// Close hangs up. What is under way ends with an error.
	Close func()
}

// Swap writes value on the condition that nobody else wrote since the last one.
type Swap func(ctx context.Context, value []byte) error

// Faults are nil where the server cannot be treated so.
type Faults struct {
	// Stop and Start keep address and data.
	Stop, Start func() error
	// Failover stops the leader of a cluster; what it returns brings that
	// server back.
	Failover func() (restore func() error, err error)
}

// Find returns the kind of that name among kinds.
func Find(kinds []Kind, name string) (Kind, error) {
	var names []string
	for _, k := range kinds {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	if len(names) == 0 {
		return Kind{}, fmt.Errorf("backend %q: no real store was handed over", name)
	}
	return Kind{}, fmt.Errorf("unknown backend %q; there are %s", name, strings.Join(names, ", "))
}

// RefuseExpiry is the error of a kind of store that cannot expire keys, if that is
// asked of it.
func (o Options) RefuseExpiry(name string) error {
	if o.Expiry > 0 {
		return fmt.Errorf("the %s store cannot expire keys by itself, which this subject needs", name)
	}
	return nil
}
