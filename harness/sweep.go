package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// stuckAtMost is how many runs of a sweep may come to a standstill: each leaves a
// goroutine behind that nobody can end, and that may keep a processor busy.
const stuckAtMost = 3

// keptFailures is how many failing runs a sweep keeps whole.
const keptFailures = 5

// Run performs one scenario of a subject in the world that its backend names,
// which for a real one must be among stores. The error says why there is no result;
// a result that was interrupted says so itself.
func Run(ctx context.Context, subject subjects.Subject, s Scenario, stores ...target.Kind) (*Result, error) {
	if err := s.ValidateFor(subject); err != nil {
		return nil, err
	}
	if s.Backend == BackendSim {
		return simulate(ctx, subject, s, nil)
	}
	r, _, err := runLive(ctx, subject, s, stores, false)
	return r, err
}

// Simulate is Run in the simulator with every choice made by chooser.
func Simulate(ctx context.Context, subject subjects.Subject, s Scenario, chooser sim.Chooser) (*Result, error) {
	if err := s.ValidateFor(subject); err != nil {
		return nil, err
	}
	return simulate(ctx, subject, s, chooser)
}

// Sweep describes many runs of one scenario in the simulator, with seeds First,
// First+1 and so on, each with a plan of its own.
type Sweep struct {
	// Subject is the lock under test.
	Subject subjects.Subject
	Base    Scenario
	First   uint64
	// Seeds is how many are run. 0 with a Budget: as many as fit into it.
	Seeds int
	// Budget, if not 0, ends the sweep after so long on the wall: no turn begins
	// later, and what has begun is finished. That decides how many seeds are run
	// and nothing else.
	Budget time.Duration
	// Turns, if set, are scenarios that take turns in the place of Base: the n-th
	// seed runs the n-th of them, and after the last one comes the first. A sweep
	// that ends with its Budget gave each as many seeds as every other.
	Turns []Scenario
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

	over func() bool // in place of Budget, for tests
	// stuckAfter is when the subject is taken for stuck, in tests.
	stuckAfter time.Duration
}

// Run runs the sweep until it is done or ctx ends; then the summary is of what
// was done. A run that contradicts itself on repetition is an error, for that is
// a bug of the simulator.
func (sw Sweep) Run(ctx context.Context) (*Summary, error) {
	if err := sw.check(); err != nil {
		return nil, err
	}
	first, err := sw.draw(0)
	if err != nil {
		return nil, err
	}
	watch := startStopwatch()
	seeds := sw.queue()
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	var done, failed, stuck atomic.Int64
	parts := make([]*partial, max(1, sw.Workers))
	var workers sync.WaitGroup
	for i := range parts {
		parts[i] = &partial{hashes: map[int]uint64{}}
		workers.Go(func() { // ends when the seeds do, or ctx; awaited below
			b := scratch{stuckAfter: sw.stuckAfter}
			for ctx.Err() == nil {
				n, more := seeds.take()
				if !more {
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
				if r.Stuck != "" && stuck.Add(1) >= stuckAtMost {
					cancel(errEnough)
				}
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
	s.Counters.Wall, s.Counters.CoreTime = watch.read(min(len(parts), s.Seeds))
	s.Wanted = sw.Seeds
	for _, turn := range sw.Turns {
		s.Groups = append(s.Groups, turn.Kinds)
	}
	s.Interrupted = outer.Err() != nil && !seeds.finished(s.Seeds)
	if s.Interrupted {
		s.HashOfHashes = 0 // which seeds were done is chance
	}
	s.conclude()
	return s, nil
}

// check refuses what no seed could be run of, before any is looked at.
func (sw *Sweep) check() error {
	if sw.Seeds < 0 || sw.Seeds == 0 && sw.Budget <= 0 && sw.over == nil {
		return fmt.Errorf("seeds %d must be at least 1", sw.Seeds)
	}
	if last := uint64(max(sw.Seeds, 1)) - 1; sw.First > math.MaxUint64-last {
		return fmt.Errorf("%d seeds from %d on go beyond the largest seed, %d", sw.Seeds, sw.First, uint64(math.MaxUint64))
	}
	for n := range max(1, len(sw.Turns)) {
		if err := sw.base(n).ValidateFor(sw.Subject); err != nil {
			return err
		}
	}
	return nil
}

// base is the scenario of the n-th seed, without that seed.
func (sw *Sweep) base(n int) Scenario {
	if len(sw.Turns) == 0 {
		return sw.Base
	}
	return sw.Turns[n%len(sw.Turns)]
}

// queue hands out the seeds' numbers.
type queue struct {
	mu          sync.Mutex
	next, limit int
	round       int
	over        func() bool
	closed      bool
}

func (sw *Sweep) queue() *queue {
	q := &queue{limit: sw.Seeds, round: max(1, len(sw.Turns)), over: sw.over}
	if sw.Budget > 0 {
		end := time.Now().Add(sw.Budget)
		q.over = func() bool { return !time.Now().Before(end) }
	}
	if q.limit == 0 {
		q.limit = math.MaxInt
	}
	return q
}

// take returns the next number. Time may run out between two rounds alone, and
// never before the first one.
func (q *queue) take() (n int, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == q.limit || q.over != nil && q.next > 0 && q.next%q.round == 0 && q.over() {
		q.closed = true
	}
	if q.closed {
		return 0, false
	}
	q.next++
	return q.next - 1, true
}

// finished reports whether all seeds were handed out, and so many is all.
func (q *queue) finished(done int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return done == q.next && (q.closed || q.next == q.limit)
}

func (sw *Sweep) draw(n int) (Scenario, error) {
	seed := sw.First + uint64(n)
	if seed < sw.First {
		return Scenario{}, fmt.Errorf("the seeds from %d on go beyond the largest one", sw.First)
	}
	s := sw.base(n)
	if sw.FixedPlan {
		s.Seed = seed
		return s, s.ValidateFor(sw.Subject)
	}
	s, err := s.Draw(sw.Subject, seed, sw.ClockRatePPM)
	if err != nil {
		return s, err
	}
	return s, s.ValidateFor(sw.Subject)
}

// one runs the n-th seed, and runs it again if it failed: a failure is only
// reported if it can be replayed.
func (sw *Sweep) one(ctx context.Context, n int, b *scratch) (*Result, error) {
	s, err := sw.draw(n)
	if err != nil {
		return nil, err
	}
	r, _, err := b.simulate(ctx, sw.Subject, s, nil, false)
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", s.Seed, err)
	}
	if r.Interrupted || r.Verdict.Verdict != linearizability.Violation || r.Stuck != "" {
		return r, nil
	}
	again, _, err := new(scratch).simulate(ctx, sw.Subject, s, nil, false)
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", s.Seed, err)
	}
	if !again.Interrupted && again.TraceHash != r.TraceHash {
		return nil, fmt.Errorf("seed %d: two runs of one scenario have trace hashes %016x and %016x: "+
			"this is a bug of the simulator, please report it", s.Seed, r.TraceHash, again.TraceHash)
	}
	return r, nil
}
