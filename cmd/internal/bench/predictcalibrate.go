package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/lock"
)

// Calibration is how long a real store takes to answer one client that asks one
// thing at a time.
type Calibration struct {
	// Reads and Writes are round trips, in order.
	Reads, Writes []time.Duration
	// Capabilities are those that the store declares.
	Capabilities lock.Capabilities
}

// warmUp is how many round trips are made before any counts: connections are
// opened, caches filled.
const warmUp = 50

// Calibrate measures n reads and n compare-and-swaps, turn by turn, through the
// store's package: what a lock on it cannot do without. It leaves nothing
// behind. What is measured is a quiet store; a profile says what else a client
// suffers.
func Calibrate(ctx context.Context, t target.Target, n int) (*Calibration, error) {
	if n < 2 {
		return nil, fmt.Errorf("bench: %d round trips tell nothing of a distribution", n)
	}
	connection, err := t.Connect(ctx, 0, "")
	if err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	defer connection.Close()
	c, err := calibrate(ctx, connection.Store, n)
	if err != nil {
		return nil, fmt.Errorf("calibrate %s: %w", t.Describe(), err)
	}
	return c, nil
}

func calibrate(ctx context.Context, store lock.Store, n int) (_ *Calibration, err error) {
	const key = "lockbench-calibration"
	value := []byte(`{"v":1,"token":1000,"mode":"exclusive","holders":[{"id":"0123456789abcdef-1000","owner":"bench","ttl_ms":60000,"beat":1}]}`)
	revision, err := store.CompareAndSwap(ctx, key, "", value)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Delete(context.WithoutCancel(ctx), key, revision)) }()
	c := &Calibration{Capabilities: lock.CapabilitiesOf(store)}
	for i := range n + warmUp {
		begun := time.Now()
		next, err := store.CompareAndSwap(ctx, key, revision, value)
		write := time.Since(begun)
		if err != nil {
			return nil, err
		}
		revision = next
		begun = time.Now()
		if _, err := store.Get(ctx, key); err != nil {
			return nil, err
		}
		if i >= warmUp {
			c.Writes = append(c.Writes, write)
			c.Reads = append(c.Reads, time.Since(begun))
		}
	}
	slices.Sort(c.Writes)
	slices.Sort(c.Reads)
	return c, nil
}

// tableSteps is how fine the quantiles of a model are. The rarest 0.1 % of round
// trips are one step.
const tableSteps = 1000

// Model returns the store for predictions.
func (c *Calibration) Model() StoreModel {
	return StoreModel{
		Watch: c.Capabilities.Watch, ConflictReturnsCurrent: c.Capabilities.ConflictReturnsCurrent,
		Reads: thin(c.Reads), Writes: thin(c.Writes),
	}
}

// thin keeps the quantiles at equal distances, the smallest and the largest
// among them.
func thin(sorted []time.Duration) []time.Duration {
	if len(sorted) <= tableSteps+1 {
		return sorted
	}
	table := make([]time.Duration, tableSteps+1)
	for i := range table {
		table[i] = sorted[i*(len(sorted)-1)/tableSteps]
	}
	return table
}
