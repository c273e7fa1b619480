package target

import (
	"context"
	"errors"
	"fmt"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/servers"
)

var kubernetesKind = Kind{
	Name: "kubernetes", Server: "kubernetes", Faults: wired,
	Summary: "Kubernetes, a Lease object for each lock: KUBECONFIG, or an API server built from source",
	Open: func(ctx context.Context, o Options) (Target, error) {
		return openKubernetes(ctx, o, func(ctx context.Context, config *rest.Config, namespace string) (*kubernetes.Store, error) {
			return kubernetes.Open(ctx, config, kubernetes.Config{Namespace: namespace})
		})
	},
}

var kubernetesAnnotationKind = Kind{
	Name: "kubernetes-annotation", Server: "kubernetes", Faults: wired,
	Summary: "the same server, locks in the annotations of one ConfigMap",
	Open: func(ctx context.Context, o Options) (Target, error) {
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

// openLayout opens a store on a namespace.
type openLayout func(ctx context.Context, config *rest.Config, namespace string) (*kubernetes.Store, error)

type kubernetesTarget struct {
	server *servers.Kubernetes
	open   openLayout
	o      Options
}

func openKubernetes(ctx context.Context, o Options, open openLayout) (Target, error) {
	if err := o.noExpiry("kubernetes"); err != nil {
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
	api, err := client.NewForConfig(k.server.RESTConfig(""))
	if err != nil {
		return err
	}
	for _, name := range k.namespaces() {
		namespace := &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name}}
		if _, err := api.CoreV1().Namespaces().Create(ctx, namespace, meta.CreateOptions{}); err != nil {
			return fmt.Errorf("create namespace %s: %w", name, err)
		}
	}
	object := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: guardedObject}}
	if _, err := api.CoreV1().ConfigMaps(k.o.Container).Create(ctx, object, meta.CreateOptions{}); err != nil {
		return fmt.Errorf("create config map %s in %s: %w", guardedObject, k.o.Container, err)
	}
	return nil
}

func (k *kubernetesTarget) namespaces() []string {
	return []string{k.o.Container, k.o.floorContainer()}
}

func (k *kubernetesTarget) Describe() string   { return k.server.Describe() }
func (k *kubernetesTarget) Address(int) string { return k.server.Address() }

func (k *kubernetesTarget) Connect(ctx context.Context, _ int, via string) (*Connection, error) {
	config := k.server.RESTConfig(via)
	store, err := keepTrying(ctx, 4*k.o.pingEvery(), func(ctx context.Context) (*kubernetes.Store, error) {
		return k.open(ctx, config, k.o.Container)
	})
	if err != nil {
		return nil, err
	}
	floor := func(ctx context.Context, key string) (Swap, error) {
		return kubernetesFloor(ctx, config, k.o.floorContainer(), key)
	}
	return &Connection{Store: store, Floor: floor, Close: store.Close}, nil
}

// kubernetesFloor is an update of a Lease by the typed client, without the
// limit on its rate.
func kubernetesFloor(ctx context.Context, config *rest.Config, namespace, key string) (Swap, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	api, err := client.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	leases := api.CoordinationV1().Leases(namespace)
	lease, err := leases.Create(ctx, &coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: "floor-" + key}}, meta.CreateOptions{})
	return func(ctx context.Context, value []byte) error {
		lease.Annotations = map[string]string{"lockproof.test/value": string(value)}
		next, err := leases.Update(ctx, lease, meta.UpdateOptions{})
		if err == nil {
			lease = next
		}
		return err
	}, err
}

func (k *kubernetesTarget) Faults() Faults {
	if !k.server.Restarts() {
		return Faults{}
	}
	return Faults{
		Stop:  func() error { k.server.Shutdown(); return nil },
		Start: func() error { return k.server.Start(context.Background()) },
	}
}

func (k *kubernetesTarget) Close() error {
	var err error
	if !k.server.Local() {
		err = cleanup(func(ctx context.Context) error {
			api, err := client.NewForConfig(k.server.RESTConfig(""))
			if err != nil {
				return err
			}
			for _, name := range k.namespaces() {
				err = errors.Join(err, api.CoreV1().Namespaces().Delete(ctx, name, meta.DeleteOptions{}))
			}
			return err
		})
	}
	return errors.Join(err, k.server.Stop())
}
