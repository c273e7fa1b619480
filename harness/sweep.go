package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
)

// keptFailures is how many failing runs a sweep keeps whole.
const keptFailures = 5

// Run performs one scenario in the world that its backend names. The error says
// why there is no result; a result that was interrupted says so itself.
func Run(ctx context.Context, s Scenario) (*Result, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Backend == BackendSim {
		return simulate(ctx, s, nil)
	}
	return runLive(ctx, s)
}

// Simulate is Run in the simulator with every choice made by chooser.
func Simulate(ctx context.Context, s Scenario, chooser sim.Chooser) (*Result, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return simulate(ctx, s, chooser)
}

// Sweep describes many runs of one scenario in the simulator, with seeds First,
// First+1 and so on, each with a plan of its own.
type Sweep struct {
	Base  Scenario
	First uint64
	Seeds int
	// ClockRatePPM, if not 0, is the rate of every clock-rate fault.
	ClockRatePPM int64
	// FixedPlan: every seed runs with Base.Plan.
	FixedPlan bool
	// Workers is how many run at a time. Default 1.
	Workers int
	// StopAfter ends the sweep after so many failing runs. 0: never.
	StopAfter int
	// Progress, if set, is told how many seeds are done.
	Progress func(done, failed int)
}

// Run runs the sweep until it is done or ctx ends; then the summary is of what
// was done. A run that contradicts itself on repetition is an error, for that is
// a bug of the simulator.
func (sw Sweep) Run(ctx context.Context) (*Summary, error) {
	first, err := sw.draw(0)
	if err != nil {
		return nil, err
	}
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	var next, done, failed atomic.Int64
	parts := make([]*partial, max(1, sw.Workers))
	var workers sync.WaitGroup
	for i := range parts {
		parts[i] = &partial{hashes: map[int]uint64{}}
		workers.Go(func() { // ends when the seeds do, or ctx; awaited below
			var b scratch
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= sw.Seeds {
					return
				}
				r, err := sw.one(ctx, n, &b)
				if err != nil {
					cancel(err)
					return
				}
				if ctx.Err() != nil {
					return // perhaps judged in part only: not counted
				}
				parts[i].add(n, r)
				if r.Verdict.Verdict == linearizability.Violation {
					if f := failed.Add(1); sw.StopAfter > 0 && f >= int64(sw.StopAfter) {
						cancel(errEnough)
					}
				}
				if d := done.Add(1); sw.Progress != nil {
					sw.Progress(int(d), int(failed.Load()))
				}
			}
		})
	}
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errEnough) && !errors.Is(cause, context.Cause(outer)) {
		return nil, cause
	}
	s := merge(first, parts)
	s.Interrupted = outer.Err() != nil && s.Seeds < sw.Seeds
	return s, nil
}

func (sw Sweep) draw(n int) (Scenario, error) {
	seed := sw.First + uint64(n)
	if sw.FixedPlan {
		s := sw.Base
		s.Seed = seed
		return s, s.Validate()
	}
	s, err := sw.Base.Draw(seed, sw.ClockRatePPM)
	if err != nil {
		return s, err
	}
	return s, s.Validate()
}

// one runs the n-th seed, and runs it again if it failed: a failure is only
// reported if it can be replayed.
func (sw Sweep) one(ctx context.Context, n int, b *scratch) (*Result, error) {
	s, err := sw.draw(n)
	if err != nil {
		return nil, err
	}
	r, _, err := b.simulate(ctx, s, nil, false)
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", s.Seed, err)
	}
	if r.Interrupted || r.Verdict.Verdict != linearizability.Violation {
		return r, nil
	}
	again, err := simulate(ctx, s, nil)
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", s.Seed, err)
	}
	if !again.Interrupted && again.TraceHash != r.TraceHash {
		return nil, fmt.Errorf("seed %d: two runs of one scenario have trace hashes %016x and %016x: "+
			"this is a bug of the simulator, please report it", s.Seed, r.TraceHash, again.TraceHash)
	}
	return r, nil
}
