package targets

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/harness/target"
)

var kubernetesKind = target.Kind{
	Name: "kubernetes", Server: "kubernetes", Faults: wired,
	Summary: "Kubernetes, a Lease object for each lock: KUBECONFIG, or an API server built from source",
	Open: func(ctx context.Context, o target.Options) (target.Target, error) {
		return openKubernetes(ctx, o, func(ctx context.Context, config *rest.Config, namespace string) (*kubernetes.Store, error) {
			return kubernetes.Open(ctx, config, kubernetes.Config{Namespace: namespace})
		})
	},
}

var kubernetesAnnotationKind = target.Kind{
	Name: "kubernetes-annotation", Server: "kubernetes", Faults: wired,
	Summary: "the same server, locks in the annotations of one ConfigMap",
	Open: func(ctx context.Context, o target.Options) (target.Target, error) {
		return openKubernetes(ctx, o, func(ctx context.Context, config *rest.Config, namespace string) (*kubernetes.Store, error) {
			configMaps := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
			return kubernetes.OpenAnnotations(ctx, config, kubernetes.AnnotationConfig{
				Resource: configMaps, Namespace: namespace, Name: guardedObject,
			})
		})
	},
}

// guardedObject is the ConfigMap that carries locks in its annotations.
const guardedObject = "locks"

// namespaces is where an API server keeps them.
const namespaces = "/api/v1/namespaces"

// openLayout opens a store on a namespace.
type openLayout func(ctx context.Context, config *rest.Config, namespace string) (*kubernetes.Store, error)

type kubernetesTarget struct {
	server *servers.Kubernetes
	open   openLayout
	o      target.Options
}

func openKubernetes(ctx context.Context, o target.Options, open openLayout) (target.Target, error) {
	if err := o.RefuseExpiry("kubernetes"); err != nil {
		return nil, err
	}
	server, err := servers.StartKubernetes(ctx, servers.KubernetesConfig{})
	if err != nil {
		return nil, err
	}
	k := &kubernetesTarget{server, open, o}
	if err := k.prepare(ctx); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return k, nil
}

// prepare makes the namespaces of the locks and of the floors, and in the former
// an object to carry annotations.
func (k *kubernetesTarget) prepare(ctx context.Context) error {
	api, err := newKubernetesAPI(k.server.RESTConfig(""))
	if err != nil {
		return err
	}
	defer api.hangUp()
	for _, name := range k.namespaces() {
		if _, err := api.create(ctx, namespaces, newObject("v1", "Namespace", name)); err != nil {
			return fmt.Errorf("create namespace %s: %w", name, err)
		}
	}
	configMaps := namespaces + "/" + k.o.Container + "/configmaps"
	if _, err := api.create(ctx, configMaps, newObject("v1", "ConfigMap", guardedObject)); err != nil {
		return fmt.Errorf("create config map %s in %s: %w", guardedObject, k.o.Container, err)
	}
	return nil
}

func (k *kubernetesTarget) namespaces() []string {
	return []string{k.o.Container, floorContainer(k.o)}
}

func (k *kubernetesTarget) Describe() string   { return k.server.Describe() }
func (k *kubernetesTarget) Address(int) string { return k.server.Address() }

func (k *kubernetesTarget) Connect(ctx context.Context, _ int, via string) (*target.Connection, error) {
	config := k.server.RESTConfig(via)
	store, err := keepTrying(ctx, 4*pingEvery(k.o), func(ctx context.Context) (*kubernetes.Store, error) {
		return k.open(ctx, config, k.o.Container)
	})
	if err != nil {
		return nil, err
	}
	floor := func(ctx context.Context, key string) (target.Swap, error) {
		return kubernetesFloor(ctx, config, floorContainer(k.o), key)
	}
	return &target.Connection{Store: store, Floor: floor, Close: store.Close}, nil
}

// kubernetesFloor is an update of a Lease by client-go, without the limit on its
// rate.
func kubernetesFloor(ctx context.Context, config *rest.Config, namespace, key string) (target.Swap, error) {
	api, err := newKubernetesAPI(config)
	if err != nil {
		return nil, err
	}
	leases := "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases"
	lease, err := api.create(ctx, leases, newObject("coordination.k8s.io/v1", "Lease", "floor-"+key))
	return func(ctx context.Context, value []byte) error {
		lease.Annotations = map[string]string{"lockproof.test/value": string(value)}
		next, err := api.update(ctx, leases+"/"+lease.Name, lease)
		if err == nil {
			lease = next
		}
		return err
	}, err
}

func (k *kubernetesTarget) Faults() target.Faults {
	if !k.server.Restarts() {
		return target.Faults{}
	}
	return target.Faults{
		Stop:  func() error { k.server.Shutdown(); return nil },
		Start: func() error { return k.server.Start(context.Background()) },
	}
}

func (k *kubernetesTarget) Close() error {
	var err error
	if !k.server.Local() {
		err = cleanup(func(ctx context.Context) error {
			api, err := newKubernetesAPI(k.server.RESTConfig(""))
			if err != nil {
				return err
			}
			defer api.hangUp()
			for _, name := range k.namespaces() {
				err = errors.Join(err, api.remove(ctx, namespaces+"/"+name))
			}
			return err
		})
	}
	return errors.Join(err, k.server.Stop())
}
