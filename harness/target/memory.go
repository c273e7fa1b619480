package target

import (
	"context"
	"sync"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// Memory is the kind of store that lives in this process.
func Memory() Kind {
	return Kind{Name: "memory", Summary: "a store in this process, in real time", Faults: InProcessFaults, Open: openMemory}
}

// memoryTarget has no network, so no network faults but those of the store
// wrapper.
type memoryTarget struct{ store, floor *memory.Store }

func openMemory(_ context.Context, o Options) (Target, error) {
	if err := o.RefuseExpiry("memory"); err != nil {
		return nil, err
	}
	return memoryTarget{memory.New(), memory.New()}, nil
}

func (m memoryTarget) Describe() string   { return "in-process memory store" }
func (m memoryTarget) Address(int) string { return "" }
func (m memoryTarget) Faults() Faults     { return Faults{} }
func (m memoryTarget) Close() error       { return nil }

func (m memoryTarget) Connect(context.Context, int, string) (*Connection, error) {
	return &Connection{Store: m.store, Floor: storeFloor(m.floor), Close: func() {}}, nil
}

// storeFloor is for a store without a client library of somebody else's: its
// own compare-and-swap is the floor.
func storeFloor(store lock.Store) func(context.Context, string) (Swap, error) {
	return func(ctx context.Context, key string) (Swap, error) {
		revision, err := store.CompareAndSwap(ctx, key, "", []byte("{}"))
		if err != nil {
			return nil, err
		}
		var mu sync.Mutex
		return func(ctx context.Context, value []byte) error {
			mu.Lock()
			defer mu.Unlock()
			next, err := store.CompareAndSwap(ctx, key, revision, value)
			if err == nil {
				revision = next
			}
			return err
		}, nil
	}
}
