package harness

import (
	"context"
	"fmt"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// openTarget opens what a scenario runs against, which is one of stores.
func openTarget(ctx context.Context, subject subjects.Subject, s Scenario, stores []target.Kind) (target.Target, error) {
	k, err := target.Find(stores, s.Backend)
	if err != nil {
		return nil, err
	}
	o := target.Options{Container: fmt.Sprintf("lockproof-%016x", lock.SystemRuntime{}.Uint64()), PingEvery: s.TTL.D() / 2}
	if subject.BucketTTL {
		o.Expiry = s.TTL.D()
	}
	t, err := k.Open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", s.Backend, err)
	}
	return t, nil
}

// rawStore gives a subject the unconditional writes that it needs, or refuses;
// a subject that needs none gets a store that has none.
func rawStore(s Scenario, subject subjects.Subject, store lock.Store) (subjects.RawStore, error) {
	if raw, ok := store.(subjects.RawStore); ok {
		return raw, nil
	}
	if subject.Raw {
		return nil, fmt.Errorf("backend %s offers no unconditional writes, which subject %s uses", s.Backend, s.Subject)
	}
	return conditional{store}, nil
}

// conditional is a store without unconditional writes.
type conditional struct{ lock.Store }

var errConditional = fmt.Errorf("this store offers no unconditional writes: %w", lock.ErrRefused)

// Capabilities implements lock.Capable.
func (c conditional) Capabilities() lock.Capabilities { return lock.CapabilitiesOf(c.Store) }

// Wait implements lock.Watcher; it is called only where the store can watch.
func (c conditional) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	w, ok := c.Store.(lock.Watcher)
	if !ok {
		return lock.Record{}, fmt.Errorf("this store cannot watch: %w", lock.ErrRefused)
	}
	return w.Wait(ctx, key, after)
}

// Put implements subjects.RawStore.
func (c conditional) Put(context.Context, string, []byte) (lock.Revision, error) {
	return "", errConditional
}

// Remove implements subjects.RawStore.
func (c conditional) Remove(context.Context, string) error { return errConditional }
