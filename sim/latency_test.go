package sim_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lockproof/lockproof/sim"
)

// trips makes n reads and n writes, one after the other, and returns how long
// each took.
func trips(t *testing.T, c sim.LatencyConfig, n int) (reads, writes []time.Duration) {
	t.Helper()
	w := newWorld(t, sim.Config{Chooser: sim.NewRandom(1), Clients: 1, Latency: c})
	node := w.Node(0)
	node.Go(func() {
		for range n {
			begun := w.Now()
			_, _ = node.Store().Put(context.Background(), "k", nil)
			writes = append(writes, w.Now()-begun)
			begun = w.Now()
			_, _ = node.Store().Get(context.Background(), "k")
			reads = append(reads, w.Now()-begun)
		}
	})
	run(t, w, time.Hour)
	slices.Sort(reads)
	slices.Sort(writes)
	return reads, writes
}

func TestAMeasuredRoundTripIsDrawnFromItsTable(t *testing.T) {
	const departure = 1
	table := sim.LatencyConfig{
		Departure: departure,
		Reads:     []time.Duration{time.Millisecond, 2 * time.Millisecond, 10 * time.Millisecond},
		Writes:    []time.Duration{40 * time.Millisecond},
	}
	const n = 4000
	reads, writes := trips(t, table, n)
	if len(reads) != n || writes[0] != 40*time.Millisecond+departure || writes[n-1] != writes[0] {
		t.Fatalf("%d reads, writes from %v to %v", len(reads), writes[0], writes[n-1])
	}
	if reads[0] < time.Millisecond || reads[n-1] > 10*time.Millisecond+departure {
		t.Errorf("reads from %v to %v", reads[0], reads[n-1])
	}
	for _, q := range []struct {
		share float64
		want  time.Duration
	}{{0.25, 1500 * time.Microsecond}, {0.5, 2 * time.Millisecond}, {0.75, 6 * time.Millisecond}} {
		got := reads[int(q.share*n)]
		if got < q.want*9/10 || got > q.want*11/10 {
			t.Errorf("quantile %v of the reads is %v, want about %v", q.share, got, q.want)
		}
	}
}

func TestATableThatFallsIsRefused(t *testing.T) {
	for _, table := range [][]time.Duration{{2, 1}, {-1, 1}} {
		_, err := sim.New(sim.Config{Chooser: sim.NewRandom(1), Clients: 1, Latency: sim.LatencyConfig{Reads: table}})
		if err == nil {
			t.Errorf("%v was taken", table)
		}
	}
}
