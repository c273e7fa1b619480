package nats

import (
	"context"
	"errors"
	"fmt"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/lock"
)

func answer(code jetstream.ErrorCode) error {
	return fmt.Errorf("nats: %w", &jetstream.APIError{Code: 400, ErrorCode: code, Description: "as the server says"})
}

func TestWriteErrorsAreClassified(t *testing.T) {
	indefinite := error(nil)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"wrong last sequence", answer(10071), lock.ErrConflict},
		{"a write of the key is under way", answer(10164), lock.ErrUnavailable},
		{"message too large for the stream", answer(10054), lock.ErrRefused},
		{"header too large", answer(10097), lock.ErrRefused},
		{"another stream took the subject", answer(10060), lock.ErrRefused},
		{"sealed", answer(10109), lock.ErrRefused},
		{"account limits", answer(10002), lock.ErrUnavailable},
		{"server limits", answer(10023), lock.ErrUnavailable},
		{"too many requests", answer(10167), lock.ErrUnavailable},
		{"store failed, perhaps on one server only", answer(10077), indefinite},
		{"replica out of step", answer(10063), indefinite},
		{"unknown code", answer(65000), indefinite},
		{"payload too large for the server", natsgo.ErrMaxPayload, lock.ErrRefused},
		{"bad subject", natsgo.ErrBadSubject, lock.ErrRefused},
		{"draining", natsgo.ErrConnectionDraining, lock.ErrRefused},
		{"no responders", natsgo.ErrNoResponders, lock.ErrUnavailable},
		{"no stream", jetstream.ErrNoStreamResponse, lock.ErrUnavailable},
		{"reconnect buffer full", natsgo.ErrReconnectBufExceeded, lock.ErrUnavailable},
		{"closed, perhaps while waiting", natsgo.ErrConnectionClosed, indefinite},
		{"disconnected", natsgo.ErrDisconnected, indefinite},
		{"timeout", natsgo.ErrTimeout, indefinite},
		{"deadline", context.DeadlineExceeded, indefinite},
		{"bad acknowledgement", jetstream.ErrInvalidJSAck, indefinite},
	} {
		got := writeError(t.Context(), c.err)
		if lock.Definite(got) != (c.want != indefinite) || c.want != indefinite && !errors.Is(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestConflictsDoNotClaimToKnowTheRecord(t *testing.T) {
	var conflict *lock.ConflictError
	if err := writeError(t.Context(), answer(10071)); !errors.As(err, &conflict) || conflict.Known {
		t.Fatalf("got %v", err)
	}
}

func TestErrorsOfEndedContextsCarryTheCause(t *testing.T) {
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	for _, err := range []error{writeError(ctx, context.Canceled), readError(ctx, context.Canceled)} {
		if !errors.Is(err, why) || !errors.Is(err, context.Canceled) || lock.Definite(err) {
			t.Errorf("got %v", err)
		}
	}
}

// The first error of an errgroup is the cause of its context's end.
func TestACauseDoesNotLendItsClass(t *testing.T) {
	for _, class := range []error{lock.ErrConflict, lock.ErrNotFound, lock.ErrUnavailable, lock.ErrRefused, &lock.ConflictError{Known: true}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(fmt.Errorf("another request: %w", class))
		for _, err := range []error{writeError(ctx, context.Canceled), readError(ctx, context.Canceled)} {
			if lock.Definite(err) || errors.As(err, new(*lock.ConflictError)) || !errors.Is(err, context.Canceled) {
				t.Errorf("cause %v: got %v", class, err)
			}
		}
	}
}

func TestDeletionIsMarkedByClientsAndByTheServer(t *testing.T) {
	for _, c := range []struct {
		header natsgo.Header
		want   bool
	}{
		{nil, false},
		{natsgo.Header{"Nats-Expected-Stream": {"KV_b"}}, false},
		{natsgo.Header{"KV-Operation": {"DEL"}}, true},
		{natsgo.Header{"KV-Operation": {"PURGE"}}, true},
		{natsgo.Header{"Nats-Marker-Reason": {"MaxAge"}}, true},
	} {
		if got := marksDeletion(c.header); got != c.want {
			t.Errorf("%v: %v", c.header, got)
		}
	}
}
