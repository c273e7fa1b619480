package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	kubeoptions "k8s.io/kubernetes/pkg/kubeapiserver/options"
)

const (
	readyTimeout = 2 * time.Minute
	readyPoll    = 25 * time.Millisecond
	// issuer of service account tokens, of which there are none.
	issuer = "https://lockproof.invalid"
)

// apiServer is a running API server.
type apiServer struct {
	loopback *rest.Config
	done     chan struct{} // closed when it has ended
	err      error         // why; valid once done is closed
}

// startAPIServer serves on the listener until ctx ends.
func startAPIServer(ctx context.Context, k *keep, listener net.Listener, etcd string) (*apiServer, error) {
	logErrorsOnly()
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	s := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range s.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(arguments(k, etcd)); err != nil {
		return nil, err
	}
	address := listener.Addr().(*net.TCPAddr)
	s.SecureServing.Listener, s.SecureServing.BindAddress = listener, address.IP
	s.SecureServing.BindPort, s.SecureServing.ExternalAddress = address.Port, address.IP
	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, err
	}
	completed, err := s.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(completed.Validate()...); err != nil {
		return nil, err
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, err
	}
	ready, err := config.Complete()
	if err != nil {
		return nil, err
	}
	chain, err := app.CreateServerChain(ready)
	if err != nil {
		return nil, err
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return nil, err
	}
	api := &apiServer{loopback: chain.GenericAPIServer.LoopbackClientConfig, done: make(chan struct{})}
	go func() {
		defer close(api.done)
		if api.err = prepared.Run(ctx); api.err == nil {
			api.err = http.ErrServerClosed
		}
	}()
	return api, nil
}

// arguments are the flags of a kube-apiserver.
func arguments(k *keep, etcd string) []string {
	var off []string
	for _, plugin := range kubeoptions.AllOrderedPlugins {
		if plugin != "NamespaceLifecycle" {
			off = append(off, plugin)
		}
	}
	return []string{
		"--etcd-servers=http://" + etcd,
		"--tls-cert-file=" + k.path(fileServing),
		"--tls-private-key-file=" + k.path(fileServingKey),
		"--token-auth-file=" + k.path(fileTokens),
		"--authorization-mode=RBAC",
		"--anonymous-auth=false",
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + k.path(fileServiceAccounts),
		"--service-account-signing-key-file=" + k.path(fileServiceAccounts),
		"--service-cluster-ip-range=10.0.0.0/24",
		"--endpoint-reconciler-type=none",
		"--disable-admission-plugins=" + strings.Join(off, ","),
		"--enable-priority-and-fairness=false",
		"--feature-gates=APIServerIdentity=false,UnknownVersionInteroperabilityProxy=false",
		"--profiling=false",
	}
}

// logErrorsOnly keeps the server's own log to what went wrong, which goes to
// standard error in any case, and makes no files.
func logErrorsOnly() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

// waitReady returns nil once the server says that it is ready, and its first
// namespace is there.
func (a *apiServer) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client, err := rest.HTTPClientFor(a.loopback)
	if err != nil {
		return err
	}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default"} {
		for !answers(ctx, client, a.loopback.Host+path) {
			select {
			case <-tick.C:
			case <-a.done:
				return fmt.Errorf("the API server ended: %w", a.err)
			case <-ctx.Done():
				return fmt.Errorf("%s: %w", path, context.Cause(ctx))
			}
		}
	}
	return nil
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}
