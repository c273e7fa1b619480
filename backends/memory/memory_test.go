package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStoreKeepsTheContract(t *testing.T) {
	store := memory.New()
	for _, c := range backendtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if why := c.Skip(store, backendtest.Options{}); why != "" {
				t.Fatal("the memory store declares everything: " + why)
			}
			if err := c.Run(t.Context(), store, backendtest.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPutAndRemoveAskForNothing(t *testing.T) {
	store, ctx := memory.New(), t.Context()
	if err := store.Remove(ctx, "k"); err != nil {
		t.Fatal("remove of a missing key:", err)
	}
	first, err := store.Put(ctx, "k", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := store.Put(ctx, "k", []byte("two"))
	if err != nil || second == first {
		t.Fatalf("second put: revision %q after %q, %v", second, first, err)
	}
	record, err := store.Get(ctx, "k")
	if err != nil || string(record.Value) != "two" || record.Revision != second {
		t.Fatalf("got %+v, %v", record, err)
	}
	if err := store.Remove(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(ctx, "k"); !errors.Is(err, lock.ErrNotFound) {
		t.Fatal("after remove:", err)
	}
	if _, err := store.CompareAndSwap(ctx, "k", second, nil); !errors.Is(err, lock.ErrConflict) {
		t.Fatal("update with the removed revision:", err)
	}
}

func TestUnconditionalWritesWakeWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, ctx := memory.New(), t.Context()
		revision, err := store.Put(ctx, "k", []byte("one"))
		if err != nil {
			t.Fatal(err)
		}
		changed, gone := make(chan lock.Record, 1), make(chan error, 1)
		go func() {
			record, _ := store.Wait(ctx, "k", revision)
			changed <- record
			_, err := store.Wait(ctx, "k", record.Revision)
			gone <- err
		}()
		synctest.Wait()
		if _, err := store.Put(ctx, "k", []byte("two")); err != nil {
			t.Fatal(err)
		}
		if record := <-changed; string(record.Value) != "two" {
			t.Fatalf("woken with %+v", record)
		}
		synctest.Wait()
		if err := store.Remove(ctx, "k"); err != nil {
			t.Fatal(err)
		}
		if err := <-gone; !errors.Is(err, lock.ErrNotFound) {
			t.Fatal("woken with", err)
		}
	})
}

// A Wait that is known to be blocked, which the suite cannot know.
func TestBlockedWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := store.Wait(ctx, "k", "")
			done <- err
		}()
		synctest.Wait()
		cancel(why)
		if err := <-done; !errors.Is(err, why) {
			t.Fatal(err)
		}
	})
}
