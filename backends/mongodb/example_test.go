package mongodb_test

import (
	"context"
	"fmt"
	"log"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lockproof/lockproof/backends/mongodb"
	"github.com/lockproof/lockproof/lock"
)

// The database comes from the program's own client.
func Example() {
	ctx := context.Background()
	var database *mongo.Database
	if err := mongodb.CreateCollection(ctx, database, mongodb.CollectionConfig{Name: "locks"}); err != nil {
		log.Fatal(err)
	}
	store, err := mongodb.Open(ctx, database.Collection("locks"), mongodb.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := work(ctx, store); err != nil {
		log.Print(err)
	}
}

func work(ctx context.Context, store lock.Store) error {
	locks, err := lock.New(store, lock.SystemRuntime{}, lock.Config{Owner: "worker 7"})
	if err != nil {
		return err
	}
	return locks.Do(ctx, "nightly report", func(_ context.Context, lease *lock.Lease) error {
		fmt.Println("the lock is ours, with token", lease.Token())
		return nil
	})
}
