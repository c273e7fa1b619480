package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/lock"
)

// Somebody changes the object all the time; the lock's writes do not care.
func TestForeignChangesOfTheObjectAreNoConflicts(t *testing.T) {
	store, options := freshAnnotations(t)
	other := rawClient(t, shared.RESTConfig(""))
	ctx, cancel := context.WithCancel(t.Context())
	var changes atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			body := fmt.Sprintf(`{"data":{"n":"%d"},"metadata":{"annotations":{"n":"%d"}}}`, i, i)
			if _, err := other.try(ctx, http.MethodPatch, configMapPath(options.Namespace, options.Name), typeMerge, body); err == nil {
				changes.Add(1)
			}
		}
	}()
	revision := lock.Revision("")
	for i := range 50 {
		var err error
		if revision, err = store.CompareAndSwap(t.Context(), "k", revision, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
	if changes.Load() == 0 {
		t.Error("nobody changed the object")
	}
	if record, err := store.Get(t.Context(), "k"); err != nil || record.Revision != revision || string(record.Value) != "49" {
		t.Errorf("got %q at %q, %v", record.Value, record.Revision, err)
	}
}

// The first lock on an object makes its annotations, the last one leaves none.
func TestObjectsMayHaveNoAnnotations(t *testing.T) {
	store, options := freshAnnotations(t)
	other := openAnnotations(t, shared.RESTConfig(""), options)
	for range 3 {
		revision := create(t, store, "k")
		second := create(t, other, "l")
		if err := other.Delete(t.Context(), "k", revision); err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), "l", second); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnObjectMadeAnewIsRefused(t *testing.T) {
	store, options := freshAnnotations(t)
	revision := create(t, store, "k")
	other := rawClient(t, shared.RESTConfig(""))
	path := configMapPath(options.Namespace, options.Name)
	refused := func(says string) {
		t.Helper()
		_, getErr := store.Get(t.Context(), "k")
		_, createErr := store.CompareAndSwap(t.Context(), "k", "", []byte("v"))
		_, updateErr := store.CompareAndSwap(t.Context(), "k", revision, []byte("v"))
		_, waitErr := store.Wait(t.Context(), "k", revision)
		for _, err := range []error{getErr, createErr, updateErr, store.Delete(t.Context(), "k", revision), waitErr} {
			if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), says) {
				t.Errorf("want %q, got %v", says, err)
			}
		}
	}
	waits := waiting(t.Context(), store, "k", revision)
	other.must(http.MethodDelete, path, typeJSON, "")
	if err := ends(t, waits); !errors.Is(err, lock.ErrRefused) {
		t.Error("a wait when the object goes:", err)
	}
	refused("")
	makeConfigMap(t, other, options.Namespace, options.Name)
	refused("made anew")
	create(t, openAnnotations(t, shared.RESTConfig(""), options), "k")
}

func TestAnnotationsOfSomethingElseAreRefused(t *testing.T) {
	store, options := freshAnnotations(t)
	other := rawClient(t, shared.RESTConfig(""))
	for i, annotations := range []string{
		`{"lock.lockproof.dev/k0":"v"}`,
		`{"revision.lockproof.dev/k1":"tX \"k1\""}`,
		`{"lock.lockproof.dev/k2":"v","revision.lockproof.dev/k2":"tX \"another\""}`,
		`{"lock.lockproof.dev/k3":"v","revision.lockproof.dev/k3":"X"}`,
		`{"lock.lockproof.dev/k4":"?","revision.lockproof.dev/k4":"bX \"k4\""}`,
	} {
		key := fmt.Sprint("k", i)
		other.must(http.MethodPatch, configMapPath(options.Namespace, options.Name), typeMerge, `{"metadata":{"annotations":`+annotations+`}}`)
		_, getErr := store.Get(t.Context(), key)
		if !errors.Is(getErr, lock.ErrRefused) || !strings.Contains(getErr.Error(), key) {
			t.Errorf("get of %s: %v", annotations, getErr)
		}
		if i == 0 {
			continue // without a revision there is nothing to test for
		}
		if _, err := store.CompareAndSwap(t.Context(), key, "", []byte("v")); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("create over %s: %v", annotations, err)
		}
	}
}

func TestAnyKindOfObjectMayHaveLocks(t *testing.T) {
	namespace := freshNamespace(t, server(t))
	create(t, openAnnotations(t, shared.RESTConfig(""), kubernetes.AnnotationConfig{
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, Name: namespace,
	}), "k")
	other := rawClient(t, shared.RESTConfig(""))
	other.must(http.MethodPost, "/apis/apps/v1/namespaces/"+namespace+"/deployments", typeJSON, `{"apiVersion":"apps/v1","kind":"Deployment",
		"metadata":{"name":"d"},"spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`)
	create(t, openAnnotations(t, shared.RESTConfig(""), kubernetes.AnnotationConfig{
		Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, Namespace: namespace, Name: "d",
	}), "k")
}
