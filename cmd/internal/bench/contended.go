package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/subjects"
)

var noOptions = subjects.Options{}

// loop is how the clients of a contest go on.
type loop string

// The loops.
const (
	closedLoop loop = "closed" // a client thinks, acquires, holds and releases
	openLoop   loop = "open"   // a schedule says when an acquire is due
	// turnsLoop: as closedLoop, but who released a lock that others wait for comes
	// back only when one of them has it.
	turnsLoop loop = "turns"
)

// contest is one cell with contention.
type contest struct {
	c     AcquireConfig
	loop  loop
	rate  float64 // acquires a second, of an open loop
	poll  time.Duration
	seats []*Seat
	swap  target.Swap // the first client's; nil: there is none
	names []string
	locks []*lockBoard

	mu     sync.Mutex
	all    samples
	late   histogram // an idle client woke up so long after an acquire was due
	round  samples
	grants []float64 // by client, within the rounds' time
	counts Counts
	asked  Counts // of all clients in the rounds, also to release and to renew
	count  int64  // grants, also those after the time

	swaps                        histogram
	swapped                      []time.Duration // before a round and after it
	acquireRatios, handOffRatios []float64
	lasted                       time.Duration
	arrival                      atomic.Int64 // the next of the schedule
	offered, unserved            int64
	waiting, unreleased          int64 // acquires cut short at the end of a round; releases without an answer
	failure                      error
}

// samples are the times of a round, or of all.
type samples struct{ acquires, handOffs, retakes histogram }

func newSamples() samples { return samples{newHistogram(), newHistogram(), newHistogram()} }

func (s samples) merge(other samples) {
	s.acquires.Merge(other.acquires.Histogram)
	s.handOffs.Merge(other.handOffs.Histogram)
	s.retakes.Merge(other.retakes.Histogram)
}

// A cell with contention has at most contestRounds rounds, enough for an interval,
// and each is long enough for the contention to settle: with many clients they
// are fewer.
const (
	contestRounds  = 10
	settlingClient = 20 * time.Millisecond
)

// rounds is how many fit into the time of the cell. Where clients poll there is
// one: the end of a round would cut off the hand-offs that take long.
func (t *contest) rounds() time.Duration {
	if t.loop == turnsLoop && t.poll > 0 {
		return 1
	}
	return min(max(t.c.Duration/(time.Duration(len(t.seats))*settlingClient), 1), contestRounds)
}

// sideBySide is how many locks are handed around at a time where clients poll:
// a hand-off then is mostly sleep, and one lock would give few of them.
const sideBySide = 10

func (r *acquireRun) contended(ctx context.Context, kind loop, clients, locks int, rate float64) (Cell, error) {
	t := &contest{c: r.c, loop: kind, rate: rate, grants: make([]float64, clients), all: newSamples(), late: newHistogram(), swaps: newHistogram()}
	for i := range clients {
		s, swap, err := r.seat(ctx, i)
		if err != nil {
			return Cell{}, err
		}
		t.seats = append(t.seats, s)
		if i == 0 {
			t.swap, t.poll = swap, s.Poll
		}
	}
	if kind == turnsLoop && t.poll > 0 {
		locks = sideBySide
	}
	prefix := r.key("contended")
	for i := range locks {
		t.names = append(t.names, prefix+"-"+strconv.Itoa(i))
		t.locks = append(t.locks, &lockBoard{})
	}
	err := t.takeFloor(ctx)
	rounds := t.rounds()
	for round := time.Duration(0); round < rounds && err == nil; round++ {
		before := t.swapped
		if err = t.compete(ctx, r.c.Duration/rounds); err != nil {
			break
		}
		if err = t.takeFloor(ctx); err == nil {
			t.close(before)
		}
	}
	return t.result(r.c.Contender), err
}

// floorSamples are taken between two rounds, while nobody competes. The first do
// not count: the server may still be at work on what was cancelled.
const (
	floorSamples = 30
	floorWarmUp  = 20
)

func (t *contest) takeFloor(ctx context.Context) error {
	if t.swap == nil {
		return nil
	}
	t.swapped = nil
	value := floorValue()
	for i := range floorWarmUp + floorSamples {
		d, err := timedSwap(ctx, t.swap, value)
		if err != nil {
			return err
		}
		if i < floorWarmUp {
			continue
		}
		t.swaps.add(d)
		t.swapped = append(t.swapped, d)
	}
	return nil
}

// close ends a round: its medians against those of the raw compare-and-swaps
// before and after it.
func (t *contest) close(before []time.Duration) {
	if t.swap != nil {
		floor := medianOf(append(append([]time.Duration(nil), before...), t.swapped...))
		if t.round.acquires.TotalCount() > 0 {
			t.acquireRatios = append(t.acquireRatios, float64(t.round.acquires.ValueAtPercentile(50))/floor)
		}
		if t.round.handOffs.TotalCount() > 0 {
			t.handOffRatios = append(t.handOffRatios, float64(t.round.handOffs.ValueAtPercentile(50))/floor)
		}
	}
}

// compete is one round: the clients run for so long, and then finish what they
// began, for at most as long again and a second at least. The goroutines end then, or when ctx does; compete waits for them.
func (t *contest) compete(ctx context.Context, length time.Duration) error {
	t.round = newSamples()
	t.arrival.Store(0)
	begun := time.Now()
	until := begun.Add(length)
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	acquiring, stop := context.WithDeadlineCause(limited, until.Add(max(length, time.Second)), errRoundOver)
	defer stop()
	before := t.requests()
	var all sync.WaitGroup
	for _, p := range t.players() {
		all.Go(func() {
			if err := t.client(limited, acquiring, p, begun, until); err != nil {
				t.mu.Lock()
				if t.failure == nil && limited.Err() == nil {
					t.failure = err
				}
				t.mu.Unlock()
				cancel()
			}
		})
	}
	all.Wait()
	t.asked = t.asked.plus(t.requests().minus(before))
	if limited.Err() != nil { // cut short
		until = begun.Add(min(time.Since(begun), length))
	}
	t.lasted += until.Sub(begun)
	t.all.merge(t.round)
	if t.loop == openLoop {
		t.strike(begun, until)
	}
	if t.failure != nil {
		return t.failure
	}
	return ctx.Err()
}

// errRoundOver ends acquires that still wait for a while after a round: with many
// clients the last one would be granted minutes later.
var errRoundOver = errors.New("the round is over")

// requests are those of all clients so far.
func (t *contest) requests() Counts {
	var sum Counts
	for _, s := range t.seats {
		if s.Counts != nil {
			sum = sum.plus(s.Counts())
		}
	}
	return sum
}

// client is one of those that compete; acquiring ends some time after the round.
func (t *contest) client(ctx, acquiring context.Context, p *player, begun, until time.Time) error {
	for time.Now().Before(until) {
		wanted, ok, err := t.due(ctx, p, begun, until)
		if err != nil || !ok {
			return err
		}
		err = t.once(ctx, acquiring, p, wanted, until)
		if errors.Is(err, errRoundOver) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// due waits for the next acquire: after thinking in a closed loop, by the
// schedule in an open one. ok is false if there is none in this round.
func (t *contest) due(ctx context.Context, p *player, begun, until time.Time) (wanted time.Time, ok bool, err error) {
	if t.loop != openLoop {
		err := pause(ctx, p.about(t.c.Think))
		now := time.Now()
		return now, now.Before(until), err
	}
	n := t.arrival.Add(1) - 1
	wanted = begun.Add(time.Duration(float64(n) / t.rate * float64(time.Second)))
	if !wanted.Before(until) {
		return wanted, false, nil
	}
	if left := time.Until(wanted); left > 0 {
		if err := pause(ctx, left); err != nil {
			return wanted, false, err
		}
		late := time.Since(wanted)
		t.mu.Lock()
		t.late.add(late)
		t.mu.Unlock()
	}
	return wanted, true, nil
}

// once acquires, holds and releases. An acquire that is cut short counts with the
// time that it had waited.
func (t *contest) once(ctx, acquiring context.Context, p *player, wanted, until time.Time) error {
	lock := p.locks[p.random.IntN(len(p.locks))]
	s, board := t.seats[p.seat], t.locks[lock]
	var before Counts
	if s.Counts != nil {
		before = s.Counts()
	}
	board.enter()
	l, err := s.Locker.Acquire(acquiring, t.names[lock], noOptions)
	if err != nil {
		board.leave()
		if ctx.Err() == nil && acquiring.Err() != nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.waiting++
			t.round.acquires.add(time.Since(wanted))
			return errRoundOver
		}
		return fmt.Errorf("acquire %s: %w", t.names[lock], err)
	}
	now := time.Now()
	how, after := board.granted(p.seat, now)
	used := Counts{}
	if s.Counts != nil {
		used = s.Counts().minus(before)
	}
	t.note(p, how, after, now.Sub(wanted), used, now.Before(until))
	held := pause(ctx, t.hold(p))
	next := board.releasing(p.seat, time.Now())
	confirmed, err := release(ctx, l)
	if err != nil {
		return err
	}
	if !confirmed {
		t.mu.Lock()
		t.unreleased++
		t.mu.Unlock()
	}
	if t.loop == turnsLoop && next != nil {
		select {
		case <-next:
		case <-acquiring.Done(): // those who waited have gone
		}
	}
	return held
}

// note counts a grant.
func (t *contest) note(p *player, how succession, after, took time.Duration, used Counts, inTime bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round.acquires.add(took)
	switch how {
	case handedOff:
		t.round.handOffs.add(after)
	case takenAgain:
		t.round.retakes.add(after)
	}
	if inTime {
		t.grants[p.seat]++
	}
	t.counts = t.counts.plus(used)
	t.count++
}

// strike adds what a round of an open loop left undone: acquires that were
// wanted and that nobody came to. They count with the time for which they had
// been waiting when the round ended: that is less than they would have waited.
func (t *contest) strike(begun, until time.Time) {
	end := time.Now()
	wanted := int64(math.Ceil(until.Sub(begun).Seconds()*t.rate - 1e-6))
	t.offered += wanted
	for n := t.arrival.Load(); n < wanted; n++ {
		t.unserved++
		t.all.acquires.add(end.Sub(begun) - time.Duration(float64(n)/t.rate*float64(time.Second)))
	}
}

// pause sleeps, unless there is nothing to sleep for, until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
