package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/lockproof/lockproof/lock"
)

func revisionCases() []Case {
	return []Case{
		{
			Name:      "update-changes-revision",
			Guarantee: "A write returns a revision that no version of the key had before, the one that Get then returns.",
			run: func(ctx context.Context, e *env) error {
				return distinctRevisions(ctx, e, strconv.Itoa)
			},
		},
		{
			Name:      "identical-write-changes-revision",
			Guarantee: "A write of the very bytes that are there already changes the revision.",
			run: func(ctx context.Context, e *env) error {
				return distinctRevisions(ctx, e, func(int) string { return "same" })
			},
		},
		{
			Name:      "revisions-never-repeat",
			Guarantee: "A revision is not given out again after the key was deleted and made anew, so a late write that names it conflicts.",
			run:       neverRepeat,
		},
		{
			Name:      "revision-order",
			Guarantee: "A later version of a key has a revision that is greater as an unsigned decimal number, across deletions too.",
			needs: func(c lock.Capabilities) string {
				return unless(c.RevisionOrder, "RevisionOrder")
			},
			run: revisionOrder,
		},
	}
}

func distinctRevisions(ctx context.Context, e *env, value func(round int) string) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, value(0))
	if err != nil {
		return err
	}
	seen := map[lock.Revision]int{revision: 0}
	for round := 1; round <= e.options.Rounds; round++ {
		revision, err = e.update(ctx, key, revision, value(round))
		if err != nil {
			return err
		}
		if before, again := seen[revision]; again {
			return fmt.Errorf("write %d got revision %q, which write %d had", round, revision, before)
		}
		seen[revision] = round
		if err := e.holds(ctx, key, revision, value(round)); err != nil {
			return err
		}
	}
	return nil
}

// neverRepeat has a late writer who read the first incarnation of a key try
// again in each later one. The bytes are always the same, so a store that
// derives revisions from contents, or counts anew after a deletion, is caught.
func neverRepeat(ctx context.Context, e *env) error {
	key := e.key("k")
	var earlier []lock.Revision
	for round := range e.options.Rounds {
		revision, err := e.create(ctx, key, "same")
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		for before, old := range earlier {
			if old == revision {
				return fmt.Errorf("incarnation %d got revision %q, which incarnation %d had", round, revision, before)
			}
		}
		if round > 0 {
			got, err := e.other.CompareAndSwap(ctx, key, earlier[round-1], []byte("late"))
			if err := mustConflict("write with the revision of a deleted incarnation", got, err); err != nil {
				return err
			}
			err = e.other.Delete(ctx, key, earlier[round-1])
			if !errors.Is(err, lock.ErrConflict) {
				return fmt.Errorf("delete with the revision of a deleted incarnation: want ErrConflict, got %v", err)
			}
			if err := e.holds(ctx, key, revision, "same"); err != nil {
				return err
			}
		}
		if err := e.store.Delete(ctx, key, revision); err != nil {
			return fmt.Errorf("round %d: delete: %w", round, err)
		}
		earlier = append(earlier, revision)
	}
	return nil
}

func revisionOrder(ctx context.Context, e *env) error {
	key := e.key("k")
	var last uint64
	rises := func(revision lock.Revision) error {
		number, err := strconv.ParseUint(string(revision), 10, 64)
		if err != nil {
			return fmt.Errorf("revision %q is not an unsigned decimal number", revision)
		}
		if number <= last {
			return fmt.Errorf("revision %d came after %d", number, last)
		}
		last = number
		return nil
	}
	for range e.options.Rounds {
		revision, err := e.create(ctx, key, "one")
		if err != nil {
			return err
		}
		if err := rises(revision); err != nil {
			return err
		}
		if revision, err = e.update(ctx, key, revision, "two"); err != nil {
			return err
		}
		if err := rises(revision); err != nil {
			return err
		}
		if err := e.store.Delete(ctx, key, revision); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
	}
	return nil
}
