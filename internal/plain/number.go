// Package plain writes lengths of time, counts and foreign text for people. What
// it writes is for eyes: machines get the numbers themselves.
package plain

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration writes a length of time with about three digits, as people read it:
// "1.24ms", "10s", "3m20s".
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-max(d, -math.MaxInt64))
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
	return Decimals(scaled, scale, decimals)
}

// Decimals writes scaled/scale and leaves out zeros at the end.
func Decimals(scaled, scale int64, decimals int) string {
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

// Count writes a number of things with a comma between thousands.
func Count(n int64) string {
	if n < 0 {
		return "-" + Count(-max(n, -math.MaxInt64))
	}
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Counted writes "1 seed" or "3 seeds".
func Counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Number writes a figure with three digits that count: "1.05", "12,346",
// "0.00042". What is no number at all is "-".
func Number(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "-"
	case math.Abs(v) >= 1e15 || v != 0 && math.Abs(v) < 1e-4:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case math.Abs(v) >= 99.95:
		return Count(int64(math.Round(v)))
	}
	decimals := 2
	switch a := math.Abs(v); {
	case a >= 9.995:
		decimals = 1
	case a > 0 && a < 0.9995:
		decimals = 2 - int(math.Floor(math.Log10(a*1.0005)))
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
