package backendtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockproof/lockproof/lock"
)

func basicCases() []Case {
	return []Case{
		{
			Name:      "get-missing",
			Guarantee: "Get of a key that never existed is ErrNotFound.",
			run: func(ctx context.Context, e *env) error {
				return e.missing(ctx, e.key("k"))
			},
		},
		{
			Name:      "create-then-get",
			Guarantee: "What CompareAndSwap with an empty revision wrote, Get returns, with the revision that the write returned.",
			run:       createThenGet,
		},
		{
			Name:      "create-existing-conflicts",
			Guarantee: "CompareAndSwap with an empty revision fails with ErrConflict if the key exists, and changes nothing.",
			run:       createExisting,
		},
		{
			Name:      "stale-revision-conflicts",
			Guarantee: "CompareAndSwap with a revision that is not the current one fails with ErrConflict, and changes nothing.",
			run:       staleRevision,
		},
		{
			Name:      "missing-key-conflicts",
			Guarantee: "CompareAndSwap with a revision fails with ErrConflict if the key does not exist, and does not create it.",
			run:       updateMissing,
		},
		{
			Name:      "conflict-carries-current",
			Guarantee: "A conflict carries the record then current, and an empty revision if there was none.",
			needs: func(c lock.Capabilities) string {
				return unless(c.ConflictReturnsCurrent, "ConflictReturnsCurrent")
			},
			run: conflictCarriesCurrent,
		},
		{
			Name:      "capabilities-honest",
			Guarantee: "A store that declares Watch implements lock.Watcher.",
			run: func(_ context.Context, e *env) error {
				if _, ok := e.store.(lock.Watcher); e.caps.Watch && !ok {
					return fmt.Errorf("%T declares Watch and has no Wait", e.store)
				}
				return nil
			},
		},
	}
}

// unless returns what is lacking if it is not there.
func unless(there bool, what string) string {
	if there {
		return ""
	}
	return what
}

func createThenGet(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	return e.holds(ctx, key, revision, "one")
}

func createExisting(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	for i := range 2 {
		got, err := e.handle(i).CompareAndSwap(ctx, key, "", []byte("two"))
		if err := mustConflict("create of an existing key", got, err); err != nil {
			return err
		}
	}
	return e.holds(ctx, key, revision, "one")
}

func staleRevision(ctx context.Context, e *env) error {
	key := e.key("k")
	first, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	second, err := e.update(ctx, key, first, "two")
	if err != nil {
		return err
	}
	for i := range 2 {
		got, err := e.handle(i).CompareAndSwap(ctx, key, first, []byte("three"))
		if err := mustConflict("update with a stale revision", got, err); err != nil {
			return err
		}
	}
	return e.holds(ctx, key, second, "two")
}

func updateMissing(ctx context.Context, e *env) error {
	elsewhere, err := e.create(ctx, e.key("elsewhere"), "one")
	if err != nil {
		return err
	}
	key := e.key("k")
	got, err := e.store.CompareAndSwap(ctx, key, elsewhere, []byte("two"))
	if err := mustConflict("update of a key that never existed", got, err); err != nil {
		return err
	}
	if err := e.missing(ctx, key); err != nil {
		return err
	}
	gone := e.key("gone")
	old, err := e.createAndDelete(ctx, gone, "one")
	if err != nil {
		return err
	}
	got, err = e.store.CompareAndSwap(ctx, gone, old, []byte("two"))
	if err := mustConflict("update of a deleted key", got, err); err != nil {
		return err
	}
	return e.missing(ctx, gone)
}

func conflictCarriesCurrent(ctx context.Context, e *env) error {
	key := e.key("k")
	first, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	_, err = e.store.CompareAndSwap(ctx, key, "", []byte("x"))
	if err := carries("create of an existing key", err, first, "one"); err != nil {
		return err
	}
	second, err := e.update(ctx, key, first, "two")
	if err != nil {
		return err
	}
	_, err = e.store.CompareAndSwap(ctx, key, first, []byte("x"))
	if err := carries("update with a stale revision", err, second, "two"); err != nil {
		return err
	}
	_, err = e.store.CompareAndSwap(ctx, e.key("missing"), second, []byte("x"))
	return carries("update of a missing key", err, "", "")
}

// carries checks the record that came with a conflict.
func carries(what string, err error, revision lock.Revision, value string) error {
	var conflict *lock.ConflictError
	if !errors.As(err, &conflict) {
		return fmt.Errorf("%s: want a *lock.ConflictError, got %v", what, err)
	}
	if !conflict.Known {
		return fmt.Errorf("%s: the conflict does not say what stood in the way", what)
	}
	if got := conflict.Current; got.Revision != revision || string(got.Value) != value {
		return fmt.Errorf("%s: the conflict carries %s at %q, want %q at %q", what, show(got.Value), got.Revision, value, revision)
	}
	return nil
}
