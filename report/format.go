package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lockproof/lockproof/fault"
)

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
