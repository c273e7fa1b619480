package kubernetes_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
)

// patience is how long what must happen may take.
const patience = 60 * time.Second

// shared is the server of most tests, once one has asked for it.
var shared *servers.Kubernetes

// start starts it with the first test that needs it: fuzzing workers do not.
var start = sync.OnceValue(func() (err error) {
	shared, err = servers.StartKubernetes(context.Background(), servers.KubernetesConfig{})
	return err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// server is the shared server, or the end of the test.
func server(t testing.TB) *servers.Kubernetes {
	t.Helper()
	require.Server(t, "kubernetes", start())
	return shared
}

// raw speaks to the server beside the package under test.
type raw struct {
	t      testing.TB
	client *rest.RESTClient
}

func rawClient(t testing.TB, config *rest.Config) raw {
	t.Helper()
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.QPS = -1
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { utilnet.CloseIdleConnectionsFor(client.Client.Transport) })
	return raw{t, client}
}

// try makes one call with a body of JSON, "" for none.
func (r raw) try(ctx context.Context, verb, path, contentType, body string) ([]byte, error) {
	request := r.client.Verb(verb).AbsPath(path).SetHeader("Content-Type", contentType)
	if body != "" {
		request.Body([]byte(body))
	}
	result := request.Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

func (r raw) must(verb, path, contentType, body string) []byte {
	r.t.Helper()
	answer, err := r.try(r.t.Context(), verb, path, contentType, body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

const (
	typeJSON  = "application/json"
	typeMerge = "application/merge-patch+json"
)

// freshNamespace makes a namespace of the test's own and removes it afterwards.
// Without controllers a namespace stays in its deletion, which is good enough.
func freshNamespace(t testing.TB, srv *servers.Kubernetes) string {
	t.Helper()
	name := "lockproof-" + strings.ToLower(rand.Text()[:10])
	client := rawClient(t, srv.RESTConfig(""))
	client.must(http.MethodPost, "/api/v1/namespaces", typeJSON, fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q}}`, name))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := client.try(ctx, http.MethodDelete, "/api/v1/namespaces/"+name, typeJSON, ""); err != nil {
			t.Log(err)
		}
	})
	return name
}

func leasePath(namespace, name string) string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases/" + name
}

func openLeases(t testing.TB, config *rest.Config, namespace string) *kubernetes.Store {
	t.Helper()
	store, err := kubernetes.Open(t.Context(), config, kubernetes.Config{Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// freshLeases makes a namespace for the test and opens it.
func freshLeases(t testing.TB) (*kubernetes.Store, string) {
	t.Helper()
	namespace := freshNamespace(t, server(t))
	return openLeases(t, shared.RESTConfig(""), namespace), namespace
}

// lease is what kubectl shows of one.
type lease struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
		Labels      map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		HolderIdentity       *string `json:"holderIdentity"`
		LeaseDurationSeconds *int    `json:"leaseDurationSeconds"`
		LeaseTransitions     *int    `json:"leaseTransitions"`
		AcquireTime          *string `json:"acquireTime"`
		RenewTime            *string `json:"renewTime"`
	} `json:"spec"`
}

func readLease(t *testing.T, client raw, namespace, name string) lease {
	t.Helper()
	var l lease
	if err := json.Unmarshal(client.must(http.MethodGet, leasePath(namespace, name), typeJSON, ""), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// configMaps is a kind of object that anybody may change.
func configMaps(namespace, name string) kubernetes.AnnotationConfig {
	return kubernetes.AnnotationConfig{
		Resource:  schema.GroupVersionResource{Version: "v1", Resource: "configmaps"},
		Namespace: namespace, Name: name,
	}
}

func configMapPath(namespace, name string) string {
	return "/api/v1/namespaces/" + namespace + "/configmaps/" + name
}

func makeConfigMap(t testing.TB, client raw, namespace, name string) {
	t.Helper()
	client.must(http.MethodPost, "/api/v1/namespaces/"+namespace+"/configmaps", typeJSON,
		fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q}}`, name))
}

func openAnnotations(t testing.TB, config *rest.Config, options kubernetes.AnnotationConfig) *kubernetes.Store {
	t.Helper()
	store, err := kubernetes.OpenAnnotations(t.Context(), config, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// freshAnnotations makes an object for the test and opens it.
func freshAnnotations(t testing.TB) (*kubernetes.Store, kubernetes.AnnotationConfig) {
	t.Helper()
	options := configMaps(freshNamespace(t, server(t)), "locks")
	makeConfigMap(t, rawClient(t, shared.RESTConfig("")), options.Namespace, options.Name)
	return openAnnotations(t, shared.RESTConfig(""), options), options
}
