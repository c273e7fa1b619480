package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockproof/lockproof/lock"
)

// transport answers in the place of the network, and counts.
type transport struct {
	answer func(*http.Request) (*http.Response, error)
	calls  int
}

func (f *transport) Do(r *http.Request) (*http.Response, error) {
	f.calls++
	return f.answer(r)
}

func answer(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(body)),
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		}, nil
	}
}

func code(status int, code string) func(*http.Request) (*http.Response, error) {
	return answer(status, fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"says the server"}`, code))
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// faked opens a Store whose client would retry, on a transport.
func faked(t *testing.T, f *transport, provider aws.CredentialsProvider) *Store {
	t.Helper()
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String("http://nowhere.invalid"), Region: "eu-central-1", HTTPClient: f,
		Credentials: provider, RetryMaxAttempts: 5,
	})
	s, err := Open(t.Context(), client, Config{Table: "locks", Unchecked: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var anybody = credentials.NewStaticCredentialsProvider("key", "secret", "")

var errIndefinite = errors.New("indefinite")

func TestErrorsAreClassified(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		want   error
	}{
		{"condition failed, no row", code(400, "ConditionalCheckFailedException"), lock.ErrConflict},
		{"condition failed, a row", answer(400, `{"__type":"x#ConditionalCheckFailedException","Item":{"key":{"S":"k"},"revision":{"S":"r"},"value":{"S":"v"}}}`), lock.ErrConflict},
		{"condition failed, a foreign row", answer(400, `{"__type":"x#ConditionalCheckFailedException","Item":{"key":{"S":"k"}}}`), lock.ErrRefused},
		{"provisioned throughput", code(400, "ProvisionedThroughputExceededException"), lock.ErrUnavailable},
		{"request limit", code(400, "RequestLimitExceeded"), lock.ErrUnavailable},
		{"throttled", code(400, "ThrottlingException"), lock.ErrUnavailable},
		{"in a transaction", code(400, "TransactionConflictException"), lock.ErrUnavailable},
		{"written in another region", code(400, "ReplicatedWriteConflictException"), lock.ErrUnavailable},
		{"clock is off", code(400, "InvalidSignatureException"), lock.ErrUnavailable},
		{"token expired", code(400, "ExpiredTokenException"), lock.ErrUnavailable},
		{"validation, or too large", code(400, "ValidationException"), lock.ErrRefused},
		{"access denied", code(400, "AccessDeniedException"), lock.ErrRefused},
		{"no such account", code(400, "UnrecognizedClientException"), lock.ErrRefused},
		{"no such table", code(400, "ResourceNotFoundException"), lock.ErrRefused},
		{"collection too large", code(400, "ItemCollectionSizeLimitExceededException"), lock.ErrRefused},
		{"internal error", code(500, "InternalServerError"), errIndefinite},
		{"service unavailable", code(503, "ServiceUnavailable"), errIndefinite},
		{"throttled, says something with 503", code(503, "ThrottlingException"), errIndefinite},
		{"400 without a code", answer(400, "<html>bad request</html>"), errIndefinite},
		{"408 from something in between", answer(408, "timeout"), errIndefinite},
		{"unreadable success", answer(200, "{"), errIndefinite},
		{"broken connection", fails(io.ErrUnexpectedEOF), errIndefinite},
		{"read timeout", fails(&net.OpError{Op: "read", Err: context.DeadlineExceeded}), errIndefinite},
		{"not dialled", fails(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), lock.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &transport{answer: c.answer}
			s := faked(t, f, anybody)
			_, writeErr := s.CompareAndSwap(t.Context(), "k", "", []byte("v"))
			deleteErr := s.Delete(t.Context(), "k", "old")
			if f.calls != 2 {
				t.Errorf("2 calls were sent %d times", f.calls)
			}
			wantDelete := c.want
			if c.name == "condition failed, no row" {
				wantDelete = lock.ErrNotFound
			}
			expect(t, "write", writeErr, c.want)
			expect(t, "delete", deleteErr, wantDelete)
		})
	}
}

func expect(t *testing.T, what string, err, want error) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error", what)
	case want == errIndefinite && lock.Definite(err):
		t.Errorf("%s: taken for definite: %v", what, err)
	case want != errIndefinite && !errors.Is(err, want):
		t.Errorf("%s: want %q, got %v", what, want, err)
	}
	for _, other := range []error{lock.ErrConflict, lock.ErrNotFound, lock.ErrUnavailable, lock.ErrRefused} {
		if want != errIndefinite && other != want && errors.Is(err, other) {
			t.Errorf("%s: both %q and %q: %v", what, want, other, err)
		}
	}
}

// What is not sent is not applied, whatever the reason.
func TestWhatWasNotSentIsDefinite(t *testing.T) {
	f := &transport{answer: answer(200, "{}")}
	broken := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no credentials today")
	})
	_, err := faked(t, f, broken).CompareAndSwap(t.Context(), "k", "", nil)
	if !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "no credentials today") {
		t.Errorf("no credentials: %v", err)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err = faked(t, f, anybody).CompareAndSwap(ended, "k", "", nil)
	if !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "enough") {
		t.Errorf("ended context: %v", err)
	}
	if f.calls != 0 {
		t.Errorf("%d calls were sent", f.calls)
	}
}

// The cause of a context's end may be an error of another request, which says
// nothing about this one.
func TestADefiniteCauseDoesNotMakeAWriteDefinite(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &transport{answer: func(r *http.Request) (*http.Response, error) {
		cancel(fmt.Errorf("elsewhere: %w", lock.ErrRefused))
		return nil, r.Context().Err()
	}}
	_, err := faked(t, f, anybody).CompareAndSwap(ctx, "k", "", nil)
	if err == nil || lock.Definite(err) || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("got %v", err)
	}
}

func TestACauseIsPassedOn(t *testing.T) {
	slow := errors.New("too slow")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &transport{answer: func(r *http.Request) (*http.Response, error) {
		cancel(slow)
		<-r.Context().Done()
		return nil, r.Context().Err()
	}}
	_, err := faked(t, f, anybody).CompareAndSwap(ctx, "k", "", nil)
	if !errors.Is(err, slow) || lock.Definite(err) {
		t.Errorf("got %v", err)
	}
}

func TestOpenSaysWhatIsNotPermitted(t *testing.T) {
	f := &transport{answer: code(400, "AccessDeniedException")}
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String("http://nowhere.invalid"), Region: "eu-central-1", HTTPClient: f, Credentials: anybody,
	})
	_, err := Open(t.Context(), client, Config{Table: "locks"})
	if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), `"locks"`) || !strings.Contains(err.Error(), "dynamodb:DescribeTable") {
		t.Errorf("got %v", err)
	}
}
