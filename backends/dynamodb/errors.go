package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lockproof/lockproof/lock"
)

// errNoAnswer is the cause when a request without a deadline of its own timed
// out.
var errNoAnswer = fmt.Errorf("no answer within %v", requestTimeout)

// sendOnce turns the SDK's retries off, and notes and mends what is handed to
// the HTTP client.
func sendOnce(o *dynamodb.Options) {
	o.Retryer = aws.NopRetryer{}
	o.APIOptions = append(o.APIOptions[:len(o.APIOptions):len(o.APIOptions)], func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(noteSent, middleware.After)
	})
}

// noteSent runs last of all, right before the HTTP client.
var noteSent = middleware.DeserializeMiddlewareFunc("LockproofNoteSent",
	func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		if err := plainBody(&in); err != nil {
			return middleware.DeserializeOutput{}, middleware.Metadata{}, err
		}
		if sent, ok := ctx.Value(sentKey{}).(*bool); ok {
			*sent = true
		}
		return next.HandleDeserialize(ctx, in)
	})

// plainBody takes from a request's body the method WriteTo. The SDK closes a
// body once there is an answer, and its WriteTo then fails with io.EOF. Go's
// transport asks a body once more when all is written, to see whether there is
// too much; on a loaded machine that comes after the answer, and upon an error
// the transport closes the connection on which the answer is being read. Read
// has no such flaw: there, io.EOF means the end.
func plainBody(in *middleware.DeserializeInput) error {
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return nil
	}
	body, ok := request.GetStream().(io.ReadSeeker)
	if !ok {
		return nil
	}
	request, err := request.SetStream(struct{ io.ReadSeeker }{body})
	if err == nil {
		in.Request = request
	}
	return err
}

// sentKey is a context's key of a *bool: whether its request was sent.
type sentKey struct{}

// call makes one request and classifies its error, except for the failure of a
// condition, which stays as it is.
func call[In, Out any](ctx context.Context, method func(context.Context, *In, ...func(*dynamodb.Options)) (*Out, error), input *In) (*Out, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", lock.ErrUnavailable, lock.CauseOf(ctx))
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	var sent bool
	output, err := method(context.WithValue(ctx, sentKey{}, &sent), input)
	if err != nil {
		return nil, classify(ctx, err, sent)
	}
	return output, nil
}

// classify adds the class of a definite error.
func classify(ctx context.Context, err error, sent bool) error {
	var failed *types.ConditionalCheckFailedException
	var dial *net.OpError
	switch {
	case errors.As(err, &failed):
		return err
	case !sent, errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%w: %w", lock.ErrUnavailable, withCause(ctx, err))
	}
	if class := turnedDown(err); class != nil {
		return fmt.Errorf("%w: %w", class, err)
	}
	return withCause(ctx, err)
}

// turnedDown returns the class of an answer that says that the request was not
// carried out, or nil. DynamoDB answers so with status 400 alone; anything else
// of the kind may come from something in between. Source: "Error handling with
// DynamoDB" in its Developer Guide.
func turnedDown(err error) error {
	var answer *smithyhttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != http.StatusBadRequest || !errors.As(err, &api) {
		return nil
	}
	switch api.ErrorCode() {
	case "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "Throttling", "LimitExceededException":
		return lock.ErrUnavailable
	case "TransactionConflictException", "ReplicatedWriteConflictException":
		return lock.ErrUnavailable // another write of the row was under way
	case "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture", "ExpiredTokenException":
		return lock.ErrUnavailable // the SDK learns the server's time, or new credentials, for the next call
	case "", "UnknownError":
		return nil // no answer of DynamoDB's
	}
	return lock.ErrRefused
}

// withCause says why a context ended, where the SDK only says that it did. The
// cause's class is not this request's.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	cause := lock.CauseOf(ctx)
	switch {
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
