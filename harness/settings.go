package harness

import (
	"fmt"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// LeaseSettings is one client's settings. What the scenario says is the longest of each.
type LeaseSettings struct {
	TTL            Duration `json:"ttl"`
	RenewEvery     Duration `json:"renew_every"`
	PollEvery      Duration `json:"poll_every"`
	RequestTimeout Duration `json:"request_timeout"`
}

// settings are the lease settings of a client.
func (s Scenario) settings(client int) subjects.Settings {
	l := LeaseSettings{s.TTL, s.RenewEvery, s.PollEvery, s.RequestTimeout}
	if client < len(s.Leases) {
		l = s.Leases[client]
	}
	return subjects.Settings{
		TTL: l.TTL.D(), RenewEvery: l.RenewEvery.D(), PollEvery: l.PollEvery.D(),
		RequestTimeout: l.RequestTimeout.D(), MaxClockDriftPPM: s.MaxClockDriftPPM,
	}
}

// drawLeases lets the settings of the clients differ in some seeds: each has a
// lease of a half to the whole of the scenario's, and the rest likewise.
func (s Scenario) drawLeases(seed uint64) []LeaseSettings {
	r := sim.NewRandom(seed)
	if s.Workload.Spread == 0 || r.Choose("spread", 1000) >= s.Workload.Spread {
		return nil
	}
	upTo := func(stream string, most Duration) Duration {
		shortest := max(most/2, Duration(shortest))
		return shortest + Duration(r.Choose("spread/"+stream, uint64(max(0, most-shortest))+1))
	}
	leases := make([]LeaseSettings, s.Clients)
	for i := range leases {
		l := &leases[i]
		l.TTL = max(upTo("ttl", s.TTL)/Duration(time.Millisecond)*Duration(time.Millisecond), min(s.TTL, Duration(shortestTTL)))
		l.RenewEvery = upTo("renew", min(s.RenewEvery, l.TTL/3))
		l.PollEvery = upTo("poll", min(s.PollEvery, l.TTL))
		l.RequestTimeout = upTo("timeout", min(s.RequestTimeout, l.TTL))
	}
	return leases
}

func (s Scenario) validateLeases() error {
	if len(s.Leases) != 0 && len(s.Leases) != s.Clients {
		return fmt.Errorf("leases: %d for %d clients; there must be one for each, or none", len(s.Leases), s.Clients)
	}
	for i, l := range s.Leases {
		one := s
		one.TTL, one.RenewEvery, one.PollEvery, one.RequestTimeout = l.TTL, l.RenewEvery, l.PollEvery, l.RequestTimeout
		if err := one.validateTimes(); err != nil {
			return fmt.Errorf("leases: of c%d: %w", i, err)
		}
		if l.TTL > s.TTL || l.PollEvery > s.PollEvery {
			return fmt.Errorf("leases: of c%d: ttl %s and poll interval %s must not be over the scenario's %s and %s",
				i, l.TTL, l.PollEvery, s.TTL, s.PollEvery)
		}
	}
	return nil
}

// promised is what a lock promises to all of the clients, whatever their settings.
func (s Scenario) promised(subject subjects.Subject) linearizability.Promises {
	p := subject.Promised(s.settings(0))
	for i := 1; i < len(s.Leases); i++ {
		p = common(p, subject.Promised(s.settings(i)))
	}
	return p
}

// common is what a lock promises that makes both promises.
func common(a, b linearizability.Promises) linearizability.Promises {
	// bound is the larger of two bounds, of which 0 is none.
	bound := func(a, b int64) int64 {
		if a == 0 || b == 0 {
			return 0
		}
		return max(a, b)
	}
	count := func(a, b int) int { return int(bound(int64(a), int64(b))) }
	a.ShortestLease, a.ShortestBelief = min(a.ShortestLease, b.ShortestLease), min(a.ShortestBelief, b.ShortestBelief)
	a.Release = min(a.Release, b.Release)
	for _, both := range []struct {
		a *bool
		b bool
	}{
		{&a.NoRetake, b.NoRetake}, {&a.EndIsFinal, b.EndIsFinal}, {&a.LossNotice, b.LossNotice}, {&a.Tokens, b.Tokens},
		{&a.KeepsTrying, b.KeepsTrying}, {&a.GrantsFree, b.GrantsFree}, {&a.RenewalOff, b.RenewalOff},
	} {
		*both.a = *both.a && both.b
	}
	a.CallLimit = time.Duration(bound(int64(a.CallLimit), int64(b.CallLimit)))
	a.RenewEvery = time.Duration(bound(int64(a.RenewEvery), int64(b.RenewEvery)))
	a.WaitGrants = count(a.WaitGrants, b.WaitGrants)
	a.Requests.Acquire = count(a.Requests.Acquire, b.Requests.Acquire)
	a.Requests.Renew = count(a.Requests.Renew, b.Requests.Renew)
	a.Requests.Release = count(a.Requests.Release, b.Requests.Release)
	a.Requests.Wait = count(a.Requests.Wait, b.Requests.Wait)
	return a
}
