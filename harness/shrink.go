package harness

import (
	"context"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// shrinkBudget is how many runs a shrink may take. Each takes some milliseconds.
const shrinkBudget = 600

// Shrink looks for the smallest scenario that breaks what r broke: fewer and
// shorter faults, a shorter run, fewer clients, a plainer world. What it returns was
// run and failed. The subject is the one that r is of.
func Shrink(ctx context.Context, subject subjects.Subject, r *Result) (*Result, error) {
	if r.Stuck != "" {
		return r, nil // every try that fails would leave a goroutine that never ends
	}
	broken := ""
	for _, p := range r.Verdict.Properties {
		if p.Verdict == linearizability.Violation && !p.Informational {
			broken = p.Name
			break
		}
	}
	best := r
	try := func(s Scenario) bool {
		if ctx.Err() != nil || s.ValidateFor(subject) != nil {
			return false
		}
		again, err := simulate(ctx, subject, s, nil)
		if err != nil || again.Interrupted || again.Stuck != "" {
			return false
		}
		if p, ok := again.Verdict.Property(broken); !ok || p.Verdict != linearizability.Violation {
			return false
		}
		best = again
		return true
	}
	s := r.Scenario
	s.Plan = fault.Shrink(s.Plan, shrinkBudget, func(p fault.Plan) bool {
		smaller := s
		smaller.Plan = p
		return try(smaller)
	})
	// Clients before time: with others the run is another one, and in a long run the
	// failure is likelier to come again.
	s = best.Scenario
	for n := 2; n < s.Clients && n <= fewClients; n++ {
		if try(s.withClients(n)) {
			break
		}
	}
	s = best.Scenario
	for s.Duration > s.TTL && shorter(s, try) {
		s = best.Scenario
	}
	for s.Clients > 2 && try(s.withClients(s.Clients-1)) {
		s = best.Scenario
	}
	simplerWorld(best.Scenario, try)
	return best, ctx.Err()
}

// fewClients is up to how many are tried from two upwards.
const fewClients = 8

// withClients is s with its first n clients.
func (s Scenario) withClients(n int) Scenario {
	s.Clients = n
	if len(s.Leases) > 0 {
		s.Leases = s.Leases[:n]
	}
	return s
}

// shorter tries a run of three quarters of the length.
func shorter(s Scenario, try func(Scenario) bool) bool {
	s.Duration = s.Duration / 4 * 3
	return try(s)
}
