package lock_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// A waiter goes by the holder's lease, not by its own.
func TestClientsOfALockMayHaveLeasesOfTheirOwn(t *testing.T) {
	for _, ttls := range [][2]time.Duration{{ttl, 3 * time.Second}, {3 * time.Second, ttl}} {
		for name, caps := range allCaps {
			inBubble(t, func(t *testing.T) {
				mem := memory.New()
				stores := [2]*testStore{newStore(mem), newStore(mem)}
				var clients [2]*lock.Client
				for i := range clients {
					stores[i].caps = caps
					clients[i] = newClient(t, stores[i], lock.Config{Owner: fmt.Sprint(i), TTL: ttls[i], MaxClockDriftPPM: 20_000})
				}
				l := mustAcquire(t, clients[0], "k", lock.ManualRenewal())
				near(t, "the holder's lease", l.Remaining(), ttls[0]*98/100, 0)
				stores[0].always(loseRequest)
				_, err := clients[1].TryAcquire(t.Context(), "k")
				var held *lock.HeldError
				if !errors.As(err, &held) || held.TTL != ttls[0] || held.FreeIn != ttls[0]*102/100 {
					t.Errorf("%s: %+v", name, held)
				}
				began := fakeNow()
				next := mustAcquire(t, clients[1], "k", lock.ManualRenewal())
				near(t, "taken over after", fakeNow()-began, ttls[0]*102/100, 0)
				near(t, "its lease", next.Remaining(), ttls[1]*98/100, 0)
				if err := next.Renew(t.Context()); err != nil {
					t.Fatal(err)
				}
				near(t, "its renewed lease", next.Remaining(), ttls[1]*98/100, 0)
			})
		}
	}
}

// All that shared a lock must have been silent for their leases.
func TestATakeoverWaitsForTheLastOfManyHolders(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		tamper(t, a.store, `{"v":1,"token":5,"mode":"shared","holders":[{"id":"x-1","owner":"x","ttl_ms":20000,"beat":0},{"id":"y-1","owner":"y","ttl_ms":1000,"beat":0}],`+
			`"queue":[{"id":"z-1","owner":"z","ttl_ms":1000,"beat":0}],"data":"AQI=","attributes":{"zone":"b"}}`)
		began := fakeNow()
		l := mustAcquire(t, a.Client, "k")
		near(t, "taken over after", fakeNow()-began, 20_200*time.Millisecond, 0)
		info, err := a.Inspect(t.Context(), "k")
		if err != nil || info.Token != 6 || info.Mode != lock.Exclusive || len(info.Holders) != 1 || info.Holders[0].Owner != "a" ||
			!bytes.Equal(info.Data, []byte{1, 2}) || info.Attributes["zone"] != "b" || info.Name != "k" || info.Revision == "" {
			t.Errorf("taken over: %+v, %v", info, err)
		}
		mustRelease(t, l)
		if got := record(t, a.store); !strings.Contains(got, `"queue":[{"id":"z-1"`) || strings.Contains(got, `"holders"`) {
			t.Errorf("released: %s", got)
		}
	})
}

// A renewal in time starts the wait anew, whoever else waits.
func TestEverySignOfLifeStartsTheWaitAnew(t *testing.T) {
	for name, caps := range allCaps {
		inBubble(t, func(t *testing.T) {
			a := newParty(t, memory.New(), "a")
			s := newStore(a.store.Store)
			s.caps = caps
			b := newClient(t, s, config("b"))
			l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
			under := acquire(t.Context(), b, "k")
			for range 5 {
				time.Sleep(leaseLasts - time.Millisecond)
				if err := l.Renew(t.Context()); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			renewed := fakeNow()
			slack := ttl / 8 // a poll, give or take a quarter
			if caps.Watch {
				slack = 0
			}
			near(t, name+": taken over", under.wait(t), renewed+takenAfter, slack)
		})
	}
}

func TestATryGivesUpAfterAFewFailures(t *testing.T) {
	for e, want := range map[effect]int{unavailable: 4, breakRequest: 3} {
		inBubble(t, func(t *testing.T) {
			a := newParty(t, memory.New(), "a")
			a.store.always(e)
			_, err := a.TryAcquire(t.Context(), "k")
			if err == nil || errors.Is(err, lock.ErrHeld) {
				t.Error(err)
			}
			// Four of the try, and perhaps the first look of the task that gives back.
			if calls := a.store.taken(); len(calls) < want || len(calls) > 5 {
				t.Errorf("effect %d: %v", e, calls)
			}
		})
	}
}

// Somebody else is quicker each time, and gives the lock back at once.
func TestALoserOfEveryRaceDoesNotAskWithoutAPause(t *testing.T) {
	for _, caps := range []lock.Capabilities{{ConflictReturnsCurrent: true}, {Watch: true, ConflictReturnsCurrent: true}} {
		inBubble(t, func(t *testing.T) {
			s := newStore(memory.New())
			s.caps = caps
			c := newClient(t, s, config("a"))
			token, until := 0, fakeNow()+ttl
			s.set(func(call call) effect {
				if call.op == "cas" && fakeNow() < until {
					token++
					_, _ = s.Put(context.Background(), "k", fmt.Appendf(nil, `{"v":1,"token":%d}`, token))
				}
				return pass
			})
			l := mustAcquire(t, c, "k")
			if n := len(s.taken()); n > 60 {
				t.Errorf("%d requests in one lease", n)
			}
			if l.Token() != uint64(token)+1 {
				t.Errorf("token %d after %d", l.Token(), token)
			}
		})
	}
}

// What the abandoned write would have replaced is gone: there is nothing to wait
// for.
func TestGivingBackEndsWhenTheWriteCanLandNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		a.store.once(loseRequest, "cas")
		if _, err := a.Acquire(t.Context(), "k", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
			t.Fatal(err)
		}
		synctest.Wait()
		a.store.taken()
		l := mustAcquire(t, b.Client, "k")
		time.Sleep(2 * ttl / 10)
		synctest.Wait()
		if calls := a.store.taken(); len(calls) == 0 || len(calls) > 2 {
			t.Errorf("after the lock was granted to another: %v", calls)
		}
		time.Sleep(ttl)
		wantCalls(t, a.store, "later")
		if !l.Valid() {
			t.Error("the other's lease was given back")
		}
	})
}

func TestGivingBackLastsForALease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		a.store.once(land, "cas")
		if _, err := a.Acquire(t.Context(), "k", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
			t.Fatal(err)
		}
		time.Sleep(ttl - 1300*time.Millisecond)
		a.store.landLate()
		began := fakeNow()
		mustRelease(t, mustAcquire(t, b.Client, "k"))
		if took := fakeNow() - began; took > 2*time.Second {
			t.Errorf("b waited %s", took)
		}
	})
}

func TestAClientRemembersNothingThatIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		for i := range 20 {
			name := fmt.Sprint("k", i)
			switch i % 4 {
			case 0:
				mustRelease(t, mustAcquire(t, a.Client, name))
			case 1: // lost
				l := mustAcquire(t, a.Client, name)
				a.store.always(loseRequest)
				<-l.Context().Done()
				a.store.set(nil)
			case 2: // abandoned
				a.store.once(loseReply, "cas")
				if _, err := a.Acquire(t.Context(), name, lock.WaitLimit(time.Second)); err == nil {
					t.Fatal("granted")
				}
			case 3: // lost, and released all the same
				l := mustAcquire(t, a.Client, name, lock.ManualRenewal())
				<-l.Context().Done()
				mustRelease(t, l)
			}
		}
		synctest.Wait()
		if leases, acquires, chores := a.Kept(); leases != 0 || acquires != 0 || chores > 1 {
			t.Errorf("%d leases, %d acquires, %d chores", leases, acquires, chores)
		}
	})
}

func TestReleaseOfARemovedRecord(t *testing.T) {
	for e, want := range map[effect]lock.LostReason{pass: lock.LostFreed, breakRequest: ""} {
		inBubble(t, func(t *testing.T) {
			a := newParty(t, memory.New(), "a")
			l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
			if err := a.store.Remove(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			a.store.once(e, "cas")
			err := l.Release(t.Context())
			if want == "" && err != nil || want != "" && lostBecause(err) != want {
				t.Errorf("effect %d: %v", e, err)
			}
		})
	}
}

// A read that comes from before the grant tells nothing of it.
func TestAnOldRecordIsNoLoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		tamper(t, a.store, `{"v":1,"token":7}`)
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		end := l.ValidUntil()
		now := record(t, a.store)
		tamper(t, a.store, `{"v":1,"token":7}`)
		time.Sleep(time.Second)
		if err := l.Renew(t.Context()); err == nil || errors.Is(err, lock.ErrLost) || !l.Valid() || l.ValidUntil() != end {
			t.Errorf("valid %t, until %s, was %s: %v", l.Valid(), l.ValidUntil(), end, err)
		}
		tamper(t, a.store, now)
		if err := l.Renew(t.Context()); err != nil || l.ValidUntil() != end+time.Second {
			t.Errorf("until %s: %v", l.ValidUntil(), err)
		}
		mustRelease(t, l)
	})
}

// An older record of our own, put back by an operator, is not built upon, nor asked
// for again and again.
func TestAnOlderBeatOfOursIsNoLoss(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		old := record(t, a.store)
		time.Sleep(time.Second)
		if err := l.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		end := l.ValidUntil()
		tamper(t, a.store, old)
		a.store.taken()
		ctx, cancel := context.WithCancel(t.Context())
		a.store.set(func(call call) effect {
			if call.op == "cas" && call.count > 10 {
				cancel()
				return loseRequest
			}
			return pass
		})
		if err := l.Renew(ctx); err == nil || errors.Is(err, lock.ErrLost) || !l.Valid() || l.ValidUntil() != end {
			t.Errorf("valid %t, until %s, was %s: %v", l.Valid(), l.ValidUntil(), end, err)
		}
		if n := len(a.store.taken()); n > 2 {
			t.Errorf("%d requests", n)
		}
		a.store.set(nil)
		mustRelease(t, l)
	})
}

// The answer to one renewal arrives after a later one was confirmed.
func TestAnAnswerThatWasOvertakenChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		a.store.once(slow, "cas")
		first := make(chan error, 1)
		go func() { first <- l.Renew(context.Background()) }()
		time.Sleep(700 * time.Millisecond) // applied, and the answer is on its way
		if err := l.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		end := l.ValidUntil()
		near(t, "the later renewal's end", end, fakeNow()+leaseLasts, 0)
		if err := <-first; err != nil || !l.Valid() || l.ValidUntil() != end {
			t.Errorf("valid %t, until %s, was %s: %v", l.Valid(), l.ValidUntil(), end, err)
		}
		if err := l.Renew(t.Context()); err != nil {
			t.Error(err)
		}
		mustRelease(t, l)
	})
}

func TestDoTellsOfALossThatTheReleaseUndid(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		err := a.Do(t.Context(), "k", func(ctx context.Context, _ *lock.Lease) error {
			a.store.always(loseRequest)
			<-ctx.Done()
			a.store.set(nil)
			return nil
		})
		if why := lostBecause(err); why != lock.LostExpired {
			t.Error(why)
		}
		if got := record(t, a.store); got != `{"v":1,"token":1}` {
			t.Errorf("the record is %s", got)
		}
	})
}

// A store may declare what it cannot do.
func TestAWatchWithoutAWatcherIsPolled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a := newParty(t, mem, "a")
		b := newClient(t, boaster{Store: mem}, config("b"))
		l := mustAcquire(t, a.Client, "k")
		under := acquire(t.Context(), b, "k")
		time.Sleep(time.Second)
		mustRelease(t, l)
		released := fakeNow()
		near(t, "granted", under.wait(t), released, ttl/8)
		mustRelease(t, under.lease)
	})
}

// boaster declares Watch and has no Wait.
type boaster struct{ lock.Store }

func (boaster) Capabilities() lock.Capabilities { return lock.Capabilities{Watch: true} }

func TestTheLogTellsOfGrantsTakeoversAndLosses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a := newParty(t, mem, "a")
		var text bytes.Buffer
		cfg := config("b")
		cfg.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s := newStore(mem)
		b := newClient(t, s, cfg)
		said := func(want ...string) {
			t.Helper()
			synctest.Wait()
			for _, w := range want {
				if !strings.Contains(text.String(), w+" owner=b lock=k token=") {
					t.Errorf("not said: %s\n%s", w, text.String())
				}
			}
			if n := strings.Count(text.String(), "\n"); n != len(want) {
				t.Errorf("%d lines:\n%s", n, text.String())
			}
			text.Reset()
		}
		mustRelease(t, mustAcquire(t, b, "k"))
		said(`level=DEBUG msg="lock granted"`)
		mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		l := mustAcquire(t, b, "k", lock.ManualRenewal())
		said(`level=DEBUG msg="lock granted"`, `level=INFO msg="lock taken over"`)
		<-l.Context().Done()
		said(`level=WARN msg="lease lost"`)
		mustRelease(t, l)
		said()
	})
}
