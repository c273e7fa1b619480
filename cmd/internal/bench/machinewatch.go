package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/harness/target"
)

// machineWatch tells whether trials disturb each other: while they run, one
// further client, with a lock of nobody, sleeps, looks how late it woke up, and
// does a raw conditional update. It does so before they begin, too.
type machineWatch struct {
	seat *Seat
	// cancel ends the goroutine, which stop waits for.
	cancel context.CancelFunc
	done   sync.WaitGroup
	once   sync.Once

	alone  []time.Duration
	late   []time.Duration
	beside []time.Duration
}

// watchEvery is from one look to the next.
const watchEvery = 10 * time.Millisecond

func (r *failoverRun) watchMachine(ctx context.Context) (*machineWatch, error) {
	seat, err := r.c.Contender.seat(ctx, Place{Client: r.trials * (r.c.Waiters + 1)})
	if err != nil {
		return nil, err
	}
	w := &machineWatch{seat: seat}
	var swap target.Swap = func(context.Context, []byte) error { return nil }
	if seat.Floor != nil {
		if swap, err = seat.Floor(ctx, fmt.Sprintf("watch-%d", r.trials)); err != nil {
			seat.Close()
			return nil, fmt.Errorf("raw compare-and-swap: %w", err)
		}
	}
	for range floorSamples {
		_, d, err := lookOnce(ctx, swap)
		if err != nil {
			seat.Close()
			return nil, err
		}
		w.alone = append(w.alone, d)
	}
	ctx, w.cancel = context.WithCancel(ctx)
	w.done.Go(func() {
		for {
			late, d, err := lookOnce(ctx, swap)
			if err != nil {
				return
			}
			w.late, w.beside = append(w.late, late), append(w.beside, d)
		}
	})
	return w, nil
}

// lookOnce sleeps and does a raw conditional update.
func lookOnce(ctx context.Context, swap target.Swap) (late, took time.Duration, err error) {
	begun := time.Now()
	if err := pause(ctx, watchEvery); err != nil {
		return 0, 0, err
	}
	late = time.Since(begun) - watchEvery
	took, err = timedSwap(ctx, swap, floorValue())
	return late, took, err
}

// stop ends the watch; what it saw may be read then.
func (w *machineWatch) stop() {
	w.once.Do(func() {
		w.cancel()
		w.done.Wait()
		w.seat.Close()
	})
}

// lateShare of the ttl is what a late awakening may come to in one of a hundred
// cases before it is said.
const lateShare = 0.02

// describe adds what was seen to a cell.
func (w *machineWatch) describe(c *Cell, ttl time.Duration) {
	if late, ok := distribution("wake-up", w.late); ok {
		c.addDistribution(late, ok)
		if q, ok := late.Quantile(0.99); ok && float64(q.Value) > lateShare*float64(ttl) {
			c.Notes = append(c.Notes, fmt.Sprintf("the machine was busy: one of a hundred timers was more than %s late; fewer parallel trials or a longer ttl would tell more",
				time.Duration(q.Value).Round(time.Millisecond)))
		}
	}
	if w.seat.Floor == nil || len(w.beside) == 0 {
		return
	}
	c.addDistribution(distribution("raw CAS", w.beside))
	c.Metrics = append(c.Metrics, Metric{Name: "CAS beside trials/alone", Unit: "x", Value: medianOf(w.beside) / medianOf(w.alone)})
}
