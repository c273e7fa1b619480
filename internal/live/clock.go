package live

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// million is a rate of exactly 1, in parts per million.
const million = 1_000_000

// never is a time that no run reaches.
const never = time.Duration(math.MaxInt64)

// segment is a time during which a clock's rate does not change. From true time
// since on, with x the distance from it,
//
//	elapsed(since + x) = base + floor(x × rate / 1,000,000)
//
// in integers. A change of rate begins a segment where the one before it ends,
// so that the reading neither steps nor goes back.
type segment struct {
	since time.Duration // true time
	base  time.Duration // elapsed at since
	rate  uint64        // parts per million of true speed
}

// elapsed returns how far the clock has come at true time t.
func (s segment) elapsed(t time.Duration) time.Duration {
	hi, lo := bits.Mul64(uint64(t-s.since), s.rate)
	if hi >= million {
		return never
	}
	q, _ := bits.Div64(hi, lo, million)
	if q > uint64(never-s.base) {
		return never
	}
	return s.base + time.Duration(q)
}

// at returns the true time at which elapsed comes to x >= base: with roundUp the
// first nanosecond at which it is x or more, with roundDown the one before that,
// unless x is reached without a remainder.
func (s segment) at(x time.Duration, up uint64) time.Duration {
	hi, lo := bits.Mul64(uint64(x-s.base), million)
	lo, carry := bits.Add64(lo, up*(s.rate-1), 0)
	hi += carry
	if hi >= s.rate {
		return never
	}
	q, _ := bits.Div64(hi, lo, s.rate)
	if q > uint64(never-s.since) {
		return never
	}
	return s.since + time.Duration(q)
}

const (
	roundDown = 0
	roundUp   = 1
)

// ClockConfig holds what a clock shows at the start of the run. The zero value
// works.
type ClockConfig struct {
	// Now is the reading of Now, an arbitrary zero that no two clients should
	// share, so that a lock which compares readings of two machines is caught.
	// At least 0.
	Now time.Duration
	// Wall is the reading of Wall, since an epoch that all clients share.
	Wall time.Duration
}

// Clock is one client's faulty view of the host's one monotonic clock. Its
// methods may be called from any goroutine.
//
// True time is what base returns: the time since the start of the run, which
// never goes back. Faults of the rate add up, as do offsets and jumps.
type Clock struct {
	base func() time.Duration
	boot time.Duration

	mu       sync.RWMutex
	segments []segment // in order; never empty; all are kept
	ppm      int64     // sum of the rate faults
	wall     time.Duration
	changed  chan struct{} // closed by the next change of rate
}

// NewClock makes a clock that runs right. Its first reading must not come before
// base counts from 0.
func NewClock(base func() time.Duration, config ClockConfig) *Clock {
	return &Clock{
		base:     base,
		boot:     max(0, config.Now),
		segments: []segment{{rate: million}},
		wall:     config.Wall,
		changed:  make(chan struct{}),
	}
}

// True returns the true time since the start of the run.
func (c *Clock) True() time.Duration { return c.base() }

// Now returns what lock.Runtime calls Now: only a rate can make it wrong. It
// never steps and never goes back.
func (c *Clock) Now() time.Duration { return c.At(c.base()) }

// Monotonic returns the reading of CLOCK_MONOTONIC. It equals Now: nothing can
// suspend one client of a process.
func (c *Clock) Monotonic() time.Duration { return c.Now() }

// Wall returns the wall clock's reading, wrong by rates, offsets and jumps.
func (c *Clock) Wall() time.Duration {
	t := c.base()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.wall + c.elapsed(t)
}

// At returns what Now showed at a true time in the past, or will show at one in
// the future if the rate stays as it is.
func (c *Clock) At(t time.Duration) time.Duration {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return saturatingAdd(c.boot, c.elapsed(t))
}

// elapsed is called with c.mu held for reading at least. The time may lie in the
// past: it was read before a change of rate that came in between.
func (c *Clock) elapsed(t time.Duration) time.Duration {
	t = max(0, t)
	i := len(c.segments) - 1
	for i > 0 && c.segments[i].since > t {
		i--
	}
	return c.segments[i].elapsed(t)
}

// TrueAt returns the true time at which Now reached the reading local, or will
// reach it if the rate stays as it is, rounded down to a nanosecond: what a
// holder believed up to a local reading, it surely believed up to that time. ok
// is false for a reading from before the run and for one that will never come.
func (c *Clock) TrueAt(local time.Duration) (at time.Duration, ok bool) {
	if local < c.boot {
		return 0, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	at = c.trueAt(local-c.boot, roundDown)
	return at, at != never
}

// trueAt is called with c.mu held for reading at least. A reading on the border
// of two segments belongs to the earlier one, because a slow clock may have come
// to it before the border.
func (c *Clock) trueAt(x time.Duration, up uint64) time.Duration {
	i := len(c.segments) - 1
	for i > 0 && c.segments[i].base >= x {
		i--
	}
	at := c.segments[i].at(x, up)
	if i+1 < len(c.segments) {
		at = min(at, c.segments[i+1].since)
	}
	return at
}

// until returns the true time that is left until Now reads local or more, and a
// channel that is closed when a change of rate makes that answer wrong.
func (c *Clock) until(local time.Duration) (left time.Duration, changed <-chan struct{}) {
	t := c.base()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.trueAt(max(0, local-c.boot), roundUp) - t, c.changed
}

// trueLength returns how long a local duration that begins now is in true time,
// at the present rate.
func (c *Clock) trueLength(d time.Duration) time.Duration {
	if d <= 0 {
		return d
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return segment{rate: c.segments[len(c.segments)-1].rate}.at(d, roundUp)
}

// AddRate makes the clock run faster by ppm parts per million from now on, or
// slower if ppm is negative. A sum that would stop the clock leaves it running
// at a millionth of true speed.
func (c *Clock) AddRate(ppm int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setRate(c.ppm + ppm)
}

// RemoveRate takes an AddRate back from now on. What the clock has gone wrong by
// until now, it stays wrong by.
func (c *Clock) RemoveRate(ppm int64) { c.AddRate(-ppm) }

// SetRate sets the sum of all rate faults: with 0 the clock runs right.
func (c *Clock) SetRate(ppm int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setRate(ppm)
}

// setRate reads the true time with c.mu held, so that whoever reads it earlier
// is served from an older segment.
func (c *Clock) setRate(ppm int64) {
	if ppm == c.ppm {
		return
	}
	t := max(0, c.base())
	c.ppm = ppm
	next := segment{since: t, base: c.elapsed(t), rate: uint64(max(1, million+ppm))}
	if last := len(c.segments) - 1; c.segments[last].since == t {
		c.segments[last] = next
	} else {
		c.segments = append(c.segments, next)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// AddOffset sets the wall clock wrong by d until RemoveOffset takes it back.
func (c *Clock) AddOffset(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += d
}

// RemoveOffset takes an AddOffset back.
func (c *Clock) RemoveOffset(d time.Duration) { c.AddOffset(-d) }

// Jump steps the wall clock by d, for good.
func (c *Clock) Jump(d time.Duration) { c.AddOffset(d) }

// saturatingAdd returns a + b for a, b >= 0, or never.
func saturatingAdd(a, b time.Duration) time.Duration {
	if b > never-a {
		return never
	}
	return a + b
}
