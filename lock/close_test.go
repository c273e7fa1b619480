package lock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func TestCloseGivesBackEveryLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		var leases []*lock.Lease
		for i := range 20 {
			leases = append(leases, mustAcquire(t, a.Client, fmt.Sprint("k", i)))
		}
		time.Sleep(time.Second)
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, l := range leases {
			if cause := context.Cause(l.Context()); !errors.Is(cause, lock.ErrReleased) {
				t.Errorf("cause %v", cause)
			}
			mustRelease(t, l)
			if other, err := b.TryAcquire(t.Context(), fmt.Sprint("k", i)); err != nil {
				t.Error(err)
			} else {
				mustRelease(t, other)
			}
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error("closed again:", err)
		}
		for _, f := range []func() error{
			func() error { _, err := a.Acquire(t.Context(), "k"); return err },
			func() error { _, err := a.TryAcquire(t.Context(), "k"); return err },
			func() error { return a.Do(t.Context(), "k", nil) },
		} {
			if err := f(); !errors.Is(err, lock.ErrClosed) || fmtErr(err) != `acquire lock "k": lock client closed` {
				t.Error(err)
			}
		}
	})
}

func TestCloseEndsAcquiresUnderWay(t *testing.T) {
	for name, caps := range allCaps {
		for _, e := range []effect{pass, loseRequest} {
			t.Run(fmt.Sprint(name, ", effect ", e), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					a := newParty(t, memory.New(), "a")
					s := newStore(a.store.Store)
					s.caps = caps
					b := newClient(t, s, config("b"))
					mustAcquire(t, a.Client, "k")
					s.always(e)
					under := acquire(t.Context(), b, "k", lock.WaitLimit(time.Hour))
					time.Sleep(4 * time.Second)
					began := fakeNow()
					if err := b.Close(t.Context()); err != nil {
						t.Error(err)
					}
					near(t, "ended after", under.wait(t)-began, 0, ttl/6)
					if !errors.Is(under.err, lock.ErrClosed) {
						t.Error(under.err)
					}
				})
			})
		}
	}
}

// The write is on its way when the client is closed: what it wins is given back.
func TestAGrantThatMeetsACloseIsGivenBack(t *testing.T) {
	for _, e := range []effect{slow, loseReply} {
		inBubble(t, func(t *testing.T) {
			mem := memory.New()
			a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
			mustRelease(t, mustAcquire(t, a.Client, "k"))
			a.store.once(e, "cas")
			under := acquire(t.Context(), a.Client, "k")
			time.Sleep(100 * time.Millisecond)
			if err := a.Close(t.Context()); err != nil {
				t.Error(err)
			}
			under.wait(t)
			if !errors.Is(under.err, lock.ErrClosed) {
				t.Error(under.err)
			}
			if _, err := b.TryAcquire(t.Context(), "k"); err != nil {
				t.Error(err)
			}
			a.store.taken()
			time.Sleep(time.Minute)
			wantCalls(t, a.store, "after the close")
		})
	}
}

func TestCloseLetsAbandonedAcquiresBeGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		mustRelease(t, mustAcquire(t, a.Client, "k"))
		ctx, cancel := context.WithCancel(t.Context())
		a.store.set(func(c call) effect {
			if c.op == "cas" && ctx.Err() == nil {
				return loseReply
			}
			return slow
		})
		under := acquire(ctx, a.Client, "k")
		time.Sleep(100 * time.Millisecond)
		cancel()
		under.wait(t)
		began := fakeNow()
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		near(t, "closed after", fakeNow()-began, 0, 3*time.Second)
		if _, err := b.TryAcquire(t.Context(), "k"); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseOnASilentStoreEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		mustAcquire(t, a.Client, "k")
		a.store.always(loseRequest)
		under := acquire(t.Context(), a.Client, "other", lock.WaitLimit(time.Second))
		under.wait(t) // and goes on looking in the background
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := fakeNow()
		if err := a.Close(ctx); err == nil {
			t.Error("the release was confirmed")
		}
		near(t, "closed after", fakeNow()-began, 100*time.Millisecond, 0)
		synctest.Wait()
		a.store.taken()
		time.Sleep(time.Minute)
		wantCalls(t, a.store, "after the close")
	})
}

func TestCloseAfterALoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		a.store.always(loseRequest)
		<-l.Context().Done()
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

func TestCloseWhileEverybodyIsBusy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		a.store.set(func(c call) effect {
			return []effect{pass, slow, pass, loseReply, breakReply, pass}[c.count%6]
		})
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				for {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i+1)*time.Second)
					l, err := a.Acquire(ctx, fmt.Sprint("k", i%5))
					cancel()
					if errors.Is(err, lock.ErrClosed) {
						return
					}
					if err == nil && i%2 == 0 {
						_ = l.Release(context.Background())
					}
					time.Sleep(time.Duration(i+1) * 10 * time.Millisecond)
				}
			})
		}
		time.Sleep(time.Minute)
		_ = a.Close(t.Context())
		all.Wait()
		a.store.taken()
		time.Sleep(ttl)
		synctest.Wait()
		wantCalls(t, a.store, "after the close")
		for i := range 5 {
			mustRelease(t, mustAcquire(t, b.Client, fmt.Sprint("k", i)))
		}
	})
}

func TestConfigIsRefusedWithAReason(t *testing.T) {
	for _, c := range []struct {
		cfg  lock.Config
		want string
	}{
		{lock.Config{TTL: -time.Second}, "lock: TTL -1s must be whole milliseconds, more than 0 and at most 8784h0m0s"},
		{lock.Config{TTL: 1500 * time.Microsecond}, "lock: TTL 1.5ms must be whole milliseconds, more than 0 and at most 8784h0m0s"},
		{lock.Config{TTL: 10_000 * time.Hour}, "lock: TTL 10000h0m0s must be whole milliseconds, more than 0 and at most 8784h0m0s"},
		{lock.Config{RenewEvery: -1}, "lock: RenewEvery -1ns, PollEvery 1s and RequestTimeout 1.666666666s must not be negative"},
		{lock.Config{PollEvery: -1}, "lock: RenewEvery 3.333333333s, PollEvery -1ns and RequestTimeout 1.666666666s must not be negative"},
		{lock.Config{RequestTimeout: -1}, "lock: RenewEvery 3.333333333s, PollEvery 1s and RequestTimeout -1ns must not be negative"},
		{lock.Config{RenewEvery: 4 * time.Second}, "lock: RenewEvery 4s must be at most a third of TTL 10s"},
		{lock.Config{RequestTimeout: 11 * time.Second}, "lock: RequestTimeout 11s must not be over TTL 10s"},
		{lock.Config{MaxClockDriftPPM: -1}, "lock: MaxClockDriftPPM -1 must be between 0 and 500000"},
		{lock.Config{MaxClockDriftPPM: 500_001}, "lock: MaxClockDriftPPM 500001 must be between 0 and 500000"},
	} {
		if _, err := lock.New(memory.New(), lock.SystemRuntime{}, c.cfg); fmtErr(err) != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	for _, cfg := range []lock.Config{{}, {TTL: time.Millisecond}, {TTL: 366 * 24 * time.Hour}, {MaxClockDriftPPM: 500_000}} {
		if _, err := lock.New(memory.New(), lock.SystemRuntime{}, cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := lock.New(nil, lock.SystemRuntime{}, lock.Config{}); err == nil {
		t.Error("no store")
	}
	if _, err := lock.New(memory.New(), nil, lock.Config{}); err == nil {
		t.Error("no runtime")
	}
}

func TestErrorsAreWhatTheySay(t *testing.T) {
	conflict := &lock.ConflictError{Known: true}
	for err, want := range map[error]string{
		conflict: "conflict: the record does not exist",
		&lock.ConflictError{Known: true, Current: lock.Record{Revision: "7"}}: "conflict: the record has revision 7",
		&lock.ConflictError{}: "conflict: the record has another revision",
		&lock.LostError{Name: "k", Token: 3, Reason: lock.LostTaken}: `lease of lock "k" with token 3 lost: taken over`,
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	for _, err := range []error{conflict, lock.ErrNotFound, lock.ErrRefused, lock.ErrUnavailable, &lock.FormatError{}} {
		if !lock.Definite(fmt.Errorf("wrapped: %w", err)) {
			t.Errorf("%v is definite", err)
		}
	}
	for _, err := range []error{nil, errBroken, context.Canceled, &lock.HeldError{}, lock.ErrUnconfirmed} {
		if lock.Definite(err) {
			t.Errorf("%v is not definite", err)
		}
	}
	if caps := lock.CapabilitiesOf(plainStore{}); caps != (lock.Capabilities{}) {
		t.Errorf("a store that declares nothing can %+v", caps)
	}
}

type plainStore struct{ lock.Store }
