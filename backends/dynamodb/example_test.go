package dynamodb_test

import (
	"context"
	"fmt"
	"log"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockproof/lockproof/backends/dynamodb"
	"github.com/lockproof/lockproof/lock"
)

// The client comes from the SDK: dynamodb.NewFromConfig, with the program's own
// credentials and region.
func Example() {
	ctx := context.Background()
	var client *sdk.Client
	if err := dynamodb.CreateTable(ctx, client, dynamodb.TableConfig{Table: "locks"}); err != nil {
		log.Fatal(err)
	}
	store, err := dynamodb.Open(ctx, client, dynamodb.Config{Table: "locks"})
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
}
