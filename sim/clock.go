package sim

import (
	"math"
	"math/bits"
	"time"
)

// million is a rate of exactly 1, in parts per million.
const million = 1_000_000

// never is a time that no run reaches.
const never = time.Duration(math.MaxInt64)

// clock is one machine's oscillator and the three readings made from it. Since
// the last change of rate it is the line
//
//	elapsed(t) = base + floor((t - since) x rate / 1,000,000)
//
// in integers, which makes it monotone (rate > 0), and invertible: the first t
// with elapsed(t) >= x is since + ceil((x - base) x 1,000,000 / rate). A change
// of rate begins a new line where the old one ends, so the reading never steps;
// what the old line had not yet rounded up, under a nanosecond, is dropped.
type clock struct {
	since time.Duration // true time
	base  time.Duration // elapsed at since
	rate  uint64        // ppm of true speed, 1,000,000 is right; 0: it stands
	ppm   int64         // sum of the active rate faults, ppm
	stops int           // active stops

	boot        time.Duration // Now at the start of the run
	wall        time.Duration // Wall at the start, plus offsets and jumps
	asleep      time.Duration // elapsed time spent in finished suspends
	suspended   bool
	suspendedAt time.Duration // elapsed when the current suspend began
}

func newClock(boot time.Duration) clock {
	return clock{rate: million, boot: boot, wall: Epoch}
}

// elapsed returns how far the oscillator has come at true time t >= since.
func (c *clock) elapsed(t time.Duration) time.Duration {
	d := uint64(t - c.since)
	if c.rate == million {
		return c.base + time.Duration(d)
	}
	hi, lo := bits.Mul64(d, c.rate)
	if hi >= million {
		return never
	}
	q, _ := bits.Div64(hi, lo, million)
	if q > uint64(never-c.base) {
		return never
	}
	return c.base + time.Duration(q)
}

// first returns the first true time, since or later, at which elapsed is x or more.
func (c *clock) first(x time.Duration) time.Duration {
	if x <= c.base {
		return c.since
	}
	d := uint64(x - c.base)
	if c.rate == 0 {
		return never
	}
	if c.rate != million {
		hi, lo := bits.Mul64(d, million)
		lo, carry := bits.Add64(lo, c.rate-1, 0)
		hi += carry
		if hi >= c.rate {
			return never
		}
		d, _ = bits.Div64(hi, lo, c.rate)
	}
	if d > uint64(never-c.since) {
		return never
	}
	return c.since + time.Duration(d)
}

// addRate changes the clock's error by ppm from true time t on. Errors add up;
// a sum that would stop the clock leaves it running at a millionth.
func (c *clock) addRate(t time.Duration, ppm int64) {
	c.base, c.since = c.elapsed(t), t
	c.ppm += ppm
	c.rate = uint64(max(1, million+c.ppm))
	if c.stops > 0 {
		c.rate = 0
	}
}

// stand stops the clock at true time t (by +1), or lets it go on (by -1).
func (c *clock) stand(t time.Duration, by int) {
	c.stops += by
	c.addRate(t, 0)
}

// back steps the clock back by d, but never to before its zero: no real one
// shows less.
func (c *clock) back(t, d time.Duration) {
	e := c.elapsed(t)
	c.base, c.since = max(e-d, -c.boot), t
	c.suspendedAt += c.base - e
}

func (c *clock) suspend(t time.Duration) {
	c.suspended, c.suspendedAt = true, c.elapsed(t)
}

func (c *clock) resume(t time.Duration) {
	c.asleep += c.elapsed(t) - c.suspendedAt
	c.suspended = false
}

// now is CLOCK_BOOTTIME: it counts through suspend and is set by nobody.
func (c *clock) now(t time.Duration) time.Duration { return c.boot + c.elapsed(t) }

// monotonic is CLOCK_MONOTONIC: now, but it stands still in a suspend.
func (c *clock) monotonic(t time.Duration) time.Duration {
	e := c.suspendedAt
	if !c.suspended {
		e = c.elapsed(t)
	}
	return c.boot + e - c.asleep
}

// wallTime is CLOCK_REALTIME since the epoch that all nodes share.
func (c *clock) wallTime(t time.Duration) time.Duration { return c.wall + c.elapsed(t) }
