package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/subjects"
)

var noOptions = subjects.Options{}

// lockBoard sees the hand-offs of one lock.
type lockBoard struct {
	mu         sync.Mutex
	waiting    int
	releasedAt time.Time // zero: not released, or nobody waited
}

func (b *lockBoard) enter() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
}

func (b *lockBoard) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
}

// granted returns how long after a release that somebody waited for it was; ok
// is false if there was none.
func (b *lockBoard) granted(at time.Time) (handOff time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
	if b.releasedAt.IsZero() {
		return 0, false
	}
	handOff = at.Sub(b.releasedAt)
	b.releasedAt = time.Time{}
	return handOff, true
}

func (b *lockBoard) releasing(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting > 0 {
		b.releasedAt = at
	}
}

// contest is one cell with contention.
type contest struct {
	c     AcquireConfig
	rate  float64 // acquires a second; 0: closed loop
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
	count  int64 // grants, also those after the time

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
type samples struct{ acquires, handOffs histogram }

func newSamples() samples { return samples{newHistogram(), newHistogram()} }

// A cell with contention has at most contestRounds rounds, enough for an interval,
// and each is long enough for the contention to settle: with many clients they
// are fewer.
const (
	contestRounds  = 10
	settlingClient = 20 * time.Millisecond
)

// rounds is how many fit into the time of the cell.
func (t *contest) rounds() time.Duration {
	return min(max(t.c.Duration/(time.Duration(len(t.seats))*settlingClient), 1), contestRounds)
}

func (r *acquireRun) contended(ctx context.Context, clients, locks int, rate float64) (Cell, error) {
	t := &contest{c: r.c, rate: rate, grants: make([]float64, clients), all: newSamples(), late: newHistogram(), swaps: newHistogram()}
	for i := range clients {
		s, swap, err := r.seat(ctx, i)
		if err != nil {
			return Cell{}, err
		}
		t.seats = append(t.seats, s)
		if i == 0 {
			t.swap = swap
		}
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

// floorSamples are taken between two rounds, while nobody competes.
const floorSamples = 30

func (t *contest) takeFloor(ctx context.Context) error {
	if t.swap == nil {
		return nil
	}
	t.swapped = nil
	value := floorValue()
	for range floorSamples {
		d, err := timedSwap(ctx, t.swap, value)
		if err != nil {
			return err
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
	var all sync.WaitGroup
	for i := range t.seats {
		all.Go(func() {
			if err := t.client(limited, acquiring, i, begun, until); err != nil {
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
	if limited.Err() != nil { // cut short
		until = begun.Add(min(time.Since(begun), length))
	}
	t.lasted += until.Sub(begun)
	t.all.acquires.Merge(t.round.acquires.Histogram)
	t.all.handOffs.Merge(t.round.handOffs.Histogram)
	if t.rate > 0 {
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

// client is one of those that compete; acquiring ends some time after the round.
func (t *contest) client(ctx, acquiring context.Context, i int, begun, until time.Time) error {
	random := rand.New(rand.NewPCG(uint64(i), uint64(begun.UnixNano())))
	for time.Now().Before(until) {
		wanted, ok, err := t.due(ctx, begun, until)
		if err != nil || !ok {
			return err
		}
		err = t.once(ctx, acquiring, i, random.IntN(len(t.names)), wanted, until)
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
func (t *contest) due(ctx context.Context, begun, until time.Time) (wanted time.Time, ok bool, err error) {
	if t.rate == 0 {
		err := pause(ctx, t.c.Think)
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
func (t *contest) once(ctx, acquiring context.Context, i, lock int, wanted, until time.Time) error {
	s, board := t.seats[i], t.locks[lock]
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
	handOff, handed := board.granted(now)
	t.mu.Lock()
	t.round.acquires.add(now.Sub(wanted))
	if handed {
		t.round.handOffs.add(handOff)
	}
	if now.Before(until) {
		t.grants[i]++
	}
	if s.Counts != nil {
		t.counts = t.counts.plus(s.Counts().minus(before))
	}
	t.count++
	t.mu.Unlock()
	held := pause(ctx, t.c.Hold)
	board.releasing(time.Now())
	confirmed, err := release(ctx, l)
	if err != nil {
		return err
	}
	if !confirmed {
		t.mu.Lock()
		t.unreleased++
		t.mu.Unlock()
	}
	return held
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
