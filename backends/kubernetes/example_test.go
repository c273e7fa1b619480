package kubernetes_test

import (
	"context"
	"fmt"
	"log"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/lockproof/lockproof/backends/kubernetes"
	"github.com/lockproof/lockproof/lock"
)

func Example() {
	ctx := context.Background()
	// Inside a pod this is rest.InClusterConfig().
	config, err := clientcmd.BuildConfigFromFlags("", clientcmd.RecommendedHomeFile)
	if err != nil {
		log.Fatal(err)
	}
	store, err := kubernetes.Open(ctx, config, kubernetes.Config{Namespace: "jobs"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	client, err := lock.New(store, lock.SystemRuntime{}, lock.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close(ctx) }()
	err = client.Do(ctx, "nightly-report", func(_ context.Context, lease *lock.Lease) error {
		fmt.Println("the lock is ours, with token", lease.Token())
		return nil // `kubectl -n jobs get lease nightly-report` shows who holds it
	})
	if err != nil {
		log.Fatal(err)
	}
}
