package docstore_test

import (
	"context"
	"fmt"
	"log"

	"gocloud.dev/docstore/memdocstore"

	"github.com/lockproof/lockproof/backends/docstore"
	"github.com/lockproof/lockproof/lock"
)

// Any driver's collection will do. With that of DynamoDB, set
// Config.BeforeRead to consistent.DynamoDB.
func Example() {
	ctx := context.Background()
	coll, err := memdocstore.OpenCollection("ID", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer coll.Close()
	store, err := docstore.Open(ctx, coll, docstore.Config{KeyField: "ID"})
	if err != nil {
		log.Fatal(err)
	}
	locks, err := lock.New(store, lock.SystemRuntime{}, lock.Config{Owner: "worker 7"})
	if err != nil {
		log.Fatal(err)
	}
	err = locks.Do(ctx, "nightly report", func(ctx context.Context, lease *lock.Lease) error {
		fmt.Println("the lock is ours, with token", lease.Token())
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: the lock is ours, with token 1
}
