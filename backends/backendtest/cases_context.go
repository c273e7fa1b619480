package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

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
		{
			Name:      "cause-is-no-answer",
			Guarantee: "Why the context of a call ended says nothing about the call: a cause that is itself the error of a store neither denies a write that was made nor describes the key.",
			run:       causeIsNoAnswer,
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
	return e.claimsNothing(ctx, key, revision, errGivenUp)
}

// claimsNothing calls with a context that ended with cause before. The key
// holds "one" at revision.
func (e *env) claimsNothing(ctx context.Context, key string, revision lock.Revision, cause error) error {
	ended, cancel := context.WithCancelCause(ctx)
	cancel(cause)
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

// contextEndsDuringCall races each write with the end of its context.
func contextEndsDuringCall(ctx context.Context, e *env) error {
	return e.cutOff(ctx, func(int) error { return errGivenUp })
}

// cutOff races writes with the ends of their contexts, for which cause tells the
// reason. A value whose write said "not applied" must never be seen, not even
// later.
func (e *env) cutOff(ctx context.Context, cause func(round int) error) error {
	key := e.key("k")
	if _, err := e.create(ctx, key, "start"); err != nil {
		return err
	}
	refuted := make(map[string]error)
	var patience time.Duration // of the next write's context
	for round := range 4 * e.options.Rounds {
		record, err := e.store.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("get: %w", err)
		}
		value := "round " + strconv.Itoa(round)
		err = e.writeFor(ctx, patience, cause(round), key, record.Revision, value)
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
		patience = nextPatience(patience, err == nil, string(after.Value) == value)
	}
	return nil
}

// writeFor writes with a context that ends with cause after about patience.
func (e *env) writeFor(ctx context.Context, patience time.Duration, cause error, key string, old lock.Revision, value string) error {
	short, cancel := context.WithCancelCause(ctx)
	if patience == 0 {
		go cancel(cause)
	} else {
		timer := time.AfterFunc(patience, func() { cancel(cause) })
		defer timer.Stop()
	}
	return e.returns(short, func() error {
		_, err := e.store.CompareAndSwap(short, key, old, []byte(value))
		return err
	})
}

// nextPatience looks for the moment at which a write is made and not yet
// answered, however long the store at hand takes: earlier after an answer, later
// after a write that was not made. Now and then it ends the context at once.
func nextPatience(patience time.Duration, answered, made bool) time.Duration {
	const least, most = time.Microsecond, time.Second
	switch {
	case answered && patience <= least:
		return 0
	case answered:
		return patience * 3 / 4
	case made:
		return patience
	}
	return min(most, max(least, patience*3/2))
}

// causeIsNoAnswer ends contexts with errors that a store may return.
func causeIsNoAnswer(ctx context.Context, e *env) error {
	key := e.key("ended")
	revision, err := e.create(ctx, key, "one")
	if err != nil {
		return err
	}
	causes := classCauses()
	for _, cause := range causes {
		if err := e.claimsNothing(ctx, key, revision, cause); err != nil {
			return fmt.Errorf("cause %q: %w", cause, err)
		}
		if !e.caps.Watch {
			continue
		}
		short, cancel := context.WithCancelCause(ctx)
		blocked := e.wait(short, 0, key, revision)
		e.settle(ctx, key)
		cancel(cause)
		w, err := e.woken(blocked)
		switch {
		case err != nil:
			return fmt.Errorf("Wait, cause %q: %w", cause, err)
		case w.err == nil, errors.Is(w.err, lock.ErrConflict), errors.Is(w.err, lock.ErrNotFound), errors.Is(w.err, lock.ErrRefused):
			return fmt.Errorf("Wait whose context ended with cause %q claims something that is not so: %v", cause, w.err)
		}
	}
	return e.cutOff(ctx, func(round int) error { return causes[round%len(causes)] })
}

// classCauses has each class of error once, as another request may have
// returned it.
func classCauses() []error {
	var causes []error
	for _, class := range []error{
		lock.ErrConflict, lock.ErrNotFound, lock.ErrUnavailable, lock.ErrRefused,
		&lock.ConflictError{Current: lock.Record{Value: []byte("foreign"), Revision: "1"}, Known: true},
	} {
		causes = append(causes, fmt.Errorf("%w: it was another request: %w", errGivenUp, class))
	}
	return causes
}
