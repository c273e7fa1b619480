package lock_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// abandon lets a's Acquire end with the wait limit of a second. What becomes of
// its requests, faults decides, which counts those of one kind.
func abandon(t *testing.T, a party, faults func(op string, count int) effect) {
	t.Helper()
	counts := map[string]int{}
	a.store.set(func(c call) effect {
		counts[c.op]++
		return faults(c.op, counts[c.op])
	})
	if _, err := a.Acquire(t.Context(), "k", lock.WaitLimit(time.Second)); !errors.Is(err, lock.ErrWaitLimit) {
		t.Fatal(err)
	}
}

// freeFor asserts that b has the lock within limit.
func freeFor(t *testing.T, b party, limit time.Duration) {
	t.Helper()
	began := fakeNow()
	mustRelease(t, mustAcquire(t, b.Client, "k"))
	if took := fakeNow() - began; took > limit {
		t.Errorf("the lock was free after %s, want at most %s", took, limit)
	}
}

func TestGivingBackEndsAfterALease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a := newParty(t, memory.New(), "a")
		abandon(t, a, func(op string, _ int) effect {
			if op == "cas" {
				return loseRequest
			}
			return pass
		})
		time.Sleep(ttl + 2*time.Second)
		a.store.taken()
		time.Sleep(time.Hour)
		wantCalls(t, a.store, "long after the lease")
	})
}

func TestGivingBackEndsOnceTheWriteCanLandNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		abandon(t, a, func(op string, _ int) effect {
			if op == "cas" {
				return loseRequest
			}
			return pass
		})
		mustRelease(t, mustAcquire(t, b.Client, "k")) // the record is another now
		time.Sleep(2 * time.Second)                   // a has seen that
		a.store.taken()
		time.Sleep(time.Minute)
		wantCalls(t, a.store, "after the record was another")
	})
}

func TestAWriteThatLandsWhileItIsGivenBackIsUndone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
		abandon(t, a, func(op string, n int) effect {
			if op == "cas" && n == 1 {
				return land
			}
			return pass
		})
		time.Sleep(2 * time.Second)
		if calls := a.store.taken(); slices.Index(calls, "cas") != 0 || slices.Contains(calls[1:], "cas") {
			t.Errorf("before its write landed, a asked %v; it must only look", calls)
		}
		a.store.landLate()
		freeFor(t, b, 2*time.Second)
		synctest.Wait()
		if calls := a.store.taken(); len(calls) < 2 || calls[len(calls)-1] != "cas" || slices.Index(calls, "cas") != len(calls)-1 {
			t.Errorf("a undid its write by %v; the write is the last that it does", calls)
		}
		time.Sleep(time.Minute)
		wantCalls(t, a.store, "after it was undone")
	})
}

func TestGivingBackIsTriedAgain(t *testing.T) {
	for name, e := range map[string]effect{"throttled": unavailable, "no answer": breakRequest} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				mem := memory.New()
				a, b := newParty(t, mem, "a"), newParty(t, mem, "b")
				abandon(t, a, func(op string, n int) effect {
					switch {
					case op == "cas" && n == 1:
						return loseReply
					case op == "cas" && n == 2:
						return e
					}
					return pass
				})
				freeFor(t, b, 3*time.Second)
			})
		})
	}
}

// The record may change between the look and the write: by a late copy of a
// write, say. Then there is no reason to wait.
func TestGivingBackMeetsAConflictAndGoesOnAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memory.New()
		a := newParty(t, mem, "a")
		var at []time.Duration
		abandon(t, a, func(op string, n int) effect {
			if op != "cas" {
				return pass
			}
			at = append(at, fakeNow())
			switch n {
			case 1:
				return loseReply
			case 2:
				rec, err := mem.Get(context.Background(), "k")
				if err == nil {
					_, err = mem.CompareAndSwap(context.Background(), "k", rec.Revision, rec.Value)
				}
				if err != nil {
					t.Error(err)
				}
			}
			return pass
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(at) != 3 || at[2] != at[1] {
			t.Errorf("writes at %v; the third is to follow the second at once", at)
		}
	})
}
