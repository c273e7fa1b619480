package docstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/goleak"
	awsdynamodb "gocloud.dev/docstore/awsdynamodb/v2"

	"github.com/lockproof/lockproof/backends/docstore"
	"github.com/lockproof/lockproof/lock"
)

// refusing is an interceptor of the AWS SDK.
type refusing func(input any) error

func (f refusing) BeforeSerialization(_ context.Context, in *smithyhttp.InterceptorContext) error {
	return f(in.Input)
}

var errIndefinite = errors.New("indefinite")

// turning stands before DynamoDB and answers in its place once told what.
type turning struct {
	url    string
	status atomic.Int64 // 0: the server's own answer
	code   atomic.Value // string
	reads  atomic.Bool  // reads too
}

func (p *turning) down(status int64, code string, reads bool) {
	p.code.Store(code)
	p.reads.Store(reads)
	p.status.Store(status)
}

func turningDown(t *testing.T) *turning {
	t.Helper()
	target, err := neturl.Parse(dynamo.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{}
	forward.Transport = transport
	p := &turning{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchGetItem")
		status := int(p.status.Load())
		if status == 0 || read && !p.reads.Load() {
			forward.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"says the server"}`, p.code.Load()))
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	p.url = strings.TrimPrefix(server.URL, "http://")
	return p
}

func TestAnswersOfDynamoDBAreClassified(t *testing.T) {
	table := makeTable(t, "")
	p := turningDown(t)
	client, closeIdle := dynamo.Connect("http://" + p.url)
	t.Cleanup(closeIdle)
	client = sdk.New(client.Options(), func(o *sdk.Options) { // tries twice, and soon
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 2, time.Millisecond })
	})
	coll, err := awsdynamodb.OpenCollection(client, table, "ID", "", nil)
	store := open(t, closing(t, coll, err), onDynamoDB().config)
	revision, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int64
		code   string
		write  error
		read   error
	}{
		{400, "ProvisionedThroughputExceededException", errIndefinite, lock.ErrUnavailable},
		{400, "ThrottlingException", errIndefinite, errIndefinite},
		{400, "ValidationException", lock.ErrRefused, lock.ErrRefused},
		{400, "AccessDeniedException", lock.ErrRefused, lock.ErrRefused},
		{400, "UnrecognizedClientException", lock.ErrRefused, lock.ErrRefused},
		{400, "ResourceNotFoundException", lock.ErrRefused, lock.ErrRefused},
		{400, "TransactionConflictException", errIndefinite, errIndefinite},
		{500, "InternalServerError", errIndefinite, errIndefinite},
		{503, "ServiceUnavailable", errIndefinite, errIndefinite},
	} {
		t.Run(c.code, func(t *testing.T) {
			p.down(c.status, c.code, true)
			defer p.down(0, "", false)
			_, createErr := store.CompareAndSwap(t.Context(), "new", "", []byte("v"))
			expect(t, "create", createErr, c.write)
			_, updateErr := store.CompareAndSwap(t.Context(), "k", revision, []byte("v"))
			expect(t, "update", updateErr, c.write)
			expect(t, "delete", store.Delete(t.Context(), "k", revision), c.write)
			_, readErr := store.Get(t.Context(), "k")
			expect(t, "read", readErr, c.read)
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
}

// The failed condition is definite even if nobody can say what stands there.
func TestAConflictThatCannotBeReadIsAConflict(t *testing.T) {
	table := makeTable(t, "")
	p := turningDown(t)
	coll := dynamoCollection(t, p.url, table, "")
	failing := onDynamoDB().config
	before := failing.BeforeRead
	var broken atomic.Bool
	failing.BeforeRead = func(as func(any) bool) error {
		if broken.Load() {
			return errors.New("no reads today")
		}
		return before(as)
	}
	store := open(t, coll, failing)
	if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v")); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	_, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v"))
	if !errors.Is(err, lock.ErrConflict) || !strings.Contains(err.Error(), "no reads today") {
		t.Errorf("got %v", err)
	}
}

// The first step of a delete decides. What is left of it disturbs nobody.
func TestADeleteWhoseSecondStepFailsIsADelete(t *testing.T) {
	table := makeTable(t, "")
	client, closeIdle := dynamo.Connect("")
	t.Cleanup(closeIdle)
	var broken atomic.Bool
	client = sdk.New(client.Options(), func(o *sdk.Options) {
		o.Interceptors.AddBeforeSerialization(refusing(func(input any) error {
			if _, ok := input.(*sdk.DeleteItemInput); ok && broken.Load() {
				return errors.New("no deletes today")
			}
			return nil
		}))
	})
	coll, err := awsdynamodb.OpenCollection(client, table, "ID", "", nil)
	store := open(t, closing(t, coll, err), onDynamoDB().config)
	revision, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if err := store.Delete(t.Context(), "k", revision); err != nil {
		t.Fatal(err)
	}
	if err := coll.Get(t.Context(), map[string]any{"ID": "k"}); err != nil {
		t.Fatal("the second step was to fail, but the document is gone:", err)
	}
	if _, err := store.Get(t.Context(), "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Error(err)
	}
	if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte("again")); err != nil {
		t.Error(err)
	}
}

func TestAContextThatEndedSendsNothing(t *testing.T) {
	each(t, func(t *testing.T, d driver) {
		store := open(t, d.fresh(t)(t, ""), d.config)
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(fmt.Errorf("elsewhere: %w", lock.ErrConflict))
		_, getErr := store.Get(ended, "k")
		_, createErr := store.CompareAndSwap(ended, "k", "", nil)
		for _, err := range []error{getErr, createErr, store.Delete(ended, "k", "r")} {
			if !errors.Is(err, lock.ErrUnavailable) && !errors.Is(err, lock.ErrConflict) || !strings.Contains(err.Error(), "elsewhere") {
				t.Error(err)
			}
		}
		if errors.Is(createErr, lock.ErrConflict) {
			t.Errorf("the class of the cause is taken for that of the write: %v", createErr)
		}
	})
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	coll := inMemory(t, "ID", nil)
	store := open(t, coll, docstore.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	if _, err := store.CompareAndSwap(ctx, "k", "", nil); err != nil {
		t.Error(err)
	}
	cancel()
	goleak.VerifyNone(t, before)
}
