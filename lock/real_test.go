package lock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func TestTheSystemClockDoesNotGoBack(t *testing.T) {
	var rt lock.SystemRuntime
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := rt.Now()
			for range 10_000 {
				now := rt.Now()
				if now < last {
					t.Errorf("%d after %d", now, last)
				}
				last = now
			}
		})
	}
	all.Wait()
}

func TestSystemSleepLastsAsLongAsAsked(t *testing.T) {
	var rt lock.SystemRuntime
	for _, d := range []time.Duration{-time.Hour, 0, 1, time.Millisecond, 20 * time.Millisecond} {
		began := rt.Now()
		if err := rt.Sleep(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if slept := rt.Now() - began; slept < d {
			t.Errorf("slept %s of %s", slept, d)
		}
	}
}

func TestSystemSleepEndsWithTheCauseOfItsContext(t *testing.T) {
	var rt lock.SystemRuntime
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	join := rt.Go(func() {
		if err := rt.Sleep(ctx, time.Hour); !errors.Is(err, why) {
			t.Error(err)
		}
	})
	cancel(why)
	join()
	for _, d := range []time.Duration{-1, 0, time.Hour} {
		if err := rt.Sleep(ctx, d); !errors.Is(err, why) {
			t.Errorf("with an ended context: %v", err)
		}
	}
}

func TestSystemGoCanBeJoinedManyTimes(t *testing.T) {
	var rt lock.SystemRuntime
	ran := false
	join := rt.Go(func() { ran = true })
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			join()
			if !ran {
				t.Error("joined before it ran")
			}
		})
	}
	all.Wait()
	join()
}

func TestSystemNumbersDiffer(t *testing.T) {
	var rt lock.SystemRuntime
	seen := map[uint64]bool{}
	for range 10_000 {
		n := rt.Uint64()
		if seen[n] {
			t.Fatalf("%d twice", n)
		}
		seen[n] = true
	}
}

func TestSystemTimeoutHasItsCause(t *testing.T) {
	why := errors.New("why")
	ctx, cancel := lock.SystemRuntime{}.WithTimeoutCause(t.Context(), 0, why)
	defer cancel()
	if <-ctx.Done(); !errors.Is(context.Cause(ctx), why) {
		t.Error(context.Cause(ctx))
	}
}

// The whole lock on the real clock: nothing about time is asserted.
func TestTheLockOnTheSystemRuntime(t *testing.T) {
	store := memory.New()
	counter := 0
	var all sync.WaitGroup
	for range 4 {
		c, err := lock.New(store, lock.SystemRuntime{}, lock.Config{})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range 50 {
				err := c.Do(context.Background(), "k", func(context.Context, *lock.Lease) error {
					counter++
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
			if err := c.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if counter != 200 {
		t.Errorf("counted %d", counter)
	}
}
