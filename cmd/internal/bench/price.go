package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/internal/live"
)

// healthy are holders to whom nothing happens but the network.
type healthy struct {
	r *failoverRun

	mu      sync.Mutex
	held    time.Duration // by all together
	lost    int64
	failure error
}

// price measures how often a holder that is well loses its lock. Time counts
// while a lock is held; a holder that lost it acquires it again.
func (r *failoverRun) price(ctx context.Context) error {
	h := &healthy{r: r}
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := time.Now()
	var all sync.WaitGroup
	for i := range r.c.HealthyHolders {
		all.Go(func() {
			if err := h.holder(limited, i); err != nil && limited.Err() == nil {
				h.mu.Lock()
				h.failure = err
				h.mu.Unlock()
				cancel()
			}
		})
	}
	for ends := begun.Add(r.c.Healthy); time.Now().Before(ends) && limited.Err() == nil; {
		step := min(time.Second, max(time.Until(ends), time.Millisecond))
		_ = pause(limited, step)
		r.advance(step)
	}
	cancel()
	all.Wait()
	if h.held > 0 {
		r.result.Cells = append(r.result.Cells, h.cell(time.Since(begun)))
	}
	return h.failure
}

// holder holds one lock until ctx ends.
func (h *healthy) holder(ctx context.Context, i int) error {
	c := h.r.c
	place := Place{Client: i, Faults: live.NewStoreFaults(fmt.Sprintf("c%d", i), newChoices(h.r.seed+uint64(i)))}
	place.Faults.AddLoseRequest(c.Network.LossPerMille)
	place.Faults.AddLoseReply(c.Network.LossPerMille)
	if c.Network.Latency+c.Network.Jitter > 0 {
		proxy, err := live.NewProxy(c.Contender.Address(i), live.ProxyConfig{Name: fmt.Sprintf("c%d", i), Choices: newChoices(h.r.seed + uint64(i))})
		if err != nil {
			return err
		}
		defer func() { _ = proxy.Close() }()
		for _, way := range []live.Direction{live.Requests, live.Replies} {
			proxy.AddLatency(way, c.Network.Latency)
			proxy.AddJitter(way, c.Network.Jitter)
		}
		place.Via = proxy.Addr()
	}
	seat, err := c.Contender.seat(ctx, place)
	if err != nil {
		return err
	}
	defer seat.Close()
	for ctx.Err() == nil {
		if err := h.holdOnce(ctx, seat, fmt.Sprintf("healthy-%d", i)); err != nil {
			return err
		}
	}
	return nil
}

// holdOnce acquires and holds until the lock is lost or ctx ends.
func (h *healthy) holdOnce(ctx context.Context, seat *Seat, name string) error {
	l, err := seat.Locker.Acquire(ctx, name, noOptions)
	if err != nil {
		return fmt.Errorf("acquire %s: %w", name, err)
	}
	begun := time.Now()
	lost := false
	select {
	case <-l.Lost().Done():
		lost = ctx.Err() == nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	h.held += time.Since(begun)
	if lost {
		h.lost++
	}
	h.mu.Unlock()
	if !lost && seat.Kill != nil {
		seat.Kill() // a release through a bad network would take its time
	}
	return nil
}

// cell gives the rate with its interval, and from how much it was extrapolated.
func (h *healthy) cell(lasted time.Duration) Cell {
	c, n := h.r.c, h.r.c.Network
	cell := c.Contender.cell(fmt.Sprintf("healthy/latency=%s/jitter=%s/loss=%d", n.Latency, n.Jitter, n.LossPerMille),
		Label{"failure", "none"}, Label{"latency", n.Latency.String()}, Label{"jitter", n.Jitter.String()}, Label{"loss", fmt.Sprintf("%g%%", float64(n.LossPerMille)/10)})
	hours := h.held.Hours()
	low, high := PoissonInterval(h.lost)
	cell.Metrics = append(cell.Metrics,
		Metric{Name: "false failovers", Unit: "per-hour", Value: float64(h.lost) / hours, Low: low / hours, High: high / hours, Better: LowerIsBetter},
		Metric{Name: "false failovers seen", Unit: "losses", Value: float64(h.lost)},
		Metric{Name: "held", Unit: "s", Value: h.held.Seconds()})
	cell.Notes = append(cell.Notes, fmt.Sprintf(
		"%d holders lost their locks %d times in %s, in which they held them for %s together; that is extrapolated to the hour of one holder as if losses came independently",
		c.HealthyHolders, h.lost, lasted.Round(time.Second), h.held.Round(time.Second)))
	return cell
}
