package arena

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/subjects"
)

// handOffLimit bounds the wait for a first hand-off, beyond the lease.
const handOffLimit = time.Minute

// leastHold is how long a lock is held at least, so that whoever released it
// last waits again when it is released next. holdRange is how much longer it is
// held at most, or a poll of the contender if that takes longer.
const (
	leastHold = 10 * time.Millisecond
	holdRange = 200 * time.Millisecond
)

// overlapPatience is how many times the limit is waited for a first hand-off
// where two held the lock at once: there may never be one.
const overlapPatience = 10

// contended has n clients of each contender pass one lock around. A hand-off
// takes from when a release is invoked until an Acquire of another client, which
// waits, has returned: a client that released waits until somebody else was
// granted the lock before it asks again. How long the lock is held is random,
// over as long as the contender's clients sleep between two looks: a release
// must not come at a fixed moment of their sleep.
func contended(ctx context.Context, s *Server, o Options, n int) []outcome {
	outcomes := make([]outcome, len(s.Contenders))
	clients, closeAll := openAll(ctx, s, outcomes, n)
	defer closeAll()
	rounds, overlaps := make([][]float64, len(outcomes)), make([][]float64, len(outcomes))
	for round := range o.Rounds {
		times, twice := make([][]time.Duration, len(outcomes)), make([]int, len(outcomes))
		turns(outcomes, func(i int) error {
			c := s.Contenders[i]
			o.Progress(fmt.Sprintf("%s hand-off, %d clients: round %d of %d, %s", s.Name, n, round+1, o.Rounds, c.Lock))
			r := &relay{clients: clients[i], name: lockName(c, fmt.Sprintf("handoff-%d", n)), wanted: max(1, o.HandOffs/2),
				limit: o.HandOffTime / 2, patience: handOffLimit + 2*c.Lease.TTL, mostHold: leastHold + max(holdRange, c.Lease.PollEvery)}
			err := r.run(ctx)
			times[i] = append(times[i], r.handOffs...)
			twice[i] += r.overlaps
			return err
		})
		for i := range outcomes {
			if outcomes[i].err == nil || twice[i] > 0 {
				overlaps[i] = append(overlaps[i], float64(twice[i]))
			}
			if outcomes[i].err == nil {
				rounds[i] = append(rounds[i], medianTime(times[i]))
				outcomes[i].times = append(outcomes[i].times, times[i]...)
			}
		}
	}
	for i := range outcomes {
		outcomes[i].series = []series{{name: "handoff", unit: "ns", samples: rounds[i], compared: true, waits: true}}
		if len(overlaps[i]) == 0 {
			continue
		}
		two := bench.Metric{Name: "held by two", Unit: "times", Samples: overlaps[i], Better: bench.LowerIsBetter}
		for _, n := range overlaps[i] {
			two.Value += n
		}
		outcomes[i].extra = []bench.Metric{two}
		if two.Value > 0 {
			outcomes[i].notes = append(outcomes[i].notes, fmt.Sprintf("two held the lock at once %v times; its hand-off is that of the other times", two.Value))
		}
	}
	return outcomes
}

// relay is one contender's turn.
type relay struct {
	clients         []Client
	name            string
	wanted          int
	limit, patience time.Duration
	mostHold        time.Duration

	mu       sync.Mutex
	granted  chan struct{} // closed and replaced at each grant
	released time.Time     // when the last release was invoked; zero while it is held
	held     int           // clients that hold it
	handOffs []time.Duration
	overlaps int
	over     bool
}

// run returns when enough hand-offs were made or the time is over. All clients
// have given back the lock then, as far as they could.
func (r *relay) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.granted = make(chan struct{})
	var all sync.WaitGroup
	errs := make([]error, len(r.clients))
	begun := time.Now()
	for i, client := range r.clients {
		all.Go(func() {
			for errs[i] == nil && ctx.Err() == nil && !r.done(begun) {
				errs[i] = r.turn(ctx, client)
			}
			stop() // those that wait need wait no longer
		})
	}
	all.Wait()
	err := errors.Join(errs...)
	switch {
	case err != nil || len(r.handOffs) > 0:
		return err
	case r.overlaps > 0:
		return errors.New("two held the lock at once, and nobody waited for a release")
	}
	return fmt.Errorf("no hand-off within %s", r.patience)
}

// turn is one grant to one client. Being stopped while it waits is no error.
func (r *relay) turn(ctx context.Context, client Client) error {
	l, err := client.Acquire(ctx, r.name, subjects.Options{})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("acquire: %w", err)
	}
	next := r.grant(time.Now())
	_ = sleep(ctx, between(leastHold, r.mostHold))
	r.release(time.Now())
	// Even when all is over, the lock is given back.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), operationLimit)
	defer cancel()
	if err := l.Release(ending); err != nil && !r.overlapped() {
		return fmt.Errorf("release: %w", err)
	}
	select {
	case <-next:
	case <-ctx.Done():
	}
	return nil
}

// grant notes a grant and returns what is closed at the next one.
func (r *relay) grant(at time.Time) (next <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held > 0 {
		r.overlaps++
	} else if !r.released.IsZero() {
		r.handOffs = append(r.handOffs, at.Sub(r.released))
	}
	r.held++
	close(r.granted)
	r.granted = make(chan struct{})
	return r.granted
}

// overlapped: where two held the lock, a release that fails is no news.
func (r *relay) overlapped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.overlaps > 0
}

func (r *relay) release(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held--
	r.released = at
}

func (r *relay) done(begun time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	took := time.Since(begun)
	r.over = r.over || len(r.handOffs) >= r.wanted || took > r.patience ||
		(took > r.limit && len(r.handOffs) > 0) || (took > overlapPatience*r.limit && r.overlaps > 0)
	return r.over
}
