package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/lockproof/lockproof/lock"
)

// errNoAnswer is the cause when a request without a deadline of its own timed
// out.
var errNoAnswer = fmt.Errorf("no answer within %v", requestTimeout)

// Error codes of a server (src/mongo/base/error_codes.yml).
const (
	codeBadValue             = 2
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeIllegalOperation     = 20
	codeNamespaceNotFound    = 26
	codeNamespaceExists      = 48
	codeCommandNotFound      = 59
	codeInvalidOptions       = 72
	codeInvalidNamespace     = 73
	codeNotSupported         = 115
	codeValidationFailure    = 121
	codeNotSupportedOnView   = 166
	codeObjectTooLarge       = 10334
	codeDuplicateKey         = 11000
	codeKeyTooLong           = 17280
	codeUnknownStage         = 40324
	codeNoChangeStreams      = 40573
)

// call sends one command to the primary, once, and classifies its error. The
// session that ctx may have is left out.
func (s *Store) call(ctx context.Context, command bson.D) (bson.Raw, error) {
	return call(ctx, s.collection.Database(), command)
}

func call(ctx context.Context, database *mongo.Database, command bson.D) (bson.Raw, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", lock.ErrUnavailable, lock.CauseOf(ctx))
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	answer, err := database.RunCommand(mongo.NewSessionContext(ctx, nil), command).Raw()
	if err != nil {
		return nil, classify(ctx, err)
	}
	return answer, nil
}

// write sends one command with one write and returns how many documents it
// matched.
func (s *Store) write(ctx context.Context, command bson.D) (n int64, err error) {
	answer, err := s.call(ctx, append(command,
		bson.E{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}, {Key: "j", Value: true}}}))
	if err != nil {
		return 0, err
	}
	n, ok := answer.Lookup("n").AsInt64OK()
	if !ok {
		return 0, fmt.Errorf("unreadable answer: %v", answer)
	}
	return n, nil
}

// documents returns the first batch of a cursor.
func documents(answer bson.Raw) ([]bson.Raw, error) {
	batch, ok := answer.Lookup("cursor", "firstBatch").ArrayOK()
	if !ok {
		return nil, fmt.Errorf("unreadable answer: %v", answer)
	}
	values, err := batch.Values()
	if err != nil {
		return nil, fmt.Errorf("unreadable answer: %w", err)
	}
	found := make([]bson.Raw, 0, len(values))
	for _, value := range values {
		document, ok := value.DocumentOK()
		if !ok {
			return nil, fmt.Errorf("unreadable answer: %v", answer)
		}
		found = append(found, document)
	}
	return found, nil
}

// classify adds the class of a definite error.
func classify(ctx context.Context, err error) error {
	switch class := turnedDown(err); {
	case errors.Is(class, lock.ErrConflict):
		return fmt.Errorf("%w (%w)", class, err)
	case class != nil:
		return fmt.Errorf("%w: %w", class, err)
	case unsent(err):
		return fmt.Errorf("%w: %w", lock.ErrUnavailable, withCause(ctx, err))
	}
	return withCause(ctx, err)
}

// unsent reports whether the driver failed before it sent anything. In
// Operation.Execute of the driver, v2.9.3: no server was selected; the pool gave
// no connection, because it was cleared or all were in use; a connection could
// not be dialled; no time was left for a round trip; the client was disconnected.
// A failed handshake stays indefinite: its error is not told from others.
func unsent(err error) bool {
	var selection topology.ServerSelectionError
	var queue topology.WaitQueueTimeoutError
	var pool driver.RetryablePoolError
	var dial *net.OpError
	return errors.As(err, &selection) || errors.As(err, &queue) || errors.As(err, &pool) && pool.Retryable() ||
		errors.As(err, &dial) && dial.Op == "dial" ||
		errors.Is(err, driver.ErrDeadlineWouldBeExceeded) || errors.Is(err, mongo.ErrClientDisconnected)
}

// turnedDown returns the class of an answer that says that the command was not
// carried out, or nil.
//
// An error of the whole command (ok: 0) counts with the codes that a server
// raises while it checks permissions, parses, or looks the collection up. An
// error of the one write in it counts with those that are about its document:
// a write is a storage transaction, and such an error ends it. Left indefinite
// are "not primary" (10107, 13435), which some releases raise while they wait
// after the write, interruptions and timeouts, what a sharded cluster's router
// reports of its shards, and all errors of write concerns.
func turnedDown(err error) error {
	var failed mongo.WriteException
	if errors.As(err, &failed) {
		if len(failed.WriteErrors) != 1 {
			return nil
		}
		return badWrite(failed.WriteErrors[0])
	}
	var command mongo.CommandError
	if !errors.As(err, &command) {
		return nil
	}
	switch command.Code {
	case codeUnauthorized, codeAuthenticationFailed, codeCommandNotFound, codeNamespaceNotFound,
		codeInvalidOptions, codeInvalidNamespace, codeNotSupportedOnView, codeObjectTooLarge:
		return lock.ErrRefused
	}
	return nil
}

// badWrite classifies the error of one write. Whatever happened to a write
// concern besides, a write that was turned down was not applied.
func badWrite(failed mongo.WriteError) error {
	switch failed.Code {
	case codeDuplicateKey:
		// Servers since 4.2 name the index. One of the user's own makes locks
		// exclude each other for ever.
		if pattern, ok := failed.Raw.Lookup("keyPattern").DocumentOK(); ok && pattern.Lookup(fieldID).IsZero() {
			return fmt.Errorf("%w: a unique index of the collection's, not that of _id, stands in the way; drop it", lock.ErrRefused)
		}
		return &lock.ConflictError{}
	case codeValidationFailure, codeObjectTooLarge, codeKeyTooLong, codeNotSupportedOnView, codeUnauthorized:
		return lock.ErrRefused
	}
	return nil
}

// hasCode reports whether a server answered with one of the codes.
func hasCode(err error, codes ...int) bool {
	var answer mongo.ServerError
	if !errors.As(err, &answer) {
		return false
	}
	for _, code := range codes {
		if answer.HasErrorCode(code) {
			return true
		}
	}
	return false
}

// answered reports whether err is what a server said.
func answered(err error) bool {
	var command mongo.CommandError
	return errors.As(err, &command) && !mongo.IsNetworkError(err)
}

// withCause says why a context ended, where the driver only says that it did.
// The cause's class is not this request's.
//
// The driver gives its sockets the context's deadline, and they may be quicker
// than the context by the time that a timer takes.
func withCause(ctx context.Context, err error) error {
	if deadline, has := ctx.Deadline(); has && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	if ctx.Err() == nil {
		return err
	}
	cause := lock.CauseOf(ctx)
	switch {
	case lock.Definite(err): // it is the cause, passed on by the driver
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
