package linearizability

import (
	"strconv"
	"strings"
)

// seconds writes a time or a length in nanoseconds as a person reads it: in s, ms,
// µs or ns, with three decimals at most. The history has every digit.
func seconds(ns int64) string {
	if ns < 0 {
		return "-" + seconds(-ns)
	}
	for _, unit := range []int64{1_000_000_000, 1_000_000, 1_000} {
		step := unit / 1000
		if rounded := (ns + step/2) / step * step; rounded >= unit {
			return exactly(rounded)
		}
	}
	return exactly(ns)
}

// exactly is seconds with as many digits as there are: for errors that compare two
// times.
func exactly(ns int64) string {
	if ns < 0 {
		return "-" + exactly(-ns)
	}
	switch {
	case ns == 0:
		return "0s"
	case ns < 1_000:
		return strconv.FormatInt(ns, 10) + "ns"
	case ns < 1_000_000:
		return decimal(ns, 1_000, 3) + "µs"
	case ns < 1_000_000_000:
		return decimal(ns, 1_000_000, 6) + "ms"
	}
	return decimal(ns, 1_000_000_000, 9) + "s"
}

func decimal(ns, unit int64, digits int) string {
	fraction := strconv.FormatInt(ns%unit+unit, 10)[1:]
	fraction = strings.TrimRight(fraction[:digits], "0")
	whole := strconv.FormatInt(ns/unit, 10)
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// counted writes "1 write" or "3 writes".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
