package fault

import "time"

// often is the highest probability, per mille, that may last for a whole run.
const often = 300

// million is the number of parts in a clock rate of 1.
const million = 1_000_000

// source is one stream of choices.
type source struct {
	chooser Chooser
	stream  string
}

// below returns a number in [0, n), and 0 without asking if there is no choice.
func (s source) below(n int64) int64 {
	if n <= 1 {
		return 0
	}
	return int64(s.chooser.Choose(s.stream, uint64(n)))
}

// oneIn is true one time in n.
func (s source) oneIn(n int64) bool { return s.below(n) == 0 }

// sizes draws numbers that matter to a lock of some TTL.
type sizes struct {
	config GenerateConfig
	// grain is what times are multiples of, for the sake of who reads them: a
	// power of ten, and at most a ten-thousandth of the TTL.
	grain time.Duration
	// timeout is how long a client waits for an answer.
	timeout time.Duration
}

func newSizes(g GenerateConfig) sizes {
	grain := time.Duration(1)
	for grain*10 <= g.TTL/10_000 {
		grain *= 10
	}
	timeout := g.RequestTimeout
	if timeout == 0 {
		timeout = max(grain, g.TTL/6)
	}
	return sizes{g, grain, timeout}
}

// between draws a time from lo to hi, both inclusive, in steps of a grain.
func (z sizes) between(draw source, lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + z.grain*time.Duration(draw.below(int64((hi-lo)/z.grain)+1))
}

// upTo draws a time from 0 to hi, both inclusive, in steps of a grain.
func (z sizes) upTo(draw source, hi time.Duration) time.Duration {
	return z.between(draw, 0, hi)
}

// beside draws a time that is just under, just over or exactly the one given,
// which is made a multiple of a grain.
func (z sizes) beside(draw source, d time.Duration) time.Duration {
	d = max(z.grain, d-d%z.grain)
	off := z.between(draw, z.grain, max(z.grain, d/50))
	switch draw.below(3) {
	case 0:
		return max(z.grain, d-off)
	case 1:
		return d + off
	}
	return d
}

// span draws a time in which something happens to a lease, or just does not: it
// misses a heartbeat (TTL/3), outlives what its holder believes (TTL less the
// drift), is taken over (TTL, TTL plus the drift), and is lost for long.
func (z sizes) span(draw source) time.Duration {
	ttl := z.config.TTL
	drift := parts(ttl, z.config.MaxClockDriftPPM)
	switch draw.below(9) {
	case 0:
		return z.beside(draw, ttl/3)
	case 1:
		return z.beside(draw, ttl/3*2)
	case 2:
		return z.beside(draw, ttl-drift)
	case 3:
		return z.beside(draw, ttl)
	case 4:
		return z.beside(draw, ttl+drift)
	case 5:
		return z.beside(draw, 2*ttl)
	case 6:
		return z.between(draw, max(z.grain, ttl/100), max(z.grain, ttl/3))
	}
	return z.between(draw, max(z.grain, ttl/20), 3*ttl)
}

// parts returns so many parts per million of a time, without overflow.
func parts(d time.Duration, ppm int64) time.Duration {
	return d/million*time.Duration(ppm) + d%million*time.Duration(ppm)/million
}

// duration draws a Duration that the kind takes and that the run has room for.
func (z sizes) duration(draw source, info *Info) time.Duration {
	until := z.config.Until
	switch info.Duration {
	case Instant:
		return 0
	case Outage:
		if draw.oneIn(5) {
			return 0
		}
		return min(until, z.between(draw, z.grain, 2*z.config.TTL))
	}
	// What leaves the lock working may last as long as the run.
	lives := info.Unit != NoUnit
	if lives && draw.oneIn(5) {
		return until
	}
	return min(until, z.span(draw))
}

// amount draws an Amount that the kind takes, for a fault of some duration.
func (z sizes) amount(draw source, info *Info, d time.Duration) int64 {
	switch info.Unit {
	case PartsPerMillion:
		return z.rate(draw)
	case PerMille:
		n := permille(draw)
		if d == z.config.Until {
			return min(n, often) // A run in which nothing arrives shows nothing.
		}
		return n
	case Nanoseconds:
	default:
		return 0
	}
	switch {
	case info.MinAmount < 0:
		return z.shift(draw)
	case len(info.Moments) > 0:
		return min(info.MaxAmount, int64(z.quiet(draw)))
	case info.Kind == Latency || info.Kind == Jitter:
		return min(info.MaxAmount, int64(z.latency(draw, d)))
	}
	return min(info.MaxAmount, int64(z.delay(draw)))
}

// latency draws a delay one way, for a fault of some duration. A request needs
// two of them and the timeout does not wait for more: below half of it requests
// are slow; about half of it they are given up just before or after they are
// answered; about all of it, just before or after they are carried out; and above
// they come later than any lease, perhaps.
func (z sizes) latency(draw source, d time.Duration) time.Duration {
	ttl, half := z.config.TTL, z.timeout/2
	least := min(time.Millisecond, max(1, half))
	var n time.Duration
	switch draw.below(9) {
	case 0:
		n = z.between(draw, least, half/10)
	case 1, 2:
		n = z.between(draw, least, half/2)
	case 3:
		n = z.between(draw, half/2, half)
	case 4:
		n = z.beside(draw, half)
	case 5:
		n = z.beside(draw, z.timeout)
	case 6:
		n = z.between(draw, half, 2*z.timeout)
	case 7:
		n = z.between(draw, least, ttl)
	default:
		n = ttl
	}
	if d == z.config.Until {
		return max(1, min(n, half-half/10)) // A run in which nothing is answered shows nothing.
	}
	return max(1, n)
}

// quiet draws how long after a request an aimed fault strikes: mostly at once;
// else around the next renewal, or just before or after the lease that the
// request earned ends.
func (z sizes) quiet(draw source) time.Duration {
	ttl := z.config.TTL
	switch draw.below(8) {
	case 0:
		return z.beside(draw, ttl/3)
	case 1:
		return z.beside(draw, ttl-parts(ttl, z.config.MaxClockDriftPPM))
	case 2:
		return z.upTo(draw, ttl)
	}
	return 0
}

// permille draws a probability: often certainty, else anything from the rare to
// the likely.
func permille(draw source) int64 {
	switch draw.below(4) {
	case 0:
		return certain
	case 1:
		return 1 + draw.below(20)
	case 2:
		return 10 * (1 + draw.below(30))
	}
	return 50 * (1 + draw.below(20))
}

// delay draws a delay or an age from 1 ms to the TTL, as likely a short one as a
// long one.
func (z sizes) delay(draw source) time.Duration {
	ttl := z.config.TTL
	least := min(time.Millisecond, ttl)
	switch draw.below(6) {
	case 0:
		return z.between(draw, least, ttl/100)
	case 1:
		return z.between(draw, least, ttl/10)
	case 2:
		return min(ttl, z.beside(draw, ttl/3))
	case 3:
		return min(ttl, z.beside(draw, ttl/2))
	case 4:
		return ttl
	}
	return z.between(draw, least, ttl)
}

// shift draws by how much a wall clock is wrong, either way: by milliseconds, as
// after a correction; by whole hours or days, as after a wrong time zone or a
// dead battery; and by what moves an absolute expiry time across the present.
func (z sizes) shift(draw source) int64 {
	const day = 24 * time.Hour
	var d time.Duration
	switch draw.below(8) {
	case 0:
		d = time.Millisecond * time.Duration(1+draw.below(1000))
	case 1:
		d = time.Second * time.Duration(1+draw.below(60))
	case 2:
		d = time.Minute * time.Duration(1+draw.below(60))
	case 3:
		d = time.Hour * time.Duration(1+draw.below(24))
	case 4:
		d = day * time.Duration(1+draw.below(30))
	case 5:
		d = z.beside(draw, z.config.TTL/time.Duration(2+draw.below(2)))
	default:
		d = z.beside(draw, z.config.TTL*time.Duration(1+draw.below(4)))
	}
	n := min(int64(d), maxShift)
	if draw.oneIn(2) {
		return -n
	}
	return n
}

// maxRate returns the fastest clock that the lock allows for.
func (z sizes) maxRate() int64 { return min(z.config.MaxClockDriftPPM, -minRate) }

// rate draws a clock rate: the one that was asked for, or one that the lock
// allows for, the extremes being the likeliest.
func (z sizes) rate(draw source) int64 {
	if z.config.ClockRatePPM != 0 {
		return z.config.ClockRatePPM
	}
	n := z.maxRate()
	if draw.oneIn(3) {
		n = 1 + draw.below(n)
	}
	if draw.oneIn(2) {
		return -n
	}
	return n
}
