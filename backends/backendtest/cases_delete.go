package backendtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockproof/lockproof/lock"
)

func deleteCases() []Case {
	return []Case{
		{
			Name:      "delete-stale-conflicts",
			Guarantee: "Delete with a revision that is not the current one fails with ErrConflict, and deletes nothing.",
			run:       deleteStale,
		},
		{
			Name:      "delete-missing",
			Guarantee: "Delete of a key that does not exist fails with ErrNotFound.",
			run:       deleteMissing,
		},
		{
			Name:      "delete-needs-revision",
			Guarantee: "Delete without a revision is ErrRefused, and deletes nothing.",
			run:       deleteUnnamed,
		},
		{
			Name:      "delete-then-get",
			Guarantee: "After a delete, Get is ErrNotFound.",
			run: func(ctx context.Context, e *env) error {
				key := e.key("k")
				if _, err := e.createAndDelete(ctx, key, "one"); err != nil {
					return err
				}
				return e.missing(ctx, key)
			},
		},
		{
			Name:      "create-after-delete",
			Guarantee: "A deleted key can be made anew, and then exists for all: a second create conflicts.",
			run:       createAfterDelete,
		},
	}
}

func deleteStale(ctx context.Context, e *env) error {
	key := e.key("k")
	first, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	second, err := e.update(ctx, key, first, "two")
	if err != nil {
		return err
	}
	if err := e.store.Delete(ctx, key, first); !errors.Is(err, lock.ErrConflict) {
		return fmt.Errorf("delete with a stale revision: want ErrConflict, got %v", err)
	}
	return e.holds(ctx, key, second, "two")
}

func deleteMissing(ctx context.Context, e *env) error {
	elsewhere, err := e.create(ctx, e.key("elsewhere"), "one")
	if err != nil {
		return err
	}
	if err := e.store.Delete(ctx, e.key("never"), elsewhere); !errors.Is(err, lock.ErrNotFound) {
		return fmt.Errorf("delete of a key that never existed: want ErrNotFound, got %v", err)
	}
	key := e.key("k")
	revision, err := e.createAndDelete(ctx, key, "one")
	if err != nil {
		return err
	}
	if err := e.store.Delete(ctx, key, revision); !errors.Is(err, lock.ErrNotFound) {
		return fmt.Errorf("second delete of a key: want ErrNotFound, got %v", err)
	}
	return nil
}

func deleteUnnamed(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	if err := mustRefuse("delete without a revision", e.store.Delete(ctx, key, "")); err != nil {
		return err
	}
	return e.holds(ctx, key, revision, "one")
}

func createAfterDelete(ctx context.Context, e *env) error {
	key := e.key("k")
	for round := range e.options.Rounds {
		if _, err := e.createAndDelete(ctx, key, "one"); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		revision, err := e.create(ctx, key, "two")
		if err != nil {
			return fmt.Errorf("round %d, after a delete: %w", round, err)
		}
		got, err := e.other.CompareAndSwap(ctx, key, "", []byte("three"))
		if err := mustConflict("second create after a delete", got, err); err != nil {
			return err
		}
		if err := e.holds(ctx, key, revision, "two"); err != nil {
			return err
		}
		if err := e.store.Delete(ctx, key, revision); err != nil {
			return fmt.Errorf("round %d: delete: %w", round, err)
		}
	}
	return nil
}
