// Package kubepeer has the contenders on a Kubernetes API server: the reference
// lock on its backend, and client-go's leader election.
package kubepeer

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/cmd/internal/servers"
)

// namespace is where all contenders keep their Leases. On a server of the
// user's it stays behind, with those.
const namespace = "lockproof-compare"

// electionModule is as go.mod pins it.
const electionModule = "k8s.io/client-go/tools/leaderelection v0.36.3"

// Arena starts a server and names its contenders. ttl is the lease of those
// with the same settings: whole seconds, at least 2.
func Arena(ctx context.Context, ttl time.Duration) (*arena.Server, error) {
	same, err := sameElection(ttl)
	if err != nil {
		return nil, err
	}
	server, err := servers.StartKubernetes(ctx, servers.KubernetesConfig{})
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, server.RESTConfig("")); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return &arena.Server{
		Name: "kubernetes", Describe: server.Describe(), Stop: server.Stop,
		Contenders: []arena.Contender{
			ours(server, arena.Published, arena.OurDefaults().Watching()),
			election(server, arena.Published, publishedElection()),
			ours(server, arena.Same, arena.SameFor(ttl).Watching()),
			election(server, arena.Same, same),
		},
		Notes: []string{"kubernetes: client-go's own limit of 5 requests a second is off for all contenders"},
	}, nil
}

// prepare makes the namespace.
func prepare(ctx context.Context, config *rest.Config) error {
	client, err := clientset.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("kubernetes: namespace %s: %w", namespace, err)
	}
	return nil
}

// configFor is the server's configuration for a client whose connections line
// cuts.
func configFor(server *servers.Kubernetes, line *arena.Line) *rest.Config {
	config := server.RESTConfig("")
	config.Dial = line.DialContext
	config.QPS = -1
	return config
}

func ours(server *servers.Kubernetes, settings arena.Settings, l arena.Lease) arena.Contender {
	return arena.Contender{
		Lock: arena.Ours, Settings: settings, Lease: l,
		Open: func(ctx context.Context, owner string) (arena.Client, error) {
			line := &arena.Line{}
			store, err := kubernetes.Open(ctx, configFor(server, line), kubernetes.Config{Namespace: namespace})
			if err != nil {
				return nil, err
			}
			return arena.NewOurs(store, owner, l, line.Cut, store.Close)
		},
	}
}

func election(server *servers.Kubernetes, settings arena.Settings, e electionSettings) arena.Contender {
	return arena.Contender{
		Lock: "leaderelection", Module: electionModule, Settings: settings, Lease: e.lease(),
		Notes: []string{
			fmt.Sprintf("LeaseDuration %s, RenewDeadline %s, RetryPeriod %s, ReleaseOnCancel", e.duration, e.deadline, e.retry),
			"a candidate that waits looks again after 1 to 2.2 x RetryPeriod",
		},
		Open: func(_ context.Context, owner string) (arena.Client, error) {
			line := &arena.Line{}
			client, err := clientset.NewForConfig(configFor(server, line))
			if err != nil {
				return nil, err
			}
			return &electionClient{client: client, line: line, owner: owner, settings: e}, nil
		},
	}
}
