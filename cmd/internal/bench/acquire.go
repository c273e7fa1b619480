package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// AcquireConfig says what MeasureAcquire measures. Contender is required; what is
// 0 has the default that is named.
//
// Cells of the result, each beside a raw conditional update (CAS) on the same
// connection, by turns in the same run:
//
//	uncontended  a lock that nobody ever held
//	by-turns     a free lock that another client held last
//	reacquire    a free lock that this client held last
//	hand-off     so many clients pass one lock around: who released it while others
//	             waited asks for it again only when one of them has it
//	contended    so many clients for so many locks; each thinks, acquires, holds
//	             and releases again (closed loop)
//	open         the same, but a schedule says when an acquire is wanted, whatever
//	             became of the ones before (open loop)
//
// # What is timed
//
// "acquire" is from the call to its return. In an open loop it is from the
// instant at which the schedule wanted it: a store that stalls delays all who
// wanted a lock meanwhile, and a loop that waits for its answer before it asks
// again would not see that (coordinated omission). "hand-off" is from the call of
// a release that somebody waits for to the return of the next grant of that lock,
// if that is to another client. A lock that its releaser takes again, past those
// who wait, is no hand-off: it is "taken again". That happens in the cells
// "contended" and "open", and the more often the shorter Think is; where clients
// poll, the hand-offs that are left there are those that came at once. The cell
// to read is "hand-off".
//
// A ratio to the raw compare-and-swap is given where both depend on the
// processor. Where clients poll, or hold the lock while others wait for it to
// be free, a time is one of timers, and such a ratio would hold on no other
// machine.
type AcquireConfig struct {
	Contender Contender
	// Rounds, each of which gives one sample of a ratio. Default 30.
	Rounds int
	// Samples are the most acquires of a round without contention. Default 100.
	Samples int
	// Duration bounds a cell, and is the length of one with contention. Default
	// 5 s.
	Duration time.Duration
	// Clients and Locks: a cell with contention for each pair. No Clients: no
	// such cell.
	Clients []int
	Locks   []int
	// Think and Hold are how long a client waits between release and acquire,
	// and between acquire and release: each time from a half to one and a half of
	// it. In the cell "hand-off" of a store that clients poll, a lock is held for
	// up to a poll longer. 0: not at all.
	Think, Hold time.Duration
	// Rates are acquires wanted per second, by all clients together, at regular
	// intervals: an open cell for each, with the most clients and locks.
	Rates []float64
	// Progress is told how much of the time is over; nil: nobody is.
	Progress func(done, total time.Duration)
}

// Limits of what is measured: more than these is a slip of the keyboard.
const (
	maxClients  = 1024
	maxLocks    = 1_000_000
	maxRounds   = 10_000
	maxSamples  = 1_000_000
	maxRate     = 10_000_000
	maxDuration = 24 * time.Hour
)

func (c AcquireConfig) withDefaults() AcquireConfig {
	if c.Rounds == 0 {
		c.Rounds = 30
	}
	if c.Samples == 0 {
		c.Samples = 100
	}
	if c.Duration == 0 {
		c.Duration = 5 * time.Second
	}
	if len(c.Locks) == 0 {
		c.Locks = []int{1}
	}
	if c.Progress == nil {
		c.Progress = func(time.Duration, time.Duration) {}
	}
	return c
}

// Validate refuses what cannot be measured.
func (c AcquireConfig) Validate() error {
	c = c.withDefaults()
	for _, n := range []struct {
		name        string
		value, most int
	}{{"rounds", c.Rounds, maxRounds}, {"samples", c.Samples, maxSamples}} {
		if err := within(n.name, n.value, n.most); err != nil {
			return err
		}
	}
	for _, n := range c.Clients {
		if err := within("clients", n, maxClients); err != nil {
			return err
		}
	}
	for _, n := range c.Locks {
		if err := within("locks", n, maxLocks); err != nil {
			return err
		}
	}
	for _, r := range c.Rates {
		if !(r >= 0.001 && r <= maxRate) {
			return fmt.Errorf("rate %g is not between 0.001 and %d acquires a second", r, maxRate)
		}
		if r*c.Duration.Seconds() < 1 {
			return fmt.Errorf("rate %g wants no acquire in a duration of %s", r, c.Duration)
		}
	}
	switch {
	case c.Duration <= 0 || c.Duration > maxDuration:
		return fmt.Errorf("duration %s is not between 0 and %s", c.Duration, maxDuration)
	case c.Think < 0 || c.Hold < 0 || c.Think > maxDuration || c.Hold > maxDuration:
		return fmt.Errorf("think %s and hold %s are not between 0 and %s", c.Think, c.Hold, maxDuration)
	case len(c.Rates) > 0 && len(c.Clients) == 0:
		return errors.New("a rate needs clients")
	}
	return c.Contender.validate()
}

func within(name string, value, most int) error {
	if value < 1 || value > most {
		return fmt.Errorf("%s %d is not between 1 and %d", name, value, most)
	}
	return nil
}

// acquireRun is one MeasureAcquire under way.
type acquireRun struct {
	c      AcquireConfig
	result *Result
	seats  []*Seat // made as they are needed; closed at the end
	floors []target.Swap
	keys   int
	begun  time.Time
}

// MeasureAcquire measures what an acquire costs. When ctx ends it returns what
// there is, Incomplete, and no error; any other end before all is measured is an
// error, beside what there is.
func MeasureAcquire(ctx context.Context, c AcquireConfig) (*Result, error) {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &acquireRun{c: c, result: Here(Acquire), begun: time.Now()}
	defer r.close()
	if c.Contender.Server != "" {
		r.result.Notes = append(r.result.Notes, c.Contender.Backend+": "+c.Contender.Server)
	}
	err := r.measure(ctx)
	if ctx.Err() != nil {
		r.result.Incomplete = true
		r.result.Notes = append(r.result.Notes, "interrupted: what had been measured until then")
		return r.result, nil
	}
	return r.result, err
}

// measure makes the cells, the quick ones first.
func (r *acquireRun) measure(ctx context.Context) error {
	done, total := time.Duration(0), r.length()
	step := func(measure func(context.Context) (Cell, error)) error {
		cell, err := measure(ctx)
		if len(cell.Distributions) > 0 {
			r.result.Cells = append(r.result.Cells, cell)
		}
		done += r.c.Duration
		r.c.Progress(done, total)
		return err
	}
	for _, measure := range []func(context.Context) (Cell, error){r.uncontended, r.byTurns, r.reacquire} {
		if err := step(measure); err != nil {
			return err
		}
	}
	// Few clients before many: one that is connected and has nothing to do is
	// still told of every write by some stores.
	for _, clients := range slices.Sorted(slices.Values(r.c.Clients)) {
		if clients > 1 {
			if err := step(func(ctx context.Context) (Cell, error) { return r.contended(ctx, turnsLoop, clients, 1, 0) }); err != nil {
				return err
			}
		}
		for _, locks := range r.c.Locks {
			if err := step(func(ctx context.Context) (Cell, error) { return r.contended(ctx, closedLoop, clients, locks, 0) }); err != nil {
				return err
			}
		}
	}
	for _, rate := range r.c.Rates {
		clients, locks := largest(r.c.Clients), largest(r.c.Locks)
		if err := step(func(ctx context.Context) (Cell, error) { return r.contended(ctx, openLoop, clients, locks, rate) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *acquireRun) length() time.Duration {
	cells := 3 + len(r.c.Clients)*len(r.c.Locks) + len(r.c.Rates)
	for _, clients := range r.c.Clients {
		if clients > 1 {
			cells++
		}
	}
	return time.Duration(cells) * r.c.Duration
}

func largest(xs []int) int {
	most := xs[0]
	for _, x := range xs {
		most = max(most, x)
	}
	return most
}

// seat returns the client of that number, which it connects at first.
func (r *acquireRun) seat(ctx context.Context, client int) (*Seat, target.Swap, error) {
	for len(r.seats) <= client {
		n := len(r.seats)
		s, err := r.c.Contender.seat(ctx, Place{Client: n})
		if err != nil {
			return nil, nil, err
		}
		r.seats = append(r.seats, s)
		var swap target.Swap
		if s.Floor != nil {
			if swap, err = s.Floor(ctx, r.key("floor")); err != nil {
				return nil, nil, fmt.Errorf("raw compare-and-swap of client c%d: %w", n, err)
			}
		}
		r.floors = append(r.floors, swap)
	}
	return r.seats[client], r.floors[client], nil
}

func (r *acquireRun) close() {
	for _, s := range r.seats {
		s.Close()
	}
}

// key returns a name that was not used before.
func (r *acquireRun) key(prefix string) string {
	r.keys++
	return fmt.Sprintf("%s-%d", prefix, r.keys)
}

// floorValue is as long as the record that the reference lock writes.
func floorValue() []byte {
	return []byte(`{"v":1,"token":1000,"mode":"exclusive","holders":[{"id":"0123456789abcdef-1000","owner":"c0","ttl_ms":10000,"beat":1}]}`)
}

// releaseTimeout bounds a release after the end of a measurement.
const releaseTimeout = 5 * time.Second

// release gives a lease back even if the measurement was ended. A store that is
// slow may leave open whether it did; the lease then runs out by itself, and
// whoever waits for it waits as long. confirmed is false then.
func release(ctx context.Context, l subjects.Lease) (confirmed bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	err = l.Release(ctx)
	if errors.Is(err, lock.ErrRefused) {
		return false, fmt.Errorf("release: %w", err)
	}
	return err == nil, nil
}

// unreleased is the note that a cell has where releases were not confirmed.
func (c *Cell) unreleased(n int64) {
	if n > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("%d releases were not confirmed by the store; whoever came next waited for the lease to run out", n))
	}
}

var errNoAnswer = errors.New("the store has not granted a free lock for as long as a lease and half a minute more")

// patiently bounds an acquire of a lock that nobody holds: one that a release
// without an answer left is free after its ttl.
func (c Contender) patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, 2*c.Settings.TTL+30*time.Second, errNoAnswer)
}
