//go:build linux || darwin || freebsd

package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lockproof/lockproof/backends/file"
	"github.com/lockproof/lockproof/lock"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "locks")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	// A service has its locks on a disk, and needs no Config.
	store, err := file.Open(dir, file.Config{AllowVolatile: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	ctx := context.Background()
	first, _ := store.CompareAndSwap(ctx, "report", "", []byte("alice"))
	_, _ = store.CompareAndSwap(ctx, "report", first, []byte("bob"))

	// A late write that names the first revision cannot do harm.
	_, err = store.CompareAndSwap(ctx, "report", first, []byte("alice"))
	var conflict *lock.ConflictError
	if errors.As(err, &conflict) {
		fmt.Printf("conflict: %s holds it\n", conflict.Current.Value)
	}
	// Output:
	// conflict: bob holds it
}
