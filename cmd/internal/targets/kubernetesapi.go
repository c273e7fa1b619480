package targets

import (
	"context"
	"encoding/json"
	"net/http"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// kubernetesAPI is the REST client of client-go, for objects of which only the
// metadata matters. The typed clientset would do the same, and have every API of
// Kubernetes compiled: a third of the build of the commands.
type kubernetesAPI struct{ client *rest.RESTClient }

// newKubernetesAPI connects without a limit on the rate of requests.
func newKubernetesAPI(config *rest.Config) (kubernetesAPI, error) {
	config = rest.CopyConfig(config)
	scheme := runtime.NewScheme()
	meta.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.QPS = -1
	client, err := rest.UnversionedRESTClientFor(config)
	return kubernetesAPI{client}, err
}

// hangUp closes the connections that are not in use.
func (a kubernetesAPI) hangUp() { utilnet.CloseIdleConnectionsFor(a.client.Client.Transport) }

// newObject is an object of a kind that has nothing but metadata.
func newObject(apiVersion, kind, name string) *meta.PartialObjectMetadata {
	return &meta.PartialObjectMetadata{
		TypeMeta:   meta.TypeMeta{APIVersion: apiVersion, Kind: kind},
		ObjectMeta: meta.ObjectMeta{Name: name},
	}
}

// create posts an object to the collection at path, and returns it as the server
// keeps it.
func (a kubernetesAPI) create(ctx context.Context, path string, object *meta.PartialObjectMetadata) (*meta.PartialObjectMetadata, error) {
	return a.send(ctx, http.MethodPost, path, object)
}

// update replaces the object at path, unless it has changed since it was read.
func (a kubernetesAPI) update(ctx context.Context, path string, object *meta.PartialObjectMetadata) (*meta.PartialObjectMetadata, error) {
	return a.send(ctx, http.MethodPut, path, object)
}

func (a kubernetesAPI) send(ctx context.Context, verb, path string, object *meta.PartialObjectMetadata) (*meta.PartialObjectMetadata, error) {
	body, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	result := a.client.Verb(verb).AbsPath(path).SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body).Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	answer, err := result.Raw()
	if err != nil {
		return nil, err
	}
	kept := new(meta.PartialObjectMetadata)
	return kept, json.Unmarshal(answer, kept)
}

func (a kubernetesAPI) remove(ctx context.Context, path string) error {
	return a.client.Delete().AbsPath(path).Do(ctx).Error()
}
