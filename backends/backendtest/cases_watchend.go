package backendtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// manyWaits is how many waits are given up to see whether each leaves a
// goroutine behind. It is well above the number of goroutines that a client
// library may start or stop meanwhile for its own ends.
const manyWaits = 64

func watchEndCases() []Case {
	return allNeedWatch([]Case{
		{
			Name:      "wait-ends-with-context",
			Guarantee: "A blocked Wait returns promptly when its context ends, with the context's cause.",
			run:       waitEndsWithContext,
		},
		{
			Name:      "wait-ended-context",
			Guarantee: "A Wait whose context has already ended returns promptly, with the context's cause.",
			run:       waitEndedContext,
		},
		{
			Name:      "wait-outlives-others",
			Guarantee: "A Wait that is given up leaves the other waiters on its key undisturbed.",
			run:       waitOutlivesOthers,
		},
		{
			Name:      "wait-leaks-nothing",
			Guarantee: "Waits that were given up leave no goroutines behind.",
			run:       waitLeaksNothing,
		},
	})
}

// givenUp checks that the wait ends with the cause errGivenUp.
func (e *env) givenUp(done <-chan waited) error {
	w, err := e.woken(done)
	if err != nil {
		return fmt.Errorf("after its context ended: %w", err)
	}
	if !errors.Is(w.err, errGivenUp) {
		return fmt.Errorf("want the context's cause %q, got error %v", errGivenUp, w.err)
	}
	return nil
}

func waitEndsWithContext(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	for round := range e.options.Rounds {
		short, cancel := context.WithCancelCause(ctx)
		onKey, onNothing := e.wait(short, round, key, revision), e.wait(short, round, e.key("nothing"), "")
		if round%4 != 0 {
			e.settle(ctx, key)
		}
		cancel(errGivenUp)
		if err := e.givenUp(onKey); err != nil {
			return fmt.Errorf("waiting for a change: %w", err)
		}
		if err := e.givenUp(onNothing); err != nil {
			return fmt.Errorf("waiting for a creation: %w", err)
		}
	}
	return nil
}

func waitEndedContext(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancelCause(ctx)
	cancel(errGivenUp)
	return e.givenUp(e.wait(ended, 0, key, revision))
}

func waitOutlivesOthers(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	for i := range 4 {
		short, cancel := context.WithCancelCause(ctx)
		stays, leaves := e.wait(ctx, i, key, revision), e.wait(short, i, key, revision)
		e.settle(ctx, key)
		cancel(errGivenUp)
		if err := e.givenUp(leaves); err != nil {
			return err
		}
		if revision, err = e.update(ctx, key, revision, "two"); err != nil {
			return err
		}
		if err := e.wokenWith(stays, revision, "two"); err != nil {
			return fmt.Errorf("after another waiter left: %w", err)
		}
	}
	return nil
}

// waitLeaksNothing counts the goroutines of the process. A store may keep a
// few for all waits together, so the first waits are not counted, and only
// growth with the number of waits is a leak.
func waitLeaksNothing(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	if err := e.giveUpWaits(ctx, key, revision, 2); err != nil {
		return err
	}
	before := runtime.NumGoroutine()
	if err := e.giveUpWaits(ctx, key, revision, manyWaits); err != nil {
		return err
	}
	deadline := time.NewTimer(e.options.Patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for runtime.NumGoroutine() >= before+manyWaits/2 {
		select {
		case <-again.C:
		case <-deadline.C:
			return fmt.Errorf("%d goroutines before, %d after %d waits were given up", before, runtime.NumGoroutine(), manyWaits)
		}
	}
	return nil
}

func (e *env) giveUpWaits(ctx context.Context, key string, revision lock.Revision, count int) error {
	short, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	waits := make([]<-chan waited, count)
	for i := range waits {
		waits[i] = e.wait(short, i, key, revision)
	}
	e.settle(ctx, key)
	cancel(errGivenUp)
	for _, done := range waits {
		if err := e.givenUp(done); err != nil {
			return err
		}
	}
	return nil
}
