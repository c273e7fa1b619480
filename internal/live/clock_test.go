package live

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// handClock is a true time that a test moves.
type handClock struct{ t time.Duration }

func (h *handClock) now() time.Duration { return h.t }

func TestARateAppliesFromNowOnWithoutAStep(t *testing.T) {
	var hand handClock
	c := NewClock(hand.now, ClockConfig{Now: time.Hour, Wall: 1000 * time.Hour})
	for _, step := range []struct {
		do   func()
		to   time.Duration
		want time.Duration
	}{
		{func() {}, 0, 0},
		{func() {}, 10 * time.Second, 10 * time.Second},
		{func() { c.AddRate(1_000_000) }, 10 * time.Second, 10 * time.Second},
		{func() {}, 20 * time.Second, 30 * time.Second},
		{func() { c.AddRate(-500_000) }, 20 * time.Second, 30 * time.Second},
		{func() {}, 30 * time.Second, 45 * time.Second},
		{func() { c.RemoveRate(1_000_000) }, 30 * time.Second, 45 * time.Second},
		{func() {}, 40 * time.Second, 50 * time.Second},
		{func() { c.SetRate(0) }, 40 * time.Second, 50 * time.Second},
		{func() {}, 50 * time.Second, 60 * time.Second},
	} {
		step.do()
		hand.t = step.to
		if got := c.Now() - time.Hour; got != step.want {
			t.Errorf("at %s Now has advanced by %s, want %s", step.to, got, step.want)
		}
		if c.Monotonic() != c.Now() || c.Wall() != c.Now()+999*time.Hour {
			t.Errorf("at %s Monotonic is %s, Wall %s, Now %s", step.to, c.Monotonic(), c.Wall(), c.Now())
		}
	}
	for _, past := range []struct{ local, want time.Duration }{
		{5 * time.Second, 5 * time.Second},
		{20 * time.Second, 15 * time.Second},
		{45 * time.Second, 30 * time.Second},
		{70 * time.Second, 60 * time.Second},
	} {
		if at, ok := c.TrueAt(time.Hour + past.local); !ok || at != past.want {
			t.Errorf("%s was reached at %s, %v, want %s", past.local, at, ok, past.want)
		}
		if local := c.At(past.want); local != time.Hour+past.local {
			t.Errorf("at %s Now was %s, want %s", past.want, local-time.Hour, past.local)
		}
	}
}

func TestOffsetsAndJumpsMoveOnlyTheWallClock(t *testing.T) {
	var hand handClock
	c := NewClock(hand.now, ClockConfig{Wall: time.Hour})
	hand.t = time.Second
	c.AddOffset(10 * time.Minute)
	c.Jump(-3 * time.Minute)
	if c.Now() != time.Second || c.Wall() != time.Hour+7*time.Minute+time.Second {
		t.Errorf("Now %s, Wall %s", c.Now(), c.Wall())
	}
	c.RemoveOffset(10 * time.Minute)
	if c.Now() != time.Second || c.Wall() != time.Hour-3*time.Minute+time.Second {
		t.Errorf("after the offset's end: Now %s, Wall %s", c.Now(), c.Wall())
	}
}

func TestReadingsThatNeverWereAreSaidToBe(t *testing.T) {
	var hand handClock
	c := NewClock(hand.now, ClockConfig{Now: time.Hour})
	if at, ok := c.TrueAt(time.Hour - 1); ok {
		t.Errorf("a reading from before the run was reached at %s", at)
	}
	c.AddRate(-5 * million) // it goes on at a millionth
	if at, ok := c.TrueAt(never); ok {
		t.Errorf("the end of time was reached at %s", at)
	}
	hand.t = time.Second
	if c.Now() != time.Hour+time.Microsecond {
		t.Errorf("a clock that all but stands has advanced by %s in a second", c.Now()-time.Hour)
	}
}

// TestTheClockIsALine draws changes of rate and checks, at every time, what a
// lock and a checker rely on.
func TestTheClockIsALine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var hand handClock
		boot := time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "boot"))
		c := NewClock(hand.now, ClockConfig{Now: boot})
		type reading struct{ at, now time.Duration }
		var readings []reading
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			hand.t += time.Duration(rapid.Int64Range(0, 1<<rapid.IntRange(0, 40).Draw(t, "bits")).Draw(t, "pass"))
			now := c.Now()
			if n := len(readings); n > 0 && now < readings[n-1].now {
				t.Fatalf("Now went back from %d to %d", readings[n-1].now, now)
			}
			c.SetRate(rapid.Int64Range(-990_000, 10_000_000).Draw(t, "ppm"))
			if c.Now() != now {
				t.Fatalf("a change of rate stepped from %d to %d", now, c.Now())
			}
			readings = append(readings, reading{hand.t, now})
		}
		for _, r := range readings {
			if c.At(r.at) != r.now {
				t.Fatalf("at %d Now was %d, and now it is said to have been %d", r.at, r.now, c.At(r.at))
			}
			at, ok := c.TrueAt(r.now)
			if !ok || at > r.at {
				t.Fatalf("%d was read at %d, but is said to have been reached at %d, %v", r.now, r.at, at, ok)
			}
			if reached := c.At(at + 1); reached < r.now {
				t.Fatalf("%d is said to have been reached at %d, a nanosecond after which Now was %d", r.now, at, reached)
			}
		}
		local := c.Now() + time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "ahead"))
		left, _ := c.until(local)
		if c.At(hand.t+left) < local || left > 0 && c.At(hand.t+left-1) >= local {
			t.Fatalf("%d is %d away, when Now is %d", local, left, c.At(hand.t+left))
		}
	})
}

func TestTheClockMayBeReadWhileItsRateChanges(t *testing.T) {
	start := time.Now()
	c := NewClock(func() time.Duration { return time.Since(start) }, ClockConfig{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := c.Now()
			for range 20_000 {
				now := c.Now()
				if now < last {
					t.Errorf("Now went back from %d to %d", last, now)
					return
				}
				last = now
			}
		})
	}
	for ppm := range int64(500) {
		c.SetRate(ppm * 1000 % 700_000)
		c.Jump(time.Second)
		c.Wall()
	}
	wg.Wait()
}

// inBubble runs a test in which time stands still while anything can run.
func inBubble(t *testing.T, test func(t *testing.T, c *Clock)) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		test(t, NewClock(func() time.Duration { return time.Since(start) }, ClockConfig{Now: 1234 * time.Second}))
	})
}
