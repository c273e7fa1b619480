package docstore

import (
	"context"
	"errors"
	"fmt"

	"gocloud.dev/docstore"
	"gocloud.dev/gcerrors"

	"github.com/lockproof/lockproof/lock"
)

// errNoAnswer is the cause when a call without a deadline of its own timed out.
var errNoAnswer = fmt.Errorf("no answer within %v", requestTimeout)

// errNoRevision means that no document can have the revision: it was not sent.
var errNoRevision = errors.New("not a revision of this collection")

// errUnset means that a write was done and nobody knows as which revision.
var errUnset = errors.New("the collection set no revision")

// afterLoss finds out what stands in the way of a write whose condition failed,
// by reading again; found{} means nothing. Other errors it classifies.
//
// The codes of such a failure differ. Create: AlreadyExists. Replace: for
// another revision FailedPrecondition; for no document NotFound (memdocstore,
// the Firestore service) or FailedPrecondition (awsdynamodb). NotFound may also be
// a table or database that does not exist, FailedPrecondition a collection that
// was closed: the read then says so.
func (s *Store) afterLoss(ctx context.Context, name string, err error) (found, error) {
	switch gcerrors.Code(err) {
	case gcerrors.AlreadyExists, gcerrors.FailedPrecondition, gcerrors.NotFound:
	default:
		if !errors.Is(err, errNoRevision) {
			return found{}, classifyWrite(ctx, err)
		}
	}
	now, readErr := s.read(ctx, name)
	switch {
	case readErr == nil:
		return now, nil
	case errors.Is(readErr, lock.ErrNotFound):
		return found{}, nil
	case errors.Is(readErr, lock.ErrRefused):
		return found{}, readErr
	}
	return found{}, fmt.Errorf("%w; to read what stood in the way failed: %v", &lock.ConflictError{}, readErr)
}

// classifyWrite adds the class of a definite error. The proof of each is that
// the service looks at it before it looks at the document, and says the same of
// each try that the driver makes:
//
//   - InvalidArgument: a request that is malformed or too large;
//   - PermissionDenied, and DynamoDB's words for it, to which docstore has no
//     code;
//   - Unimplemented: there is no such operation.
//
// ResourceExhausted is not among them: throttling may have hit the second try of
// a driver whose first was applied, and gRPC uses it for an answer that is too
// long.
func classifyWrite(ctx context.Context, err error) error {
	switch gcerrors.Code(err) {
	case gcerrors.InvalidArgument, gcerrors.PermissionDenied, gcerrors.Unimplemented:
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	}
	if noPermission(err) {
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	}
	return withCause(ctx, err)
}

// classifyRead is for reads, which have no condition that could fail: NotFound
// without a cause is the driver's own and means the document, NotFound with one
// is the service's, and means a table or a database.
func classifyRead(ctx context.Context, err error) error {
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		if driverSaysSo(err) {
			return lock.ErrNotFound
		}
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	case gcerrors.FailedPrecondition: // the collection was closed
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	case gcerrors.ResourceExhausted:
		return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
	}
	return classifyWrite(ctx, err)
}

// driverSaysSo reports whether an error was made by the driver, not by the
// service: nothing is wrapped by it but its code.
func driverSaysSo(err error) bool {
	var list docstore.ActionListError
	if !errors.As(err, &list) || len(list) != 1 {
		return false
	}
	wraps, ok := list[0].Err.(interface{ Unwrap() []error })
	return ok && len(wraps.Unwrap()) > 0 && wraps.Unwrap()[0] == nil
}

// noPermission knows DynamoDB's answers without its SDK.
func noPermission(err error) bool {
	var api interface {
		error
		ErrorCode() string
	}
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "AccessDeniedException", "UnrecognizedClientException", "MissingAuthenticationTokenException", "IncompleteSignatureException":
		return true
	}
	return false
}

// notSent is the error of a call whose context had ended before.
func notSent(ctx context.Context) error {
	return &notSentError{lock.CauseOf(ctx)}
}

// notSentError is our own word that nothing was sent. What a driver passes on is
// never this value itself, even where the cause of its context is an error of ours.
type notSentError struct{ cause error }

func (e *notSentError) Error() string   { return fmt.Sprintf("%v: %v", lock.ErrUnavailable, e.cause) }
func (e *notSentError) Unwrap() []error { return []error{lock.ErrUnavailable, e.cause} }

// withCause says why a context ended, where the driver only says that it did.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	cause := lock.CauseOf(ctx)
	switch own, _ := err.(*notSentError); { //nolint:errorlint // the value itself, not one that is wrapped
	case own != nil:
		return own
	case lock.Definite(err): // it is the cause, passed on by net/http
		return fmt.Errorf("%w: %v", cause, err)
	case errors.Is(err, cause):
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// bounded gives ctx a deadline if it has none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
}
