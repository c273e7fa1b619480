package linearizability

import (
	"testing"
	"time"
)

// TestLivenessBoundIsTheOneThatIsPromised pins the numbers: a bound ten times too
// large would make every stall pass.
func TestLivenessBoundIsTheOneThatIsPromised(t *testing.T) {
	for _, test := range []struct {
		name string
		p    Params
		want time.Duration
	}{
		{"no ttl", Params{LivenessTTLs: 5, RoundTrip: time.Second}, 0},
		{"nothing to measure by", Params{TTL: 10 * time.Second}, 0},
		{"leases", Params{TTL: 10 * time.Second, LivenessTTLs: 4, RoundTrip: time.Second}, 40 * time.Second},
		{"failover: ttl x (1 + 2 drift) + two round trips + one poll",
			Params{TTL: 10 * time.Second, MaxClockDriftPPM: 10_000, RoundTrip: 30 * time.Millisecond, PollEvery: time.Second},
			10*time.Second + 200*time.Millisecond + 60*time.Millisecond + time.Second},
	} {
		if got := time.Duration(test.p.livenessBound()); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
