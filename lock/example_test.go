package lock_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func Example() {
	ctx := context.Background()
	client, err := lock.New(memory.New(), lock.SystemRuntime{}, lock.Config{Owner: "worker-1", TTL: 10 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close(ctx)

	lease, err := client.Acquire(ctx, "nightly-report", lock.WaitLimit(time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("holding it with fencing token", lease.Token())
	fmt.Println(lease.Release(ctx))
	// Output:
	// holding it with fencing token 1
	// <nil>
}

func ExampleNew() {
	_, err := lock.New(memory.New(), lock.SystemRuntime{}, lock.Config{TTL: 8 * time.Second, RenewEvery: 5 * time.Second})
	fmt.Println(err)
	// Output: lock: RenewEvery 5s must be at most a third of TTL 8s
}

func ExampleClient_Do() {
	ctx := context.Background()
	client, _ := lock.New(memory.New(), lock.SystemRuntime{}, lock.Config{})
	defer client.Close(ctx)

	err := client.Do(ctx, "nightly-report", func(ctx context.Context, lease *lock.Lease) error {
		// ctx ends if the lease is lost. Give the token to whatever is written to.
		fmt.Println("writing with token", lease.Token())
		return ctx.Err()
	})
	fmt.Println(err)
	// Output:
	// writing with token 1
	// <nil>
}

func ExampleClient_TryAcquire() {
	ctx := context.Background()
	store := memory.New()
	alice, _ := lock.New(store, lock.SystemRuntime{}, lock.Config{Owner: "alice"})
	bob, _ := lock.New(store, lock.SystemRuntime{}, lock.Config{Owner: "bob"})
	defer alice.Close(ctx)
	defer bob.Close(ctx)

	_, err := alice.TryAcquire(ctx, "nightly-report")
	fmt.Println(err)
	_, err = bob.TryAcquire(ctx, "nightly-report")
	if held := (*lock.HeldError)(nil); errors.As(err, &held) {
		fmt.Printf("%s has it, with token %d\n", held.Owner, held.Token)
	}
	// Output:
	// <nil>
	// alice has it, with token 1
}

func ExampleClient_Inspect() {
	ctx := context.Background()
	client, _ := lock.New(memory.New(), lock.SystemRuntime{}, lock.Config{Owner: "alice"})
	defer client.Close(ctx)

	lease, _ := client.Acquire(ctx, "nightly-report")
	info, _ := client.Inspect(ctx, "nightly-report")
	fmt.Println(info.Held(), info.Holders[0].Owner, info.Holders[0].TTL)

	_ = lease.Release(ctx)
	info, _ = client.Inspect(ctx, "nightly-report")
	fmt.Println(info.Held(), "last token", info.Token)
	// Output:
	// true alice 10s
	// false last token 1
}
