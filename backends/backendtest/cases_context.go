package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/lockproof/lockproof/lock"
)

func contextCases() []Case {
	return []Case{
		{
			Name:      "ended-context",
			Guarantee: "A call whose context has already ended returns promptly, with an error that claims nothing untrue about the key.",
			run:       endedContext,
		},
		{
			Name:      "context-ends-during-call",
			Guarantee: "A write whose context ends on the way returns promptly; if it says that it was not applied, it never is.",
			run:       contextEndsDuringCall,
		},
	}
}

// errGivenUp is the cause with which cases end contexts.
var errGivenUp = errors.New("the case gave up on purpose")

func endedContext(ctx context.Context, e *env) error {
	key := e.key("k")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancelCause(ctx)
	cancel(errGivenUp)
	claims := func(what string, call func() error) error {
		err := e.returns(ended, call)
		switch {
		case err == nil:
			return fmt.Errorf("%s with an ended context succeeded", what)
		case errors.Is(err, lock.ErrConflict), errors.Is(err, lock.ErrNotFound):
			return fmt.Errorf("%s with an ended context claims something of the key that is not so: %w", what, err)
		case !lock.Definite(err):
			return nil
		}
		if err := e.holds(ctx, key, revision, "one"); err != nil {
			return fmt.Errorf("%s with an ended context said that it did nothing: %w", what, err)
		}
		return nil
	}
	if err := claims("get", func() error { _, err := e.store.Get(ended, key); return err }); err != nil {
		return err
	}
	if err := claims("update", func() error {
		_, err := e.store.CompareAndSwap(ended, key, revision, []byte("two"))
		return err
	}); err != nil {
		return err
	}
	return claims("delete", func() error { return e.store.Delete(ended, key, revision) })
}

// contextEndsDuringCall races each write with the end of its context. A value
// whose write said "not applied" must never be seen, not even later.
func contextEndsDuringCall(ctx context.Context, e *env) error {
	key := e.key("k")
	if _, err := e.create(ctx, key, "start"); err != nil {
		return err
	}
	refuted := make(map[string]error)
	for round := range 4 * e.options.Rounds {
		record, err := e.store.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("get: %w", err)
		}
		value := "round " + strconv.Itoa(round)
		short, cancel := context.WithCancelCause(ctx)
		go cancel(errGivenUp)
		err = e.returns(short, func() error {
			_, err := e.store.CompareAndSwap(short, key, record.Revision, []byte(value))
			return err
		})
		if err != nil && lock.Definite(err) {
			refuted[value] = err
		}
		after, getErr := e.store.Get(ctx, key)
		if getErr != nil {
			return fmt.Errorf("get: %w", getErr)
		}
		if err == nil && string(after.Value) != value {
			return fmt.Errorf("round %d was acknowledged, then read as %s", round, show(after.Value))
		}
		if claim := refuted[string(after.Value)]; claim != nil {
			return fmt.Errorf("%s was written, though its error said that it was not: %w", show(after.Value), claim)
		}
	}
	return nil
}
