package lock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// tamper replaces the record of k.
func tamper(t *testing.T, s *testStore, record string) {
	t.Helper()
	if _, err := s.Put(t.Context(), "k", []byte(record)); err != nil {
		t.Fatal(err)
	}
}

func heldBy(id string, token uint64, beat int) string {
	return fmt.Sprintf(`{"v":1,"token":%d,"mode":"exclusive","holders":[{"id":%q,"owner":"x","ttl_ms":9000,"beat":%d}]}`, token, id, beat)
}

func lostBecause(err error) lock.LostReason {
	var lost *lock.LostError
	if !errors.Is(err, lock.ErrLost) || !errors.As(err, &lost) {
		return lock.LostReason(fmt.Sprintf("not an ErrLost: %v", err))
	}
	return lost.Reason
}

func TestTheHeartbeatKeepsTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		l := mustAcquire(t, a.Client, "k")
		under := acquire(t.Context(), b.Client, "k")
		for range 100 {
			time.Sleep(ttl)
			if left := l.Remaining(); left < leaseLasts-renewEvery || left > leaseLasts {
				t.Fatalf("%s left", left)
			}
		}
		if under.ended() {
			t.Fatal("b got the lock")
		}
		if n := len(a.store.taken()); n != 1+100*3 {
			t.Errorf("%d requests, want one each third of a lease", n)
		}
		mustRelease(t, l)
		under.wait(t)
	})
}

func TestARenewalCountsFromWhenItWasSent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		a.store.always(slow)
		sent := fakeNow()
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		near(t, "granted after", fakeNow()-sent, time.Second, 0)
		near(t, "the grant's end", l.ValidUntil(), sent+leaseLasts, 0)
		time.Sleep(time.Second)
		sent = fakeNow()
		if err := l.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		near(t, "the renewal's end", l.ValidUntil(), sent+leaseLasts, 0)
	})
}

func TestALeaseIsLostWhenTheRecordSaysSo(t *testing.T) {
	for _, c := range []struct {
		name, record string
		want         lock.LostReason
	}{
		{"taken over", heldBy("b-1", 2, 0), lock.LostTaken},
		{"taken over and released", `{"v":1,"token":2}`, lock.LostTaken},
		{"freed", `{"v":1,"token":1}`, lock.LostFreed},
		{"removed", "", lock.LostFreed},
		{"same token, another holder", heldBy("b-1", 1, 0), lock.LostFreed},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newParty(t, memory.New(), "a")
				l := mustAcquire(t, a.Client, "k")
				if c.record == "" {
					if err := a.store.Remove(t.Context(), "k"); err != nil {
						t.Fatal(err)
					}
				} else {
					tamper(t, a.store, c.record)
				}
				a.store.taken()
				began := fakeNow()
				<-l.Context().Done()
				near(t, "told after", fakeNow()-began, renewEvery, 0)
				if why := lostBecause(context.Cause(l.Context())); why != c.want {
					t.Errorf("cause %s, want %s", why, c.want)
				}
				if l.Valid() || l.Remaining() != 0 {
					t.Error("valid after the loss")
				}
				if why := lostBecause(l.Renew(t.Context())); why != c.want {
					t.Errorf("renewed: %s, want %s", why, c.want)
				}
				if why := lostBecause(l.Release(t.Context())); why != c.want {
					t.Errorf("released: %s, want %s", why, c.want)
				}
				time.Sleep(time.Minute)
				wantCalls(t, a.store, "after the loss", "cas")
			})
		})
	}
}

func TestALeaseEndsInTimeWhateverTheStoreDoes(t *testing.T) {
	for _, e := range []effect{loseRequest, breakRequest, unavailable, land, refuse} {
		t.Run(fmt.Sprint("effect ", e), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newParty(t, memory.New(), "a")
				sent := fakeNow()
				l := mustAcquire(t, a.Client, "k")
				a.store.always(e)
				time.Sleep(leaseLasts - 1)
				if synctest.Wait(); !l.Valid() || l.Context().Err() != nil {
					t.Fatal("lost early")
				}
				<-l.Context().Done()
				near(t, "told", fakeNow()-sent, leaseLasts, 0)
				if why := lostBecause(context.Cause(l.Context())); why != lock.LostExpired {
					t.Errorf("cause %s", why)
				}
				a.store.taken()
				time.Sleep(time.Minute)
				wantCalls(t, a.store, "after the loss")
			})
		})
	}
}

func TestALeaseOutlivesAnOutageShorterThanItself(t *testing.T) {
	for _, e := range []effect{loseRequest, loseReply, breakReply, unavailable, refuse} {
		t.Run(fmt.Sprint("effect ", e), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newParty(t, memory.New(), "a")
				l := mustAcquire(t, a.Client, "k")
				time.Sleep(20 * time.Second)
				for range 10 {
					a.store.always(e)
					time.Sleep(4 * time.Second)
					a.store.set(nil)
					time.Sleep(3 * time.Second)
				}
				if !l.Valid() {
					t.Error(context.Cause(l.Context()))
				}
				mustRelease(t, l)
			})
		})
	}
}

func TestManualRenewal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		for range 5 {
			time.Sleep(leaseLasts - 1)
			if err := l.Renew(t.Context()); err != nil {
				t.Fatal(err)
			}
			near(t, "left", l.Remaining(), leaseLasts, 0)
		}
		a.store.taken()
		time.Sleep(leaseLasts)
		synctest.Wait()
		wantCalls(t, a.store, "without being asked")
		if why := lostBecause(context.Cause(l.Context())); why != lock.LostExpired {
			t.Errorf("cause %s", why)
		}
		if why := lostBecause(l.Renew(t.Context())); why != lock.LostExpired {
			t.Errorf("renewed: %s", why)
		}
		wantCalls(t, a.store, "renewing a lease that is over")
	})
}

func TestRenewAfterReleaseIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		mustRelease(t, l)
		if err := l.Renew(t.Context()); !errors.Is(err, lock.ErrReleased) || errors.Is(err, lock.ErrLost) {
			t.Error(err)
		}
	})
}

func TestARenewalWhoseContextEndsLeavesTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		a.store.always(loseRequest)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Renew(ctx); err == nil || errors.Is(err, lock.ErrLost) {
			t.Error(err)
		}
		if !l.Valid() {
			t.Error("lost")
		}
		a.store.set(nil)
		if err := l.Renew(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestManyRenewAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				for j := range 50 {
					if err := l.Renew(context.Background()); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Duration(i*j) * time.Millisecond)
				}
			})
		}
		all.Wait()
		info, err := a.Inspect(t.Context(), "k")
		if err != nil || len(info.Holders) != 1 || !l.Valid() {
			t.Errorf("%+v, %v, valid %t", info, err, l.Valid())
		}
		mustRelease(t, l)
	})
}

func TestHooksSeeEachRenewal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(memory.New())
		var mu sync.Mutex
		var seen []string
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprintf(format, args...))
		}
		cfg := config("a")
		cfg.Hooks = lock.Hooks{
			RenewStart: func(l *lock.Lease) { note("start %s", l.Name()) },
			RenewEnd:   func(_ *lock.Lease, err error) { note("end %t %t", err == nil, errors.Is(err, lock.ErrLost)) },
		}
		c := newClient(t, s, cfg)
		mustAcquire(t, c, "k")
		time.Sleep(renewEvery + time.Second)
		s.always(breakRequest)
		time.Sleep(renewEvery - time.Second)
		synctest.Wait()
		s.always(unavailable)
		s.set(nil)
		tamper(t, s, heldBy("b-1", 2, 0))
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		want := []string{"start k", "end true false", "start k", "end false false", "start k", "end false true"}
		if fmt.Sprint(seen) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", seen, want)
		}
	})
}

type contextKey struct{}

func TestALeaseContextCarriesValuesAndNotTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, 42))
		l, err := a.Acquire(ctx, "k")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(time.Minute)
		if l.Context().Err() != nil || !l.Valid() || l.Context().Value(contextKey{}) != 42 {
			t.Errorf("context %v, valid %t", context.Cause(l.Context()), l.Valid())
		}
		mustRelease(t, l)
		if cause := context.Cause(l.Context()); !errors.Is(cause, lock.ErrReleased) {
			t.Errorf("cause %v", cause)
		}
	})
}

func TestReleaseFromWhoWatchesTheContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		released := make(chan error, 1)
		context.AfterFunc(l.Context(), func() { released <- l.Release(context.Background()) })
		tamper(t, a.store, heldBy("b-1", 2, 0))
		if why := lostBecause(<-released); why != lock.LostTaken {
			t.Error(why)
		}
	})
}

// countingRuntime counts the tasks that have not ended.
type countingRuntime struct {
	fakeRuntime
	tasks *atomic.Int64
}

func (r countingRuntime) Go(f func()) (join func()) {
	r.tasks.Add(1)
	return r.fakeRuntime.Go(func() {
		defer r.tasks.Add(-1)
		f()
	})
}

func TestALossEndsEveryTaskAtOnce(t *testing.T) {
	for name, lose := range map[string]func(*testing.T, *testStore){
		"taken over":   func(t *testing.T, s *testStore) { tamper(t, s, heldBy("b-1", 2, 0)) },
		"silent store": func(_ *testing.T, s *testStore) { s.always(loseRequest) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s, tasks := newStore(memory.New()), &atomic.Int64{}
				c := newClientOn(t, s, countingRuntime{tasks: tasks}, config("a"))
				l := mustAcquire(t, c, "k")
				if n := tasks.Load(); n != 2 {
					t.Errorf("%d tasks for a lease", n)
				}
				lose(t, s)
				<-l.Context().Done()
				synctest.Wait()
				if n := tasks.Load(); n != 0 {
					t.Errorf("%d tasks after the loss", n)
				}
			})
		})
	}
}
