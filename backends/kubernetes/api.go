package kubernetes

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/lockproof/lockproof/lock"
)

const (
	dialTimeout = 5 * time.Second
	idleTimeout = 30 * time.Second
	idleMost    = 64
)

// Only metadata is asked for: records are annotations.
const (
	acceptObject = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
	acceptList   = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)

// object is what is read of an object of any kind.
type object struct {
	Metadata struct {
		Name            string            `json:"name"`
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
}

// api speaks to one server.
type api struct {
	rest      *rest.RESTClient
	closeIdle func()
}

// newAPI makes a client with a transport of its own, unless the configuration
// brings one.
func newAPI(config *rest.Config) (*api, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.RateLimiter, config.Timeout = -1, nil, 0
	if config.WarningHandler == nil && config.WarningHandlerWithContext == nil {
		config.WarningHandler = rest.NoWarnings{}
	}
	if config.UserAgent == "" {
		config.UserAgent = "lockproof"
	}
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, closeIdle, err := httpClient(config)
	if err != nil {
		return nil, err
	}
	restClient, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return &api{rest: restClient, closeIdle: closeIdle}, nil
}

func httpClient(config *rest.Config) (*http.Client, func(), error) {
	settings, err := config.TransportConfig()
	if err != nil {
		return nil, nil, err
	}
	base, closeIdle := settings.Transport, func() {}
	if base == nil {
		own, err := newTransport(settings)
		if err != nil {
			return nil, nil, err
		}
		base, closeIdle = own, own.CloseIdleConnections
	}
	wrapped, err := transport.HTTPWrappersForConfig(settings, noteSent{base})
	if err != nil {
		return nil, nil, err
	}
	return &http.Client{Transport: wrapped}, closeIdle, nil
}

// newTransport speaks HTTP/1.1 alone; see the package's failure model. (The
// library shares transports between clients, and keeps them for ever.)
func newTransport(settings *transport.Config) (*http.Transport, error) {
	settings.TLS.NextProtos = []string{"http/1.1"}
	secure, err := transport.TLSConfigFor(settings)
	if err != nil {
		return nil, err
	}
	dial := (&net.Dialer{Timeout: dialTimeout, KeepAlive: idleTimeout}).DialContext
	if settings.DialHolder != nil {
		dial = settings.DialHolder.Dial
	}
	proxy := http.ProxyFromEnvironment
	if settings.Proxy != nil {
		proxy = settings.Proxy
	}
	return &http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: dialTimeout,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: idleMost,
		IdleConnTimeout:     idleTimeout,
		DisableCompression:  true,
	}, nil
}

// noteSent notes what is handed to the transport, after all that may fail
// before, such as a helper that provides credentials.
type noteSent struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n noteSent) RoundTrip(request *http.Request) (*http.Response, error) {
	if sent, ok := request.Context().Value(sentKey{}).(*bool); ok {
		*sent = true
	}
	return n.base.RoundTrip(request)
}

// WrappedRoundTripper lets the library find the transport.
func (n noteSent) WrappedRoundTripper() http.RoundTripper { return n.base }

// sentKey is a context's key of a *bool: whether its request was sent.
type sentKey struct{}

// request is one call of the API.
type request struct {
	verb        string
	path        string
	params      map[string]string
	contentType string
	accept      string
	body        any // marshalled as JSON; nil for none
}

// do makes the call, once, and reads the answer into out, unless that is nil.
// Its errors are classified.
func (a *api) do(ctx context.Context, r request, out any) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", lock.ErrUnavailable, lock.CauseOf(ctx))
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	built, err := a.build(r)
	if err != nil {
		return err
	}
	var sent bool
	result := built.Do(context.WithValue(ctx, sentKey{}, &sent))
	if err := result.Error(); err != nil {
		return a.classify(ctx, err, sent)
	}
	body, err := result.Raw()
	if err == nil && out != nil {
		err = json.Unmarshal(body, out)
	}
	if err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return nil
}

// stream opens a stream that ends with ctx.
func (a *api) stream(ctx context.Context, r request) (io.ReadCloser, error) {
	built, err := a.build(r)
	if err != nil {
		return nil, err
	}
	var sent bool
	body, err := built.Stream(context.WithValue(ctx, sentKey{}, &sent))
	if err != nil {
		return nil, a.classify(ctx, err, sent)
	}
	return body, nil
}

func (a *api) build(r request) (*rest.Request, error) {
	accept := r.accept
	if accept == "" {
		accept = acceptObject
	}
	built := a.rest.Verb(r.verb).AbsPath(r.path).MaxRetries(0).SetHeader("Accept", accept)
	for name, value := range r.params {
		built.Param(name, value)
	}
	if r.body != nil {
		body, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", lock.ErrRefused, err)
		}
		built.Body(body).SetHeader("Content-Type", r.contentType)
	}
	return built, nil
}

// bounded gives ctx a deadline if it has none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
}
