package kubernetes_test

import (
	"context"
	"testing"

	"github.com/lockproof/lockproof/lock"
)

func client(t testing.TB, store lock.Store, owner string, config lock.Config) *lock.Client {
	t.Helper()
	config.Owner = owner
	c, err := lock.New(store, lock.SystemRuntime{}, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}
