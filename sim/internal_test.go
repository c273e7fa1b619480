package sim

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wrongClock draws a clock that has gone through several rates, and returns it
// with the true time of its last change.
func wrongClock(t *rapid.T) (clock, time.Duration) {
	c := newClock(time.Duration(rapid.Int64Range(0, int64(maxUptime)).Draw(t, "boot")))
	at := time.Duration(0)
	for range rapid.IntRange(0, 5).Draw(t, "changes") {
		at += time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "for"))
		c.addRate(at, rapid.OneOf(rapid.Int64Range(-990_000, 10_000_000), rapid.Int64Range(-200, 200)).Draw(t, "ppm"))
	}
	return c, at
}

func TestClockIsTheExactLineItClaimsToBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, at := wrongClock(t)
		d := rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "d")
		want := new(big.Int).Mul(big.NewInt(d), new(big.Int).SetUint64(c.rate))
		want.Div(want, big.NewInt(million)).Add(want, big.NewInt(int64(c.base)))
		if got := c.elapsed(at + time.Duration(d)); want.Cmp(big.NewInt(int64(got))) != 0 {
			t.Fatalf("elapsed %d, want %v", got, want)
		}
	})
}

func TestClockNeverGoesBackNorStepsWhenItsRateChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, at := wrongClock(t)
		before := c.elapsed(at)
		c.addRate(at, rapid.Int64Range(-990_000, 10_000_000).Draw(t, "ppm"))
		if after := c.elapsed(at); after != before {
			t.Fatalf("a change of rate stepped the clock from %d to %d", before, after)
		}
		a := at + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "a"))
		b := a + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "b"))
		if c.elapsed(b) < c.elapsed(a) {
			t.Fatalf("went back from %d to %d", c.elapsed(a), c.elapsed(b))
		}
	})
}

func TestClockInversionFindsTheFirstInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _ := wrongClock(t)
		x := c.base + time.Duration(rapid.Int64Range(-1000, int64(1000*time.Hour)).Draw(t, "ahead"))
		at := c.first(x)
		if got := c.elapsed(at); got < x {
			if at == never {
				return // a clock that all but stands does not get there
			}
			t.Fatalf("at %d elapsed is %d, under %d", at, got, x)
		}
		if at > c.since && c.elapsed(at-1) >= x {
			t.Fatalf("one nanosecond before %d elapsed is %d already, not under %d", at, c.elapsed(at-1), x)
		}
	})
}

func TestClockSaturatesInsteadOfOverflowing(t *testing.T) {
	c := newClock(0)
	c.addRate(time.Hour, 10_000_000)
	if got := c.elapsed(never); got != never {
		t.Errorf("elapsed(never) = %v", got)
	}
	c.addRate(time.Hour, -20_000_000)
	if got := c.first(never - 1); got != never {
		t.Errorf("a clock that all but stands reaches %v at %v", never-1, got)
	}
}

func TestMonotonicStandsStillInSuspendAndNowDoesNot(t *testing.T) {
	c := newClock(5 * time.Second)
	c.suspend(10 * time.Second)
	if now, mono := c.now(14*time.Second), c.monotonic(14*time.Second); now != 19*time.Second || mono != 15*time.Second {
		t.Errorf("suspended: Now %v, Monotonic %v", now, mono)
	}
	c.addRate(15*time.Second, 1_000_000) // twice as fast, still asleep
	c.resume(16 * time.Second)
	if now, mono := c.now(17*time.Second), c.monotonic(17*time.Second); now != 24*time.Second || mono != 17*time.Second {
		t.Errorf("resumed: Now %v, Monotonic %v", now, mono)
	}
}

// TestQueueKeepsOrder holds the heap against a sorted list, under any mixture
// of pushes, pops, removals and moves.
func TestQueueKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []slot
		least := func() int {
			i := 0
			for j := range model {
				if model[j].before(&model[i]) {
					i = j
				}
			}
			return i
		}
		at := func() time.Duration { return time.Duration(rapid.IntRange(0, 20).Draw(t, "at")) }
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 5).Draw(t, "op"); {
			case op <= 2 || len(model) == 0:
				s := slot{at: at(), ev: &event{pos: -1}}
				q.push(s.at, s.ev)
				s.seq = q.seq
				model = append(model, s)
			case op == 3:
				i := least()
				if got := q.pop(); got != model[i].ev || got.pos != -1 {
					t.Fatal("popped another event than the first")
				}
				model = slices.Delete(model, i, i+1)
			case op == 4:
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				q.remove(model[i].ev)
				q.remove(model[i].ev) // a second time is harmless
				model = slices.Delete(model, i, i+1)
			default:
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				model[i].at = at()
				q.move(model[i].ev, model[i].at)
			}
		}
		for len(model) > 0 {
			i := least()
			if q.pop() != model[i].ev {
				t.Fatal("popped another event than the first")
			}
			model = slices.Delete(model, i, i+1)
		}
	})
}
