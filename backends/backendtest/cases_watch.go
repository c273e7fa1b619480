package backendtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/lockproof/lockproof/lock"
)

func needsWatch(c lock.Capabilities) string { return unless(c.Watch, "Watch") }

func watchCases() []Case {
	cases := []Case{
		{
			Name:      "wait-returns-at-once",
			Guarantee: "Wait returns at once if the revision differs already, with the current record or ErrNotFound.",
			run:       waitAtOnce,
		},
		{
			Name:      "wait-sees-change",
			Guarantee: "Wait returns when the key is written, with the version written.",
			run:       waitSeesChange,
		},
		{
			Name:      "wait-sees-creation",
			Guarantee: "Wait with an empty revision returns when the key is made, also after it was deleted.",
			run:       waitSeesCreation,
		},
		{
			Name:      "wait-sees-deletion",
			Guarantee: "Wait returns ErrNotFound when the key is deleted.",
			run:       waitSeesDeletion,
		},
		{
			Name:      "wait-wakes-all",
			Guarantee: "A change wakes every waiter on the key, through every handle.",
			run:       waitWakesAll,
		},
		{
			Name:      "wait-keys-apart",
			Guarantee: "A change of one key does not end a Wait on another.",
			run:       waitKeysApart,
		},
		{
			Name:      "wait-misses-nothing",
			Guarantee: "A client that waits again from what it was last told always arrives at the latest version.",
			run:       waitMissesNothing,
		},
	}
	return allNeedWatch(cases)
}

func allNeedWatch(cases []Case) []Case {
	for i := range cases {
		cases[i].needs = needsWatch
	}
	return cases
}

// waited is how a Wait ended.
type waited struct {
	record lock.Record
	err    error
}

// wait starts a Wait through handle i. A handle that cannot watch gives way to
// the first one.
func (e *env) wait(ctx context.Context, i int, key string, after lock.Revision) <-chan waited {
	watcher, ok := e.handle(i).(lock.Watcher)
	if !ok {
		watcher = e.store.(lock.Watcher)
	}
	done := make(chan waited, 1)
	go func() {
		record, err := watcher.Wait(ctx, key, after)
		done <- waited{record, err}
	}()
	return done
}

// settle makes it likely that waits started before are blocked by now, without
// guessing how long that takes: it is as long as the store needs for a few
// requests, and every goroutine that can run gets its turns meanwhile. No case
// depends on it to be right, only to be sharp.
func (e *env) settle(ctx context.Context, key string) {
	for i := range 6 {
		_, _ = e.handle(i).Get(ctx, key)
		for range 50 {
			runtime.Gosched()
		}
	}
}

// woken gives the wait Options.Patience to end.
func (e *env) woken(done <-chan waited) (waited, error) {
	timer := time.NewTimer(e.options.Patience)
	defer timer.Stop()
	select {
	case w := <-done:
		return w, nil
	case <-timer.C:
		return waited{}, fmt.Errorf("Wait did not return within %v", e.options.Patience)
	}
}

// wokenWith gives the wait Options.Patience to end with this very version.
func (e *env) wokenWith(done <-chan waited, revision lock.Revision, value string) error {
	w, err := e.woken(done)
	if err != nil {
		return err
	}
	if w.err != nil || w.record.Revision != revision || string(w.record.Value) != value {
		return fmt.Errorf("Wait returned %s at %q, error %v; want %q at %q", show(w.record.Value), w.record.Revision, w.err, value, revision)
	}
	return nil
}

// wokenMissing gives the wait Options.Patience to end with ErrNotFound.
func (e *env) wokenMissing(done <-chan waited) error {
	w, err := e.woken(done)
	if err != nil {
		return err
	}
	if !errors.Is(w.err, lock.ErrNotFound) {
		return fmt.Errorf("Wait returned %s at %q, error %v; want ErrNotFound", show(w.record.Value), w.record.Revision, w.err)
	}
	return nil
}

func waitAtOnce(ctx context.Context, e *env) error {
	key := e.key("k")
	first, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	if err := e.wokenWith(e.wait(ctx, 1, key, ""), first, "one"); err != nil {
		return fmt.Errorf("the key exists, waiting from nothing: %w", err)
	}
	second, err := e.update(ctx, key, first, "two")
	if err != nil {
		return err
	}
	if err := e.wokenWith(e.wait(ctx, 1, key, first), second, "two"); err != nil {
		return fmt.Errorf("the key has moved on: %w", err)
	}
	if err := e.store.Delete(ctx, key, second); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := e.wokenMissing(e.wait(ctx, 1, key, second)); err != nil {
		return fmt.Errorf("the key was deleted: %w", err)
	}
	if err := e.wokenMissing(e.wait(ctx, 0, e.key("never"), second)); err != nil {
		return fmt.Errorf("the key never existed: %w", err)
	}
	return nil
}

func waitSeesChange(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "start")
	if err != nil {
		return err
	}
	for round := range e.options.Rounds {
		done := e.wait(ctx, round, key, revision)
		if round%4 != 0 {
			e.settle(ctx, key)
		}
		value := strconv.Itoa(round)
		if revision, err = e.update(ctx, key, revision, value); err != nil {
			return err
		}
		if err := e.wokenWith(done, revision, value); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

func waitSeesCreation(ctx context.Context, e *env) error {
	key := e.key("k")
	for round := range e.options.Rounds {
		done := e.wait(ctx, round, key, "")
		if round%4 != 0 {
			e.settle(ctx, key)
		}
		value := strconv.Itoa(round)
		revision, err := e.create(ctx, key, value)
		if err != nil {
			return err
		}
		if err := e.wokenWith(done, revision, value); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if err := e.store.Delete(ctx, key, revision); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
	}
	return nil
}

func waitSeesDeletion(ctx context.Context, e *env) error {
	key := e.key("k")
	for round := range e.options.Rounds {
		revision, err := e.create(ctx, key, "one")
		if err != nil {
			return err
		}
		done := e.wait(ctx, round, key, revision)
		if round%4 != 0 {
			e.settle(ctx, key)
		}
		if err := e.store.Delete(ctx, key, revision); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		if err := e.wokenMissing(done); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

func waitWakesAll(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	waits := make([]<-chan waited, 4*e.options.Parallel)
	for i := range waits {
		waits[i] = e.wait(ctx, i, key, revision)
	}
	e.settle(ctx, key)
	if revision, err = e.update(ctx, key, revision, "two"); err != nil {
		return err
	}
	for i, done := range waits {
		if err := e.wokenWith(done, revision, "two"); err != nil {
			return fmt.Errorf("waiter %d of %d: %w", i+1, len(waits), err)
		}
	}
	return nil
}

func waitKeysApart(ctx context.Context, e *env) error {
	key, longer := e.key("k"), e.key("k/longer")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	waits := []<-chan waited{e.wait(ctx, 0, key, revision), e.wait(ctx, 1, key, revision)}
	e.settle(ctx, key)
	for range e.options.Rounds {
		if _, err := e.createAndDelete(ctx, longer, "x"); err != nil {
			return err
		}
	}
	e.settle(ctx, key)
	for _, done := range waits {
		select {
		case w := <-done:
			return fmt.Errorf("Wait ended before its key was written, with %s at %q, error %v", show(w.record.Value), w.record.Revision, w.err)
		default:
		}
	}
	if revision, err = e.update(ctx, key, revision, "two"); err != nil {
		return err
	}
	for _, done := range waits {
		if err := e.wokenWith(done, revision, "two"); err != nil {
			return err
		}
	}
	return nil
}

// waitMissesNothing lets one client write, in bursts, while others follow by
// Wait. Versions may be skipped, but the last one must be reached, and no
// Wait may return the revision that it was to wait beyond.
func waitMissesNothing(ctx context.Context, e *env) error {
	key := e.key("k")
	first, err := e.create(ctx, key, "0")
	if err != nil {
		return err
	}
	last := strconv.Itoa(4 * e.options.Rounds)
	return e.clients(func(i int) error {
		if i == 0 {
			revision, err := first, error(nil)
			for n := 1; n <= 4*e.options.Rounds; n++ {
				if revision, err = e.update(ctx, key, revision, strconv.Itoa(n)); err != nil {
					return err
				}
				if n%5 == 0 {
					e.settle(ctx, key)
				}
			}
			return nil
		}
		for after, seen := first, "0"; seen != last; {
			w, err := e.woken(e.wait(ctx, i, key, after))
			if err == nil {
				err = w.err
			}
			if err != nil {
				return fmt.Errorf("client %d has seen version %s of %s: %w", i, seen, last, err)
			}
			if w.record.Revision == after {
				return fmt.Errorf("Wait returned revision %q, beyond which it was to wait", after)
			}
			after, seen = w.record.Revision, string(w.record.Value)
		}
		return nil
	})
}
