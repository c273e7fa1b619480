package bench

import (
	"math"
	"testing"
	"time"
)

func TestUnitsAreBegunKilobytes(t *testing.T) {
	for _, c := range []struct {
		row         int
		read, write int64
	}{
		{0, 1, 1}, {1, 1, 1}, {1024, 1, 1}, {1025, 1, 2}, {3500, 1, 4}, {4096, 1, 4}, {4097, 2, 5}, {10240, 3, 10},
	} {
		if r, w := readUnits(c.row), writeUnits(c.row); r != c.read || w != c.write {
			t.Errorf("a row of %d bytes: %d and %d units, want %d and %d", c.row, r, w, c.read, c.write)
		}
	}
}

// TestCostOfAMonth: a lock that is renewed every two seconds takes 1,800 write
// units an hour, 1,314,000 in a month of 730 hours; three who poll every 600 ms
// take 18,000 read units, 13,140,000. At 2 and 0.25 for a million that is
// 2.628 + 3.285.
func TestCostOfAMonth(t *testing.T) {
	p := Prices{WritePerMillion: 2, ReadPerMillion: 0.25, Date: "2026-01-31"}
	if got := p.PerMonth(Units{Write: 1800, Read: 18000}); math.Abs(got-5.913) > 1e-9 {
		t.Errorf("%v a month, want 5.913", got)
	}
	if got := (Units{Write: 3600, Read: 7200}).per(2 * time.Hour); got != (Units{Write: 1800, Read: 3600}) {
		t.Errorf("%+v in an hour", got)
	}
	if got := (Units{Write: 1}).per(0); got != (Units{}) {
		t.Errorf("%+v of no time at all", got)
	}
}

func TestAPriceNeedsItsDate(t *testing.T) {
	for name, c := range map[string]struct {
		p  Prices
		ok bool
	}{
		"nothing":     {Prices{}, true},
		"both":        {Prices{WritePerMillion: 1, ReadPerMillion: 1, Date: "2026-01-31"}, true},
		"one":         {Prices{WritePerMillion: 1, Date: "2026-01-31"}, true},
		"no date":     {Prices{WritePerMillion: 1}, false},
		"a wrong one": {Prices{WritePerMillion: 1, Date: "31.1.2026"}, false},
		"no price":    {Prices{Date: "2026-01-31"}, false},
		"negative":    {Prices{WritePerMillion: -1, Date: "2026-01-31"}, false},
		"infinite":    {Prices{ReadPerMillion: math.Inf(1), Date: "2026-01-31"}, false},
		"not a price": {Prices{ReadPerMillion: math.NaN(), Date: "2026-01-31"}, false},
	} {
		if err := c.p.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
