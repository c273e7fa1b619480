package bench

import (
	"testing"
	"time"
)

// choice is an option that was watched for 3,000 hours.
func choice(ttl, renew, failover time.Duration, falses int64, requests float64) option {
	return option{ttl: ttl, renew: renew, failover: failover, falses: falses, held: 3000 * time.Hour, requests: requests}
}

func TestAdvice(t *testing.T) {
	const s = time.Second
	three := choice(3*s, s, 3030*time.Millisecond, 500, 3600)
	six := choice(6*s, 2*s, 6050*time.Millisecond, 0, 1800)
	ten := choice(10*s, 10*s/3, 10090*time.Millisecond, 0, 1080)
	worse := choice(6*s, s, 6070*time.Millisecond, 0, 3600)
	hurried := option{ttl: 6 * s, renew: 2 * s, failover: 6 * s, held: 100 * time.Hour, requests: 1800}
	few := choice(6*s, 2*s, 6050*time.Millisecond, 2, 1800)
	for _, c := range []struct {
		name    string
		options []option
		want    string
	}{
		{"in the middle", []option{ten, worse, six, three},
			"ttl 6 s, renew 2 s: p99 failover 6.05 s, 0 false failovers in 3,000 h (with 95 % confidence at most 11 a year), 1,800 requests an hour; " +
				"ttl 3 s, renew 1 s would save 3.02 s and cost 4 false failovers a day and 1,800 requests an hour; " +
				"ttl 10 s, renew 3.33 s would save 720 requests an hour and cost 4.04 s"},
		{"past its own ttl", []option{three, choice(6*s, 3*s/2, 6055*time.Millisecond, 0, 1790), six, ten},
			"ttl 6 s, renew 2 s: p99 failover 6.05 s, 0 false failovers in 3,000 h (with 95 % confidence at most 11 a year), 1,800 requests an hour; " +
				"ttl 3 s, renew 1 s would save 3.02 s and cost 4 false failovers a day and 1,800 requests an hour; " +
				"ttl 10 s, renew 3.33 s would save 720 requests an hour and cost 4.04 s"},
		{"two of a ttl", []option{six, choice(6*s, 3*s/2, 6150*time.Millisecond, 0, 1790)},
			"ttl 6 s, renew 2 s: p99 failover 6.05 s, 0 false failovers in 3,000 h (with 95 % confidence at most 11 a year), 1,800 requests an hour; " +
				"ttl 6 s, renew 1.5 s would save 10 requests an hour and cost 100 ms"},
		{"alone", []option{six},
			"ttl 6 s, renew 2 s: p99 failover 6.05 s, 0 false failovers in 3,000 h (with 95 % confidence at most 11 a year), 1,800 requests an hour"},
		{"too few hours", []option{hurried},
			"no setting was shown to stay below 1 false failover a month: the best is ttl 6 s, renew 2 s with 0 false failovers in 100 h (with 95 % confidence at most 6.2 a week) and a p99 failover of 6 s; " +
				"that is for lack of hours: 2,700 h without any would show it"},
		{"perhaps", []option{few, three},
			"no setting was shown to stay below 1 false failover a month: the best is ttl 6 s, renew 2 s with 2 false failovers in 3,000 h (with 95 % confidence at most 1.8 a month) and a p99 failover of 6.05 s; " +
				"more hours may show it"},
		{"never", []option{three},
			"no setting was shown to stay below 1 false failover a month: the best is ttl 3 s, renew 1 s with 500 false failovers in 3,000 h (with 95 % confidence at most 4.4 a day) and a p99 failover of 3.03 s; " +
				"longer leases, more renewals in each or a better network are needed"},
		{"nothing", nil, "nothing was measured to choose from"},
	} {
		if got := advise(c.options, DefaultBudget); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestRatesAreWhatPeopleCountIn(t *testing.T) {
	for text, want := range map[string]string{
		"1/month": "1 a month", "12/year": "1 a month", "0.5/month": "6 a year", "0.01/year": "0.01 a year",
		"24/day": "1 an hour", "7200/hour": "7,200 an hour", "14/week": "2 a day", "0.5/hour": "12 a day",
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
