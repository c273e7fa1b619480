// Package targets opens the real stores that the commands let locks loose on,
// with the SDK and the server of each.
//
// A new kind of store is one file here and one line in All.
package targets

import (
	"context"
	"errors"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/lock"
)

// All lists the kinds of stores.
func All() []target.Kind {
	return []target.Kind{
		target.Memory(), target.File(), natsKind, natsClusterKind, dynamodbKind, kubernetesKind, kubernetesAnnotationKind,
		docstoreMemKind, docstoreDynamoDBKind, docstoreFirestoreKind, mongodbKind,
	}
}

// Find returns the kind of that name.
func Find(name string) (target.Kind, error) { return target.Find(All(), name) }

// Faults of a Kind: on a network a proxy makes them.
const (
	wired      = "clock-offset,clock-rate,clock-jump,network,crash"
	replicated = wired + ",store-failover"
)

const defaultPing = 500 * time.Millisecond

func pingEvery(o target.Options) time.Duration {
	if o.PingEvery <= 0 {
		return defaultPing
	}
	return o.PingEvery
}

// floorContainer is where the floors of a container lie that clients can watch.
func floorContainer(o target.Options) string { return o.Container + "-floor" }

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
