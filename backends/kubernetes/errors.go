package kubernetes

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lockproof/lockproof/lock"
)

// errNoAnswer is the cause when a request without a deadline of its own timed
// out.
var errNoAnswer = fmt.Errorf("no answer within %v", requestTimeout)

// textNotReady is in the message of a server that has just started, whose
// admission has not read the namespaces yet (apiserver, pkg/admission). It
// comes with status 403 and passes.
const textNotReady = "not yet ready to handle request"

// classify adds the class of a definite error. Answers of the server with status
// 404, 409 and 422 stay as they are: what they mean depends on the request.
//
// After a request that ended without an answer, nothing is known of the other
// connections either, and the idle ones are closed.
func (a *api) classify(ctx context.Context, err error, sent bool) error {
	if status := answered(err); status != nil {
		if class := turnedDown(status); class != nil {
			return fmt.Errorf("%w: %w", class, err)
		}
		return err
	}
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return fmt.Errorf("%w: the server is not the one of the configuration: %w", lock.ErrRefused, err)
	case !sent, errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%w: %w", lock.ErrUnavailable, withCause(ctx, err))
	}
	a.closeIdle()
	return withCause(ctx, err)
}

// answered returns the API server's own answer, or nil: a Status, or its plain
// text refusal of too many requests, which comes before anything is looked at.
// Any other text may come from something in between.
func answered(err error) *metav1.Status {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return nil
	}
	status := answer.Status()
	if status.Code != http.StatusTooManyRequests && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) {
		return nil
	}
	return &status
}

// turnedDown returns the class of an answer that proves that a request was not
// carried out, whatever it was, or nil. Authentication, authorization, decoding
// and admission come before storage, and the limit of requests comes before all
// of them. Source: "Controlling Access to the Kubernetes API" and "API
// Priority and Fairness" in the Kubernetes documentation. Status 5xx is not
// here: storage times out with it, and may apply the write later.
func turnedDown(status *metav1.Status) error {
	if status.Code == http.StatusForbidden && strings.Contains(status.Message, textNotReady) {
		return lock.ErrUnavailable
	}
	switch status.Code {
	case http.StatusTooManyRequests:
		return lock.ErrUnavailable
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return lock.ErrRefused
	}
	return nil
}

// code returns the status of the server's answer, 0 if err is no such.
func code(err error) int32 {
	if status := answered(err); status != nil {
		return status.Code
	}
	return 0
}

// about reports whether an answer is about the object of that name, and not
// about something on the way to it, such as its namespace or a quota.
func about(err error, name string) bool {
	status := answered(err)
	return status != nil && status.Details != nil && status.Details.Name == name && status.Details.Kind != "namespaces"
}

// invalid reports whether the server found fields of the object that it does not
// take, and would store.
func invalid(err error) bool {
	status := answered(err)
	return status != nil && status.Code == http.StatusUnprocessableEntity && status.Details != nil && len(status.Details.Causes) > 0
}

// withCause says why a context ended, where the library only says that it did.
// The cause's class is not this request's.
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
