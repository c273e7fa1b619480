package live

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func TestSleepLastsByTheClientsClock(t *testing.T) {
	for _, c := range []struct {
		ppm  int64
		want time.Duration
	}{
		{0, 10 * time.Second}, {1_000_000, 5 * time.Second}, {-500_000, 20 * time.Second},
	} {
		inBubble(t, func(t *testing.T, clock *Clock) {
			clock.SetRate(c.ppm)
			r := NewRuntime(clock)
			before := clock.Now()
			if err := r.Sleep(t.Context(), 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if clock.True() != c.want || clock.Now()-before != 10*time.Second {
				t.Errorf("at %d ppm a sleep of 10s took %s, by the client's clock %s", c.ppm, clock.True(), clock.Now()-before)
			}
		})
	}
}

func TestSleepIsReaimedWhenTheRateChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, clock *Clock) {
		r := NewRuntime(clock)
		join := r.Go(func() {
			if err := r.Sleep(t.Context(), 10*time.Second); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(4 * time.Second)
		clock.AddRate(1_000_000)
		time.Sleep(time.Second)
		clock.RemoveRate(1_000_000)
		join()
		if clock.True() != 9*time.Second {
			t.Errorf("the sleep ended at %s", clock.True())
		}
	})
}

func TestSleepEndsWithItsContextAndTellsTheCause(t *testing.T) {
	inBubble(t, func(t *testing.T, clock *Clock) {
		r := NewRuntime(clock)
		cause := errors.New("enough")
		ctx, cancel := r.WithTimeoutCause(t.Context(), 3*time.Second, cause)
		defer cancel()
		if err := r.Sleep(ctx, time.Minute); err != cause || clock.True() != 3*time.Second {
			t.Errorf("ended at %s with %v", clock.True(), err)
		}
		if err := r.Sleep(ctx, 0); err != cause {
			t.Errorf("in an ended context: %v", err)
		}
		if err := r.Sleep(t.Context(), -time.Second); err != nil {
			t.Error(err)
		}
	})
}

func TestATimeoutLastsByTheClientsClock(t *testing.T) {
	inBubble(t, func(t *testing.T, clock *Clock) {
		clock.SetRate(1_000_000)
		ctx, cancel := NewRuntime(clock).WithTimeoutCause(t.Context(), 10*time.Second, nil)
		defer cancel()
		<-ctx.Done()
		if clock.True() != 5*time.Second {
			t.Errorf("a timeout of 10s on a clock of twice the speed took %s", clock.True())
		}
	})
}

func TestKillEndsEverySleepForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, clock *Clock) {
		r := NewRuntime(clock)
		cause := errors.New("kill -9")
		for range 3 {
			r.Go(func() {
				for i := range 2 {
					if err := r.Sleep(context.Background(), time.Hour); err != cause {
						t.Errorf("sleep %d: %v", i, err)
					}
				}
			})
		}
		synctest.Wait()
		r.Kill(cause)
		r.Kill(errors.New("again"))
		if err := r.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if clock.True() != 0 || context.Cause(r.Context()) != cause {
			t.Errorf("ended at %s, cause %v", clock.True(), context.Cause(r.Context()))
		}
	})
}

func TestWaitNamesWhatStillRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, clock *Clock) {
		r := NewRuntime(clock)
		release := make(chan struct{})
		join := r.Go(func() { <-release })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := r.Wait(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "TestWaitNamesWhatStillRuns") {
			t.Errorf("got %v", err)
		}
		close(release)
		join()
		if err := r.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestRandomNumbersDiffer(t *testing.T) {
	r := NewRuntime(NewClock(func() time.Duration { return 0 }, ClockConfig{}))
	if r.Uint64() == r.Uint64() {
		t.Error("the same number twice")
	}
}

// TestAKilledLockWindsDownAndItsLeaseRunsOut is what a crash is here: the
// reference lock's goroutines end, and the next client has to wait for the ttl.
func TestAKilledLockWindsDownAndItsLeaseRunsOut(t *testing.T) {
	inBubble(t, func(t *testing.T, clock *Clock) {
		server := memory.New()
		start := func(name string) (*lock.Client, *Runtime, *Store) {
			r := NewRuntime(clock)
			s := NewStore(server, NewStoreFaults(name, seeded()))
			client, err := lock.New(s, r, lock.Config{Owner: name, TTL: 10 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			return client, r, s
		}
		first, firstRuntime, firstStore := start("c0")
		if _, err := first.Acquire(firstRuntime.Context(), "l"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second) // renewed meanwhile
		waiting := firstRuntime.Go(func() {
			if _, err := first.Acquire(firstRuntime.Context(), "l"); err == nil {
				t.Error("a killed client took the lock")
			}
		})
		synctest.Wait()
		firstStore.Kill(nil)
		firstRuntime.Kill(nil)
		killedAt := clock.True()
		waiting()
		if err := firstRuntime.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if clock.True() != killedAt {
			t.Errorf("winding down took %s", clock.True()-killedAt)
		}
		second, secondRuntime, _ := start("c1")
		lease, err := second.Acquire(t.Context(), "l")
		if err != nil {
			t.Fatal(err)
		}
		if waited := clock.True() - killedAt; waited < 10*time.Second || lease.Token() != 2 {
			t.Errorf("taken over after %s with token %d", waited, lease.Token())
		}
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := secondRuntime.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
