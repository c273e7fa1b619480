package kubernetes_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/lock"
)

func TestLeasesShowWhoHolds(t *testing.T) {
	store, namespace := freshLeases(t)
	c := client(t, store, "worker-3", lock.Config{TTL: 2500 * time.Millisecond})
	first, err := c.Acquire(t.Context(), "report", lock.ManualRenewal())
	if err != nil {
		t.Fatal(err)
	}
	kubectl := rawClient(t, shared.RESTConfig(""))
	held := readLease(t, kubectl, namespace, "report").Spec
	if held.HolderIdentity == nil || *held.HolderIdentity != "worker-3" || held.LeaseDurationSeconds == nil || *held.LeaseDurationSeconds != 3 ||
		held.LeaseTransitions == nil || *held.LeaseTransitions != 1 || held.AcquireTime == nil || held.RenewTime == nil {
		t.Errorf("a held lock shows as %+v", held)
	}
	if err := first.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	renewed := readLease(t, kubectl, namespace, "report").Spec
	if *renewed.AcquireTime != *held.AcquireTime || *renewed.RenewTime <= *held.RenewTime {
		t.Errorf("after a renewal acquireTime went from %s to %s, renewTime from %s to %s", *held.AcquireTime, *renewed.AcquireTime, *held.RenewTime, *renewed.RenewTime)
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	free := readLease(t, kubectl, namespace, "report").Spec
	if free.HolderIdentity != nil || free.LeaseDurationSeconds != nil || free.AcquireTime != nil || *free.LeaseTransitions != 1 {
		t.Errorf("a free lock shows as %+v", free)
	}
}

// What others put on a Lease stays, and is a new version of it.
func TestForeignChangesOfALeaseAreKept(t *testing.T) {
	store, namespace := freshLeases(t)
	revision := create(t, store, "k")
	rawClient(t, shared.RESTConfig("")).must(http.MethodPatch, leasePath(namespace, "k"), typeMerge,
		`{"metadata":{"labels":{"team":"a"},"annotations":{"note":"n"}},"spec":{"holderIdentity":"a liar"}}`)
	if _, err := store.CompareAndSwap(t.Context(), "k", revision, []byte("w")); !errors.Is(err, lock.ErrConflict) {
		t.Fatal("with the revision before the change:", err)
	}
	record, err := store.Get(t.Context(), "k")
	if err != nil || string(record.Value) != "v" {
		t.Fatal(string(record.Value), err)
	}
	if _, err := store.CompareAndSwap(t.Context(), "k", record.Revision, []byte("w")); err != nil {
		t.Fatal(err)
	}
	l := readLease(t, rawClient(t, shared.RESTConfig("")), namespace, "k")
	if l.Metadata.Labels["team"] != "a" || l.Metadata.Annotations["note"] != "n" || l.Spec.HolderIdentity != nil {
		t.Errorf("got %+v", l)
	}
}

func TestLeasesOfSomethingElseAreRefused(t *testing.T) {
	store, namespace := freshLeases(t)
	other := rawClient(t, shared.RESTConfig(""))
	for i, metadata := range []string{
		`{"name":"k0"}`,
		`{"name":"k1","annotations":{"lockproof.dev/lock":"\"k1\""}}`,
		`{"name":"k2","annotations":{"lockproof.dev/lock":"\"another\"","lockproof.dev/record":"v"}}`,
		`{"name":"k3","annotations":{"lockproof.dev/lock":"\"k3\"","lockproof.dev/record":"v","lockproof.dev/record-base64":"dg=="}}`,
		`{"name":"k4","annotations":{"lockproof.dev/lock":"\"k4\"","lockproof.dev/record-base64":"?"}}`,
	} {
		key := fmt.Sprint("k", i)
		other.must(http.MethodPost, strings.TrimSuffix(leasePath(namespace, ""), "/"), typeJSON,
			`{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":`+metadata+`}`)
		if _, err := store.Get(t.Context(), key); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), namespace) {
			t.Error("get:", err)
		}
		if _, err := store.CompareAndSwap(t.Context(), key, "", []byte("v")); !errors.Is(err, lock.ErrConflict) {
			t.Error("create:", err)
		}
		if _, err := client(t, store, "c", lock.Config{}).TryAcquire(t.Context(), key); !errors.Is(err, lock.ErrRefused) {
			t.Error("acquire:", err)
		}
	}
}

func TestValuesTooLargeAreRefused(t *testing.T) {
	leases, _ := freshLeases(t)
	annotations, options := freshAnnotations(t)
	for name, store := range map[string]lock.Store{"lease": leases, "annotations": annotations} {
		for _, size := range []int{256 << 10, 8 << 20} {
			_, err := store.CompareAndSwap(t.Context(), "k", "", []byte(strings.Repeat("v", size)))
			if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "262144") {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
		}
		if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte(strings.Repeat("v", 255<<10))); err != nil {
			t.Errorf("%s, 255 KiB: %v", name, err)
		}
	}
	// Here the server counts what is there already.
	_, err := annotations.CompareAndSwap(t.Context(), "second", "", []byte(strings.Repeat("v", 2<<10)))
	if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), options.Name) || !strings.Contains(err.Error(), "second") {
		t.Error("too large together:", err)
	}
	if _, err := annotations.Get(t.Context(), "second"); !errors.Is(err, lock.ErrNotFound) {
		t.Error(err)
	}
}

func TestKeysThatAreTooLongAreRefused(t *testing.T) {
	store, _ := freshLeases(t)
	for name, key := range map[string]string{"empty": "", "too long": strings.Repeat("k", 1025)} {
		if _, err := store.CompareAndSwap(t.Context(), key, "", nil); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := store.CompareAndSwap(t.Context(), strings.Repeat("\xff", 1024), "", nil); err != nil {
		t.Error("the longest:", err)
	}
}
