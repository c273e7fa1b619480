package bench

import (
	"slices"
	"testing"
	"time"
)

// yearly is a rate of so many a year, give or take a tenth.
func yearly(n float64) Estimate {
	const hours = 12 * hoursPerMonth
	return Estimate{Rate(n / hours), Rate(0.9 * n / hours), Rate(1.1 * n / hours)}
}

// choice is an option with so many false failovers a year, twice as many if
// episodes are twice as frequent or as long.
func choice(ttl, renew, failover time.Duration, falses, requests float64) option {
	return option{ttl: ttl, renew: renew, failover: failover, requests: requests,
		falses: yearly(falses), oftener: yearly(2 * falses), longer: yearly(3 * falses)}
}

func TestAdvice(t *testing.T) {
	const s = time.Second
	three := choice(3*s, s, 3030*time.Millisecond, 1500, 3600)
	six := choice(6*s, 2*s, 6050*time.Millisecond, 10, 1800)
	ten := choice(10*s, 10*s/3, 10090*time.Millisecond, 5, 1080)
	worse := choice(6*s, s, 6070*time.Millisecond, 10, 3600)
	long := choice(30*s, 10*s, 30*s, 1, 360)
	near := choice(6*s, 2*s, 6*s, 11.5, 1800)
	const sixIs = "ttl 6 s, renew 2 s: p99 failover 6.05 s, 10 false failovers a year (95 % confidence: 9 to 11), 1,800 requests an hour"
	const threeIs = "; ttl 3 s, renew 1 s would save 3.02 s and cost 4.1 false failovers a day and 1,800 requests an hour"
	const tenIs = "; ttl 10 s, renew 3.33 s would save 5 false failovers a year and 720 requests an hour and cost 4.04 s"
	for _, c := range []struct {
		name    string
		options []option
		want    string
	}{
		{"in the middle", []option{ten, worse, six, three}, sixIs + threeIs + tenIs +
			". If the episodes came twice as often: ttl 10 s, renew 3.33 s; if they lasted twice as long: no setting of these (this one would have 2.5 false failovers a month)"},
		// A renewal more is fewer false failovers for more requests; that is not
		// chosen by the hundredth of a second.
		{"a tie", []option{choice(6*s, s, 6049*time.Millisecond, 9, 3600), six, three, ten}, sixIs + threeIs + tenIs +
			". If the episodes came twice as often: ttl 10 s, renew 3.33 s; if they lasted twice as long: no setting of these (this one would have 2.5 false failovers a month)"},
		{"alone", []option{six}, sixIs +
			". If the episodes came twice as often: no setting of these (this one would have 1.7 false failovers a month); if they lasted twice as long: no setting of these (this one would have 2.5 false failovers a month)"},
		{"safe", []option{long},
			"ttl 30 s, renew 10 s: p99 failover 30 s, 1 false failover a year (95 % confidence: 0.9 to 1.1), 360 requests an hour" +
				". If the episodes came twice as often: the same; if they lasted twice as long: the same"},
		{"calm", []option{{ttl: 6 * s, renew: 2 * s, failover: 6 * s, requests: 1800}},
			"ttl 6 s, renew 2 s: p99 failover 6 s, no false failovers, 1,800 requests an hour"},
		{"perhaps", []option{near},
			"no setting was shown to stay below 1 false failover a month: the best is ttl 6 s, renew 2 s with 12 false failovers a year (95 % confidence: 10.3 to 12.7) and a p99 failover of 6 s; " +
				"more episodes may show it"},
		{"never", []option{three},
			"no setting was shown to stay below 1 false failover a month: the best is ttl 3 s, renew 1 s with 4.1 false failovers a day (95 % confidence: 3.7 to 4.52) and a p99 failover of 3.03 s; " +
				"longer leases, more renewals in each or a better network are needed"},
		{"nothing", nil, "nothing was measured to choose from"},
	} {
		if got := advise(c.options, DefaultBudget); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestFiguresThatLieTogetherAreTied(t *testing.T) {
	got := tied([]float64{20.2, 10, 20, 20.3, 10.1, 20.5, 0, 0}, 1.02)
	if want := []float64{20, 10, 20, 20, 10, 20.5, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRatesAreWhatPeopleCountIn(t *testing.T) {
	for text, want := range map[string]string{
		"1/month": "1 a month", "12/year": "1 a month", "0.5/month": "6 a year", "0.01/year": "0.01 a year",
		"24/day": "1 an hour", "7200/hour": "7,200 an hour", "0.001/year": "under 0.01 a year", "14/week": "2 a day", "0.5/hour": "12 a day",
	} {
		r, err := ParseRate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.String(); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
	if got := Rate(0).String(); got != "none" {
		t.Errorf("0 is %q", got)
	}
	for _, text := range []string{"", "1", "1/", "/month", "0/month", "-1/month", "1/fortnight", "NaN/day", "+Inf/day", "a/day"} {
		if r, err := ParseRate(text); err == nil {
			t.Errorf("%q is %v", text, r)
		}
	}
}

func TestTimesAsPeopleSayThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1500 * time.Nanosecond: "1.5 µs", 250 * time.Microsecond: "250 µs", 12345 * time.Microsecond: "12 ms",
		6048 * time.Millisecond: "6.05 s", 30 * time.Second: "30 s", 250 * time.Second: "250 s",
	} {
		if got := seconds(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
