package linearizability

import (
	"strings"
	"testing"
	"time"
)

func TestParamsAreSetByTheirNames(t *testing.T) {
	p := Params{Promises: LeasePromises(0, 0)}
	p.Promises.Tokens = true
	for _, s := range []string{
		"ttl=10s", "max_clock_drift_ppm=10000", "notice_slack=500ms", "clients=5",
		"promises.shortest_belief=9s", "promises.release=gone", "promises.no_retake=false", "promises.requests.acquire=3",
	} {
		name, value, _ := strings.Cut(s, "=")
		if err := p.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	want := Params{TTL: 10 * time.Second, MaxClockDriftPPM: 10_000, NoticeSlack: 500 * time.Millisecond, Clients: 5,
		Promises: LeasePromises(10*time.Second, 10_000)}
	want.Promises.ShortestBelief, want.Promises.Release, want.Promises.NoRetake = 9*time.Second, ReleaseProvesGone, false
	want.Promises.Tokens, want.Promises.Requests.Acquire = true, 3
	if p.Promises != want.Promises || p.TTL != want.TTL || p.MaxClockDriftPPM != want.MaxClockDriftPPM || p.NoticeSlack != want.NoticeSlack || p.Clients != want.Clients {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
}

func TestParamsThatCannotBeAreRefusedByName(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"tt", "10s", `unknown field "tt"`},
		{"ttl", "10", "ttl=10"},
		{"ttl", "-1s", "out of range"},
		{"promises.magic", "true", `unknown field "magic"`},
		{"promises", "all", "promises=all"},
		{"promises.tokens", "perhaps", "promises.tokens=perhaps"},
		{"promises.release", "sure", "must be nothing, gone or held"},
		{"clients", "-1", "out of range"},
		{"", "x", "unknown field"},
	} {
		p := Params{TTL: time.Second}
		if err := p.Set(c.name, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: error %v, want one with %q", c.name, c.value, err, c.want)
		}
		if p.TTL != time.Second || p.Promises != (Promises{}) {
			t.Errorf("%s=%s: refused, and left %+v", c.name, c.value, p)
		}
	}
}
