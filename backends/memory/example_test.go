package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func ExampleStore() {
	ctx := context.Background()
	store := memory.New()

	first, _ := store.CompareAndSwap(ctx, "locks/report", "", []byte("alice"))
	second, _ := store.CompareAndSwap(ctx, "locks/report", first, []byte("bob"))

	// A late write that names the first revision cannot do harm.
	_, err := store.CompareAndSwap(ctx, "locks/report", first, []byte("alice"))
	var conflict *lock.ConflictError
	if errors.As(err, &conflict) {
		fmt.Printf("conflict: %s holds it\n", conflict.Current.Value)
	}
	fmt.Println(store.Delete(ctx, "locks/report", second))
	// Output:
	// conflict: bob holds it
	// <nil>
}
