package kubernetes_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/lock"
)

// BenchmarkUncontended measures an acquire of a free lock against one
// conditional update of a Lease with the client library alone, turn by turn on
// the same server.
func BenchmarkUncontended(b *testing.B) {
	inEachLayout(b, func(b *testing.B, open func() *kubernetes.Store, swap func()) {
		c := client(b, open(), "bench", lock.Config{TTL: time.Minute})
		var acquire, swaps time.Duration
		for b.Loop() {
			begun := time.Now()
			lease, err := c.Acquire(b.Context(), "l", lock.ManualRenewal())
			acquire += time.Since(begun)
			if err != nil {
				b.Fatal(err)
			}
			if err := lease.Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			begun = time.Now()
			swap()
			swaps += time.Since(begun)
		}
		b.ReportMetric(float64(acquire)/float64(swaps), "acquire/CAS")
		b.ReportMetric(float64(swaps.Microseconds())/float64(b.N), "CAS-us")
	})
}

// BenchmarkHandOff measures the time from the call of Release by one client to
// the return of Acquire at another one that waits, each on connections of its
// own, against the same update.
func BenchmarkHandOff(b *testing.B) {
	inEachLayout(b, func(b *testing.B, open func() *kubernetes.Store, swap func()) {
		config := lock.Config{TTL: time.Minute}
		clients := [2]*lock.Client{client(b, open(), "a", config), client(b, open(), "b", config)}
		held, err := clients[0].Acquire(b.Context(), "l", lock.ManualRenewal())
		if err != nil {
			b.Fatal(err)
		}
		var handOff, swaps time.Duration
		for i := 1; b.Loop(); i++ {
			granted := make(chan *lock.Lease, 1)
			go func() {
				lease, err := clients[i%2].Acquire(b.Context(), "l", lock.ManualRenewal())
				if err != nil {
					b.Error(err)
				}
				granted <- lease
			}()
			time.Sleep(40 * time.Millisecond) // it waits by now
			begun := time.Now()
			if err := held.Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			if held = <-granted; held == nil {
				b.FailNow()
			}
			handOff += time.Since(begun)
			begun = time.Now()
			swap()
			swaps += time.Since(begun)
		}
		if err := held.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(handOff)/float64(swaps), "handoff/CAS")
		b.ReportMetric(float64(swaps.Microseconds())/float64(b.N), "CAS-us")
	})
}

// inEachLayout runs a benchmark with a way to open stores that share their
// locks, and an update to compare with.
func inEachLayout(b *testing.B, bench func(b *testing.B, open func() *kubernetes.Store, swap func())) {
	b.Run("leases", func(b *testing.B) {
		namespace := freshNamespace(b, server(b))
		bench(b, func() *kubernetes.Store { return openLeases(b, shared.RESTConfig(""), namespace) }, rawSwap(b, namespace))
	})
	b.Run("annotations", func(b *testing.B) {
		_, options := freshAnnotations(b)
		bench(b, func() *kubernetes.Store { return openAnnotations(b, shared.RESTConfig(""), options) }, rawSwap(b, options.Namespace))
	})
}

// rawSwap returns a function that replaces a Lease on the condition that it is
// as last written, as leader election by the client library does, with an
// annotation as long as a held lock's record.
func rawSwap(b *testing.B, namespace string) func() {
	b.Helper()
	client := rawClient(b, shared.RESTConfig(""))
	value := `{"v":1,"token":1000,"mode":"exclusive","holders":[{"id":"0123456789abcdef-1000","owner":"bench","ttl_ms":60000,"beat":1}]}`
	lease := map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
	metadata := map[string]any{"name": "raw", "annotations": map[string]string{"record": value}}
	lease["metadata"] = metadata
	send := func(verb, path string) {
		lease["spec"] = map[string]any{"holderIdentity": "bench", "leaseDurationSeconds": 60, "renewTime": time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")}
		body, err := json.Marshal(lease)
		if err != nil {
			b.Fatal(err)
		}
		var answer struct {
			Metadata struct {
				ResourceVersion string `json:"resourceVersion"`
			} `json:"metadata"`
		}
		if err := json.Unmarshal(client.must(verb, path, typeJSON, string(body)), &answer); err != nil {
			b.Fatal(err)
		}
		metadata["resourceVersion"] = answer.Metadata.ResourceVersion
	}
	send(http.MethodPost, strings.TrimSuffix(leasePath(namespace, ""), "/"))
	return func() { send(http.MethodPut, leasePath(namespace, "raw")) }
}
