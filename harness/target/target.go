// Package target opens the real stores that locks are let loose on: each is a
// server, found or started, with a container of its own (a bucket, a table, a
// directory) that is gone afterwards. A run, a measurement and a check all
// begin here.
//
// A new kind of store is one file here and one line in All.
package target

import (
	"context"
	"errors"
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

// Faults of a Kind: on a network a proxy makes them, without one only the calls
// of a client can be tampered with.
const (
	wired      = "clock-offset,clock-rate,clock-jump,network,crash"
	local      = "clock-offset,clock-rate,clock-jump,lose-request,lose-reply,duplicate-request,throttle,crash"
	replicated = wired + ",store-failover"
)

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

// floorContainer is where the floors of a container lie that clients can watch.
func (o Options) floorContainer() string { return o.Container + "-floor" }

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

// All lists the kinds of stores.
func All() []Kind {
	return []Kind{
		memoryKind, fileKind, natsKind, natsClusterKind, dynamodbKind, kubernetesKind, kubernetesAnnotationKind,
		docstoreMemKind, docstoreDynamoDBKind, docstoreFirestoreKind, mongodbKind,
	}
}

// Find returns the kind of that name.
func Find(name string) (Kind, error) {
	var names []string
	for _, k := range All() {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("unknown backend %q; there are %s", name, strings.Join(names, ", "))
}

const defaultPing = 500 * time.Millisecond

func (o Options) pingEvery() time.Duration {
	if o.PingEvery <= 0 {
		return defaultPing
	}
	return o.PingEvery
}

// noExpiry refuses what a kind of store cannot do.
func (o Options) noExpiry(name string) error {
	if o.Expiry > 0 {
		return fmt.Errorf("the %s store cannot expire keys by itself, which this subject needs", name)
	}
	return nil
}

// retryPause is between two attempts to reach a server.
const retryPause = 20 * time.Millisecond

// keepTrying calls open until it succeeds, is refused or ctx ends; each call
// has so long.
func keepTrying[T any](ctx context.Context, each time.Duration, open func(ctx context.Context) (T, error)) (T, error) {
	for {
		try, cancel := context.WithTimeout(ctx, each)
		got, err := open(try)
		cancel()
		if err == nil || ctx.Err() != nil || errors.Is(err, lock.ErrRefused) {
			return got, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// cleanupTimeout bounds the removal of a container.
const cleanupTimeout = 5 * time.Second

// cleanup runs what removes a container, whatever became of the caller's
// context.
func cleanup(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	return f(ctx)
}
