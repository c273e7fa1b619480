package plain

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 999: "999ns", 1240 * time.Microsecond: "1.24ms", 12_345_678: "12.3ms", 10 * time.Second: "10s",
		-1500 * time.Millisecond: "-1.5s", 200 * time.Second: "3m20s", 3 * time.Hour: "3h", 72 * time.Hour: "3d",
		math.MaxInt64: "106752d", math.MinInt64: "-106752d",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%d is written %s, not %s", d, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 1.0449: "1.04", 9.996: "10", 12.34: "12.3", 99.96: "100", 12345.6: "12,346", -2.5: "-2.5",
		0.5: "0.5", 0.999: "0.999", 0.9999: "1", 0.09999: "0.1", 0.000421: "0.000421", 0.0000123: "1.23e-05", 2e20: "2e+20",
		math.Inf(1): "-", math.MaxFloat64: "1.8e+308",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %s, not %s", v, got, want)
		}
	}
	if got := Number(math.NaN()); got != "-" {
		t.Errorf("no number is written %s", got)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := Count(n); got != want {
			t.Errorf("%d is written %s, not %s", n, got, want)
		}
	}
	if Counted(1, "seed") != "1 seed" || Counted(2000, "seed") != "2,000 seeds" {
		t.Error("one or many")
	}
}

func TestForeignTextStaysOnItsLine(t *testing.T) {
	if got := Line("a\n\x1b[31mb\u202ec\td"); got != "a \uFFFD[31mb\uFFFDc d" {
		t.Errorf("%q", got)
	}
}

func TestWrap(t *testing.T) {
	for line := range strings.SplitSeq(Wrap("one two 漢字漢字漢字 "+strings.Repeat("x", 25), 10), "\n") {
		if line == "" || Columns(line) > 10 {
			t.Errorf("a line of %d columns: %q", Columns(line), line)
		}
	}
}
