package lock_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func TestOfSeveralOptionsEachCounts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		l := mustAcquire(t, a.Client, "k", lock.WaitLimit(time.Second), lock.ManualRenewal())
		time.Sleep(takenAfter)
		if !errors.Is(context.Cause(l.Context()), lock.ErrLost) {
			t.Error("it was renewed")
		}
	})
}

// evenRuntime draws the middle of every range: a pause is what it says.
type evenRuntime struct{ fakeRuntime }

func (evenRuntime) Uint64() uint64 { return 0 }

// between are the times between one request and the next.
func between(at []time.Duration) (gaps []time.Duration) {
	for i := range at[1:] {
		gaps = append(gaps, at[i+1]-at[i])
	}
	return gaps
}

// pauses notes when the store is asked something, and returns the gaps.
func pauses(s *testStore, decide func(call) effect) (gaps func() []time.Duration) {
	var at []time.Duration
	s.set(func(c call) effect {
		at = append(at, fakeNow())
		return decide(c)
	})
	return func() []time.Duration { return between(at) }
}

// gaps are the times between one request and the next of a waiting acquire.
func gaps(t *testing.T, s *testStore, cfg lock.Config, decide func(call) effect) []time.Duration {
	t.Helper()
	got := pauses(s, decide)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c := newClientOn(t, s, evenRuntime{}, cfg)
	if _, err := c.Acquire(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	return got()
}

// With nothing drawn on top a pause is three quarters of PollEvery, which is 900 ms
// here, after the fifth failure in a row, and half as much after each before it.
func TestPausesDoubleUpToThePollInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		want := []time.Duration{42187500, 84375000, 168750000, 337500000, 675000000, 675000000}
		got := gaps(t, newStore(memory.New()), config("a"), func(call) effect { return unavailable })
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("pauses %v, want %v", got, want)
		}
	})
}

// What brought an answer is not a failure: the pauses begin anew. Each poll comes
// 675 ms after what was before it, and each failure adds its pause.
func TestALookEndsARowOfFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		mustAcquire(t, newParty(t, mem, "holder").Client, "k")
		s := newStore(mem)
		s.caps = lock.Capabilities{}
		n := 0
		got := gaps(t, s, config("a"), func(call) effect {
			if n++; n == 4 {
				return pass
			}
			return unavailable
		})
		if want := 675*time.Millisecond + 42187500; got[4] != want {
			t.Errorf("pauses %v, want the fifth to be %v", got, want)
		}
	})
}

func TestAWaitEndsARowOfFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		mustAcquire(t, newParty(t, mem, "holder").Client, "k") // renews after 3 s
		s := newStore(mem)
		s.caps.ConflictReturnsCurrent = false
		failed, waited := 0, -1
		n := 0
		got := gaps(t, s, config("a"), func(c call) effect {
			n++
			switch {
			case c.op == "wait" && failed >= 3 && waited < 0:
				waited = n
				return pass
			case c.op == "get" && n > 1:
				failed++
				return unavailable
			case c.op == "wait":
				return unavailable
			}
			return pass
		})
		// After it: a wait that fails, a poll, which fails, and its pause.
		if want := time.Duration(42187500); waited < 0 || len(got) < waited+2 || got[waited+1] != want {
			t.Errorf("pauses %v, want the third after number %d to be %v", got, waited, want)
		}
	})
}

func TestAPauseFollowsTheFourthConflictInARow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		s := newStore(mem)
		got := gaps(t, s, config("a"), func(c call) effect {
			if c.op == "cas" { // somebody else was faster, and has released again
				if _, err := mem.Put(context.Background(), "k", []byte(freed)); err != nil {
					t.Error(err)
				}
			}
			return pass
		})
		if len(got) < 4 || got[0]+got[1]+got[2] != 0 || got[3] == 0 {
			t.Errorf("pauses %v, want the first after four writes", got)
		}
	})
}

const freed = `{"v":1,"token":7}`

// A grant is known by the beat of whichever write it was.
func TestTheSecondOfTwoWritesWithoutAnswersIsKnownForTheGrant(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		n := 0
		a.store.set(func(c call) effect {
			if c.op != "cas" {
				return pass
			}
			n++
			return []effect{breakRequest, breakReply, pass}[min(n, 3)-1]
		})
		mustAcquire(t, a.Client, "k")
		wantCalls(t, a.store, "the acquire", "cas", "get", "cas", "get")
	})
}

func TestATryGivesUpAfterFourFailuresInARow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newStore(memory.New())
		s.caps.ConflictReturnsCurrent = false
		s.always(unavailable, "cas")
		if _, err := newClient(t, s, config("a")).TryAcquire(t.Context(), "k"); err == nil {
			t.Error("it was granted")
		}
		// A look of the background may follow: what was throttled may have a copy.
		if got := s.taken(); len(got) < 5 || !slices.Equal(got[:5], []string{"get", "cas", "cas", "cas", "cas"}) {
			t.Errorf("the store was asked %v", got)
		}
	})
}

// unwatched is a client that has to poll.
func unwatched(t *testing.T, mem *memory.Store) party {
	t.Helper()
	s := newStore(mem)
	s.caps.Watch = false
	return party{newClient(t, s, config("b")), s}
}

func TestATakeoverByPollingLooksByItsWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), unwatched(t, mem)
		mustAcquire(t, a.Client, "k", lock.ManualRenewal())
		last, at := "", time.Duration(0)
		b.store.set(func(c call) effect {
			if c.op == "cas" && last == "get" && fakeNow() == at {
				t.Error("it looked, and wrote in the same moment")
			}
			last, at = c.op, fakeNow()
			return pass
		})
		time.Sleep(time.Second)
		if _, err := b.TryAcquire(t.Context(), "k"); !errors.Is(err, lock.ErrHeld) {
			t.Fatal(err)
		}
		mustAcquire(t, b.Client, "k")
	})
}

func TestWhoIsCancelledBetweenTwoPollsAsksNothingMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), unwatched(t, mem)
		mustAcquire(t, a.Client, "k")
		ctx, cancel := context.WithCancel(t.Context())
		under := acquire(ctx, b.Client, "k")
		time.Sleep(100 * time.Millisecond)
		b.store.taken()
		cancel()
		under.wait(t)
		wantCalls(t, b.store, "after the end")
	})
}
