package lock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// releasing is a Release under way.
func releasing(ctx context.Context, l *lock.Lease) <-chan error {
	done := make(chan error, 1)
	go func() { done <- l.Release(ctx) }()
	synctest.Wait()
	return done
}

func TestCloseWaitsForAReleaseUnderWay(t *testing.T) {
	for name, lost := range map[string]bool{"a lease": false, "a lease that ran out": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a := newParty(t, memory.New(), "a")
				l := mustAcquire(t, a.Client, "k")
				if lost {
					a.store.always(loseRequest)
					<-l.Context().Done()
					synctest.Wait()
				}
				a.store.always(slow)
				first := releasing(context.Background(), l)
				began := fakeNow()
				if err := a.Close(t.Context()); err != nil {
					t.Error(err)
				}
				near(t, "closed after", fakeNow()-began, time.Second, 0)
				if got := record(t, a.store); got != `{"v":1,"token":1}` {
					t.Errorf("closed, and the record is %s", got)
				}
				if err := <-first; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestCloseReportsAReleaseUnderWayThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		a.store.always(breakRequest)
		first := releasing(context.Background(), l)
		err := a.Close(t.Context())
		if own := <-first; own == nil || !errors.Is(err, own) {
			t.Errorf("Close: %v, Release: %v", err, own)
		}
	})
}

func TestEveryReleaseReturnsWhatTheFirstDid(t *testing.T) {
	for e, want := range map[effect]error{slow: nil, breakRequest: errBroken, refuse: lock.ErrRefused} {
		inBubble(t, func(t *testing.T) {
			a := newParty(t, memory.New(), "a")
			l := mustAcquire(t, a.Client, "k")
			a.store.always(e)
			first := releasing(context.Background(), l)
			if len(first) > 0 && e == slow {
				t.Fatal("the first release has finished already")
			}
			second, third := releasing(context.Background(), l), releasing(context.Background(), l)
			if e == slow && len(second)+len(third) > 0 {
				t.Error("a release returned before the first had finished")
			}
			own := <-first
			if !errors.Is(own, want) {
				t.Errorf("effect %d: the first release: %v", e, own)
			}
			for _, err := range []error{<-second, <-third, l.Release(t.Context())} {
				if err != own {
					t.Errorf("effect %d: first %v, another %v", e, own, err)
				}
			}
		})
	}
}

func TestAReleaseThatWaitsForAnotherEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k")
		a.store.always(loseRequest)
		first := releasing(context.Background(), l)
		for _, cause := range []error{errors.New("why"), lock.ErrRefused} {
			ctx, cancel := context.WithCancelCause(t.Context())
			second := releasing(ctx, l)
			cancel(cause)
			synctest.Wait()
			if len(second) == 0 {
				t.Fatal("the second release goes on")
			}
			err := <-second
			if err == nil || lock.Definite(err) || !lock.Definite(cause) && !errors.Is(err, cause) {
				t.Errorf("cause %v: %v", cause, err)
			}
		}
		a.store.set(nil)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// tardyRuntime starts a task and is put off its processor.
type tardyRuntime struct {
	fakeRuntime
	off time.Duration
}

func (r tardyRuntime) Go(f func()) (join func()) {
	join = r.fakeRuntime.Go(f)
	time.Sleep(r.off)
	return join
}

// The first renewal is due before Acquire has returned, and its hook hands the
// lease to somebody who releases it.
func TestAHookMayHandOverALeaseThatIsStillBeingGranted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(memory.New())
		var released <-chan error
		hookEnded := false
		cfg := config("a")
		cfg.Hooks.RenewStart = func(l *lock.Lease) {
			done := make(chan error, 1)
			go func() {
				err := l.Release(context.Background())
				if !hookEnded {
					t.Error("released while the heartbeat was at work")
				}
				done <- err
			}()
			released = done
			time.Sleep(2 * time.Second)
			hookEnded = true
		}
		c := newClientOn(t, s, tardyRuntime{off: renewEvery + time.Second}, cfg)
		l := mustAcquire(t, c, "k")
		if err := <-released; err != nil {
			t.Error(err)
		}
		if l.Valid() {
			t.Error("valid after the release")
		}
		if got := record(t, s); got != `{"v":1,"token":1}` {
			t.Errorf("the record is %s", got)
		}
		s.taken()
		time.Sleep(ttl)
		wantCalls(t, s, "after the release")
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
