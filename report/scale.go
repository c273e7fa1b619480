package report

import (
	"math/bits"
	"strconv"
	"time"
)

// scale maps times to places on the page. It counts in tenths of a pixel, in
// integers, so that a report is the same on every machine.
type scale struct {
	from, to int64
	width    int
}

// tenths returns the place of t. What is far outside is brought nearer, where it
// is as invisible.
func (s scale) tenths(t int64) int64 {
	length := s.to - s.from
	t = min(max(t, s.from-length), s.to+length)
	if t < s.from {
		return -s.scaled(s.from-t, length)
	}
	return s.scaled(t-s.from, length)
}

// scaled is d x width / length in tenths, for 0 <= d <= 2 x length.
func (s scale) scaled(d, length int64) int64 {
	hi, lo := bits.Mul64(uint64(d), uint64(s.width)*10)
	quotient, _ := bits.Div64(hi, lo, uint64(max(length, 1)))
	return int64(quotient)
}

func (s scale) x(t int64) string { return tenthsText(s.tenths(t)) }

// w is the width of what lasts from a to b, which is always wide enough to see.
func (s scale) w(a, b, least int64) string {
	return tenthsText(max(s.tenths(b)-s.tenths(a), least))
}

func tenthsText(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	text := sign + strconv.FormatInt(n/10, 10)
	if n%10 != 0 {
		text += "." + strconv.FormatInt(n%10, 10)
	}
	return text
}

// tick is one label of a time axis.
type tick struct {
	X    string
	Text string
	// Edge is the side at which the label would be cut off, if it would.
	Edge string
}

// ticks divides the scale at round times, about eight of them.
func (s scale) ticks() []tick {
	step, decimals := tickStep(s.to - s.from)
	var all []tick
	for t := (s.from + step - 1) / step * step; t <= s.to && len(all) < 40; t += step {
		one := tick{X: s.x(t), Text: tickText(t, decimals)}
		switch half, at := int64(len(one.Text))*32, s.tenths(t); {
		case at < half:
			one.Edge = "first"
		case at > int64(s.width)*10-half:
			one.Edge = "last"
		}
		all = append(all, one)
	}
	return all
}

// tickStep is the smallest round step of which at most ten fit into length, and
// how many decimals of a second tell its multiples apart.
func tickStep(length int64) (step int64, decimals int) {
	decimals = 9
	for step = 1; ; step *= 10 {
		for _, m := range []int64{1, 2, 5} {
			if length/(step*m) <= 10 {
				return step * m, decimals
			}
		}
		decimals = max(0, decimals-1)
	}
}

func tickText(t int64, decimals int) string {
	unit := int64(time.Second)
	for range decimals {
		unit /= 10
	}
	perSecond := int64(time.Second) / unit
	n := t / unit
	text := strconv.FormatInt(n/perSecond, 10)
	if decimals > 0 {
		text += "." + strconv.FormatInt(n%perSecond+perSecond, 10)[1:]
	}
	return text + " s"
}
