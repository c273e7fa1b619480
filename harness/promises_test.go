package harness

import (
	"testing"
	"time"

	"github.com/lockproof/lockproof/linearizability"
)

// Locks that promise something else than the reference lock are right where they
// keep their word. Where they promise too much, or are broken, they are caught.
func TestLocksAreHeldToTheirWord(t *testing.T) {
	const ttl = DefaultTTL
	lease := func(ttl time.Duration, change func(*linearizability.Promises)) linearizability.Promises {
		p := linearizability.LeasePromises(ttl, DefaultDriftPPM)
		p.NoRetake, p.RenewalOff = true, true
		change(&p)
		return p
	}
	for _, c := range []struct {
		name     string
		lock     plain
		promises linearizability.Promises
		faults   string
		broken   string // the property that is violated; "" for none
	}{
		{"a lease as ours", plain{}, lease(ttl, func(*linearizability.Promises) {}), "all", ""},

		{"leases of whole seconds", plain{wholeSeconds: true},
			lease(ttl-time.Second, func(*linearizability.Promises) {}), "all", ""},
		{"leases of whole seconds, promised whole", plain{wholeSeconds: true},
			lease(ttl, func(p *linearizability.Promises) {}), "crash", linearizability.LockLinearizability},
		{"leases of whole seconds, believed whole", plain{wholeSeconds: true, deaf: true},
			lease(ttl-time.Second, func(*linearizability.Promises) {}), "all", linearizability.MutualExclusion},

		{"its own lease again", plain{stable: true},
			lease(ttl, func(p *linearizability.Promises) { p.NoRetake, p.Release = false, linearizability.ReleaseProvesGone }), "all", ""},
		{"its own lease again, promised never", plain{stable: true},
			lease(ttl, func(p *linearizability.Promises) {}), "all", linearizability.LockLinearizability},
		{"somebody else's lease again", plain{stable: true, paired: true},
			lease(ttl, func(p *linearizability.Promises) { p.NoRetake, p.Release = false, linearizability.ReleaseProvesGone }), "all", linearizability.MutualExclusion},

		{"a silent release", plain{silent: true},
			lease(ttl, func(p *linearizability.Promises) { p.Release = linearizability.ReleaseProvesNothing }), "all", ""},
		{"a silent release, promised to prove", plain{silent: true},
			lease(ttl, func(p *linearizability.Promises) { p.Release = linearizability.ReleaseProvesHeld }), "all", linearizability.LockLinearizability},
		{"a release of whatever there is", plain{silent: true, blindRelease: true},
			lease(ttl, func(p *linearizability.Promises) { p.Release = linearizability.ReleaseProvesNothing }), "all", linearizability.MutualExclusion},

		{"goes on after a pause", plain{resumes: true},
			lease(ttl, func(p *linearizability.Promises) { p.EndIsFinal = false }), "all", ""},
		{"goes on after a pause, promised never", plain{resumes: true},
			lease(ttl, func(p *linearizability.Promises) { p.EndIsFinal = true }), "all", linearizability.EndIsFinal},
		{"goes on whatever there is", plain{resumes: true, blindRenewal: true},
			lease(ttl, func(p *linearizability.Promises) { p.EndIsFinal = false }), "all", linearizability.MutualExclusion},

		{"cannot stop renewing", plain{endless: true},
			lease(ttl, func(p *linearizability.Promises) { p.RenewalOff = false }), "none", ""},
		{"cannot stop renewing, promised to", plain{endless: true},
			lease(ttl, func(p *linearizability.Promises) { p.RenewalOff = true }), "none", linearizability.MutualExclusion},
		{"cannot stop believing", plain{endless: true},
			lease(ttl, func(p *linearizability.Promises) { p.RenewalOff = false }), "pause", linearizability.MutualExclusion},
	} {
		t.Run(c.name, func(t *testing.T) {
			subject := c.lock.subject(c.promises)
			base := scenario(t, subject.Name, c.faults)
			base.Workload.Spread = 0 // the promises are of these settings
			sw := Sweep{Base: base, First: firstSeed(t), Seeds: many(200, 20), Subject: subject}
			if c.broken != "" {
				sw.StopAfter = 20 // the first may break something else
				sw.Seeds = max(sw.Seeds, 100)
			}
			s := sweep(t, sw)
			if c.broken != "" {
				if p := s.property(t, c.broken); p.Verdict != linearizability.Violation {
					t.Errorf("%s is %s in %d runs: %s", c.broken, p.Verdict, s.Seeds, p.Detail)
				}
				return
			}
			for _, p := range s.Properties {
				if p.Verdict == linearizability.Violation && !p.Informational {
					t.Errorf("%s, in %d of %d runs, first with seed %d: %s", p.Name, s.Failed, s.Seeds, s.Failures[0].Scenario.Seed, p.Detail)
				}
			}
			if s.Coverage.Grants == 0 || s.UndecidedCount > 0 {
				t.Errorf("%d grants, %d runs undecided", s.Coverage.Grants, s.UndecidedCount)
			}
		})
	}
}
