package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lockproof/lockproof/fault"
)

// roundedDuration writes a length with about three digits, as people read it:
// "1.24ms", "10s", "3m20s". It is for eyes; machines get nanoseconds.
func roundedDuration(d time.Duration) string {
	if d < 0 {
		return "-" + roundedDuration(-max(d, -math.MaxInt64))
	}
	switch {
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + "ns"
	case d < time.Millisecond:
		return threeDigits(int64(d), 1_000) + "µs"
	case d < time.Second:
		return threeDigits(int64(d), 1_000_000) + "ms"
	case d < 100*time.Second:
		return threeDigits(int64(d), 1_000_000_000) + "s"
	case d < 48*time.Hour:
		text := d.Round(time.Second).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	}
	return threeDigits(int64(d/time.Second), 86_400) + "d"
}

// threeDigits writes n/unit with three digits that count, rounded half up.
func threeDigits(n, unit int64) string {
	decimals := 0
	scale := int64(1)
	for _, d := range []int64{100, 10} {
		if n < d*unit {
			decimals++
			scale *= 10
		}
	}
	scaled := n/unit*scale + (n%unit*scale+unit/2)/unit
	return trimDecimals(scaled, scale, decimals)
}

// trimDecimals writes scaled/scale and leaves out zeros at the end.
func trimDecimals(scaled, scale int64, decimals int) string {
	text := strconv.FormatInt(scaled/scale, 10)
	if decimals == 0 {
		return text
	}
	fraction := strconv.FormatInt(scaled%scale+scale, 10)[1:]
	fraction = strings.TrimRight(fraction, "0")
	if fraction == "" {
		return text
	}
	return text + "." + fraction
}

// clockTime writes an instant of a run in seconds with milliseconds, and with
// microseconds if micro is set.
func clockTime(ns int64, micro bool) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -max(ns, -math.MaxInt64)
	}
	unit, digits := int64(time.Millisecond), 3
	if micro {
		unit, digits = int64(time.Microsecond), 6
	}
	perSecond := int64(time.Second) / unit
	n := ns / unit
	if ns%unit >= unit/2 {
		n++
	}
	fraction := strconv.FormatInt(n%perSecond+perSecond, 10)[1:]
	return sign + strconv.FormatInt(n/perSecond, 10) + "." + fraction[:digits]
}

// latest is the last time that a picture knows: nine years. Sums and small
// multiples of such times do not overflow, whatever a file claims.
const latest = int64(1) << 58

func sane(t int64) int64 { return min(max(t, 0), latest) }

// grouped writes a count with a comma between thousands.
func grouped(n int64) string {
	if n < 0 {
		return "-" + grouped(-max(n, -math.MaxInt64))
	}
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// counted writes "1 seed" or "3 seeds".
func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

func clientName(client int) string { return "c" + strconv.Itoa(client) }

func targetName(target int) string {
	if target == fault.Store {
		return "store"
	}
	return clientName(target)
}

// hexHash writes a trace hash the way it is compared: sixteen hex digits.
func hexHash(h uint64) string {
	digits := strconv.FormatUint(h, 16)
	return strings.Repeat("0", 16-len(digits)) + digits
}

// cleanLine makes text that came from a history or a server safe for a terminal
// and keeps it on one line: control characters, escape sequences among them, are
// replaced.
func cleanLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || bidi(r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// bidi tells whether r would reorder the text around it.
func bidi(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f
}
