package backendtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/lockproof/lockproof/lock"
)

func contentionCases() []Case {
	return []Case{
		{
			Name:      "one-creator-wins",
			Guarantee: "Of clients that create one key at once exactly one succeeds; the others are told ErrConflict.",
			run:       oneCreatorWins,
		},
		{
			Name:      "one-winner-per-revision",
			Guarantee: "Of updates and deletes that name one revision at once exactly one succeeds.",
			run:       oneWinnerPerRevision,
		},
		{
			Name:      "no-lost-update",
			Guarantee: "Increments by read and CompareAndSwap from many clients all count.",
			run:       noLostUpdate,
		},
		{
			Name:      "reads-see-acknowledged-writes",
			Guarantee: "A Get that begins after a write was acknowledged returns that write or a later one, through any handle.",
			run:       readsSeeWrites,
		},
		{
			Name:      "reads-never-go-back",
			Guarantee: "While a key is written, no reader sees a version older than one acknowledged before its Get began.",
			run:       readsNeverGoBack,
		},
	}
}

func oneCreatorWins(ctx context.Context, e *env) error {
	for round := range e.options.Rounds {
		key := e.key("k" + strconv.Itoa(round))
		revisions := make([]lock.Revision, e.options.Parallel)
		err := e.clients(func(i int) error {
			var err error
			revisions[i], err = e.handle(i).CompareAndSwap(ctx, key, "", []byte(strconv.Itoa(i)))
			if err != nil && !errors.Is(err, lock.ErrConflict) {
				return fmt.Errorf("create by client %d: %w", i, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := e.oneWinner(ctx, key, revisions); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// oneWinner checks that one client got a revision, and that it is the one that
// the store holds, with the client's number as the value.
func (e *env) oneWinner(ctx context.Context, key string, revisions []lock.Revision) error {
	winner := -1
	for i, revision := range revisions {
		if revision == "" {
			continue
		}
		if winner >= 0 {
			return fmt.Errorf("clients %d and %d both succeeded, with revisions %q and %q", winner, i, revisions[winner], revision)
		}
		winner = i
	}
	if winner < 0 {
		return errors.New("no client succeeded")
	}
	return e.holds(ctx, key, revisions[winner], strconv.Itoa(winner))
}

func oneWinnerPerRevision(ctx context.Context, e *env) error {
	for round := range e.options.Rounds {
		key := e.key("k" + strconv.Itoa(round))
		revision, err := e.create(ctx, key, "old")
		if err != nil {
			return err
		}
		var deleted, updated atomic.Int64
		err = e.clients(func(i int) error {
			var err error
			succeeded := &updated
			if i%3 == 2 {
				succeeded = &deleted
				err = e.handle(i).Delete(ctx, key, revision)
			} else {
				_, err = e.handle(i).CompareAndSwap(ctx, key, revision, []byte("new"))
			}
			switch {
			case err == nil:
				succeeded.Add(1)
			case errors.Is(err, lock.ErrConflict):
			case succeeded == &deleted && errors.Is(err, lock.ErrNotFound):
			default:
				return fmt.Errorf("client %d: %w", i, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if deleted.Load()+updated.Load() != 1 {
			return fmt.Errorf("round %d: %d updates and %d deletes of one revision succeeded, want one in all", round, updated.Load(), deleted.Load())
		}
		_, err = e.store.Get(ctx, key)
		if gone := errors.Is(err, lock.ErrNotFound); gone != (deleted.Load() == 1) {
			return fmt.Errorf("round %d: %d delete succeeded, but afterwards get says %v", round, deleted.Load(), err)
		}
	}
	return nil
}

func noLostUpdate(ctx context.Context, e *env) error {
	key := e.key("counter")
	if _, err := e.create(ctx, key, "0"); err != nil {
		return err
	}
	err := e.clients(func(i int) error {
		for range e.options.Rounds {
			if err := increment(ctx, e.handle(i), key); err != nil {
				return fmt.Errorf("client %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	record, err := e.store.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	want := e.options.Parallel * e.options.Rounds
	if got := string(record.Value); got != strconv.Itoa(want) {
		return fmt.Errorf("%d increments were acknowledged, the counter says %s", want, got)
	}
	return nil
}

// increment adds one to the counter, trying again for as long as others come
// first.
func increment(ctx context.Context, store lock.Store, key string) error {
	for {
		record, err := store.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("get: %w", err)
		}
		n, err := strconv.Atoi(string(record.Value))
		if err != nil {
			return fmt.Errorf("the counter reads %s", show(record.Value))
		}
		runtime.Gosched() // let others come in between: that is the point
		_, err = store.CompareAndSwap(ctx, key, record.Revision, []byte(strconv.Itoa(n+1)))
		if err == nil {
			return nil
		}
		if !errors.Is(err, lock.ErrConflict) {
			return fmt.Errorf("update: %w", err)
		}
	}
}

func readsSeeWrites(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "0")
	if err != nil {
		return err
	}
	for round := range 4 * e.options.Rounds {
		value := strconv.Itoa(round)
		revision, err = e.handle(round).CompareAndSwap(ctx, key, revision, []byte(value))
		if err != nil {
			return fmt.Errorf("round %d: update: %w", round, err)
		}
		if err := e.holds(ctx, key, revision, value); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// readsNeverGoBack has one client write rising numbers while the others read.
// acknowledged is read before each Get, so that the value must be at least it.
// After each write the writer lets Parallel reads end: as each of the fewer
// readers has one under way at most, one of these began after the write.
func readsNeverGoBack(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "0")
	if err != nil {
		return err
	}
	var acknowledged, reads atomic.Int64
	var finished atomic.Bool
	write := func() error {
		for n := range int64(e.options.Rounds) {
			if revision, err = e.update(ctx, key, revision, strconv.FormatInt(n+1, 10)); err != nil {
				return err
			}
			acknowledged.Store(n + 1)
			for goal := reads.Load() + int64(e.options.Parallel); reads.Load() < goal && !finished.Load(); {
				runtime.Gosched()
			}
		}
		return nil
	}
	read := func(store lock.Store) error {
		for !finished.Load() {
			atLeast := acknowledged.Load()
			record, err := store.Get(ctx, key)
			if err != nil {
				return fmt.Errorf("get: %w", err)
			}
			if n, err := strconv.ParseInt(string(record.Value), 10, 64); err != nil || n < atLeast {
				return fmt.Errorf("write %d was acknowledged before the read began, which returned %s", atLeast, show(record.Value))
			}
			reads.Add(1)
		}
		return nil
	}
	return e.clients(func(i int) error {
		defer finished.Store(true) // the first to end, done or failed, ends all
		if i == 0 {
			return write()
		}
		return read(e.handle(i))
	})
}
