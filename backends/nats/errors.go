package nats

import (
	"context"
	"errors"
	"fmt"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/lock"
)

// errNoAnswer is the cause when a request without a deadline of its own timed
// out.
var errNoAnswer = fmt.Errorf("no answer within %v", requestTimeout)

// errUnderWay is what a leader of a replicated stream says while a write of the
// same subject has not been carried out yet: whether the sequence is the last
// one it cannot tell, and it proposes nothing (nats-server 2.15,
// jetstream_batching.go, checkMsgHeadersPreClusteredProposal).
var errUnderWay = errors.New("a write of this key is under way")

// API error codes that the client library does not name (nats-server 2.15,
// jetstream_errors_generated.go).
const (
	codeAccountLimits   jetstream.ErrorCode = 10002
	codeServerLimits    jetstream.ErrorCode = 10023
	codeOtherStream     jetstream.ErrorCode = 10060
	codeHeaderTooLarge  jetstream.ErrorCode = 10097
	codeSealed          jetstream.ErrorCode = 10109
	codeTooManyRequests jetstream.ErrorCode = 10167
)

// writeError classifies the error of a publish.
//
// Definite are those that the client raises before it sends, and those that the
// server sends before it stores or proposes anything (stream.go,
// processJetStreamMsg; jetstream_cluster.go, processClusteredInboundMsg). All
// others are left indefinite, among them "store failed" (10077) and "sequence
// not match" (10063), which a leader may send for a message that its followers
// keep, and ErrConnectionClosed, which the client returns both before it sends
// and while it waits.
//
// "No responders" is definite: the server that took the message found nobody to
// deliver it to.
func writeError(ctx context.Context, err error) error {
	var answer *jetstream.APIError
	if errors.As(err, &answer) {
		switch answer.ErrorCode {
		case jetstream.JSErrCodeStreamWrongLastSequence:
			return fmt.Errorf("%w (%s)", &lock.ConflictError{}, answer.Description)
		case jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return fmt.Errorf("%w: %w", lock.ErrUnavailable, errUnderWay)
		case jetstream.JSErrCodeStreamMessageExceedsMaximum, codeHeaderTooLarge, codeOtherStream, codeSealed:
			return fmt.Errorf("%w: %w", lock.ErrRefused, err)
		case codeAccountLimits, codeServerLimits, codeTooManyRequests:
			return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
		}
		return err
	}
	if class := unsent(err); class != nil {
		return fmt.Errorf("%w: %w", class, err)
	}
	return causeOf(ctx, err)
}

// readError classifies the error of a read. Nothing depends on a read being
// definite; the classes say whether trying again may help.
func readError(ctx context.Context, err error) error {
	var answer *jetstream.APIError
	if errors.As(err, &answer) {
		if answer.Code == 404 || answer.Code == 400 {
			return fmt.Errorf("%w: %w", lock.ErrRefused, err)
		}
		return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
	}
	if class := unsent(err); class != nil {
		return fmt.Errorf("%w: %w", class, err)
	}
	return causeOf(ctx, err)
}

// unsent returns the class of an error that proves that no server acted on the
// request, or nil.
func unsent(err error) error {
	for _, refused := range []error{
		natsgo.ErrMaxPayload, natsgo.ErrBadSubject, natsgo.ErrHeadersNotSupported, natsgo.ErrConnectionDraining,
	} {
		if errors.Is(err, refused) {
			return lock.ErrRefused
		}
	}
	for _, unavailable := range []error{
		natsgo.ErrNoResponders, jetstream.ErrNoStreamResponse, natsgo.ErrReconnectBufExceeded,
	} {
		if errors.Is(err, unavailable) {
			return lock.ErrUnavailable
		}
	}
	return nil
}

// causeOf says why a context ended, where the library only says that it did. The
// cause's class is not this request's.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		if cause := lock.CauseOf(ctx); !errors.Is(cause, err) {
			return fmt.Errorf("%w: %w", cause, err)
		}
	}
	return err
}
