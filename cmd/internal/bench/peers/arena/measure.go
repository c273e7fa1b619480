package arena

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// Options of Measure. The zero value works.
type Options struct {
	// Rounds is how often all contenders take their turns; 10 if it is 0. With
	// fewer than 9 there are no confidence intervals.
	Rounds int
	// Operations is how many free locks each contender takes in each round; 20
	// if it is 0.
	Operations int
	// Clients are the numbers of clients that contend; 2 and 8 if it is nil.
	Clients []int
	// HandOffs is how many hand-offs each contender has in a round, and
	// HandOffTime how long it has for them; 8 and 1 s if they are 0. One
	// hand-off is waited for whatever it takes.
	HandOffs    int
	HandOffTime time.Duration
	// Failovers is how many holders of each contender are crashed; 12 if it is 0.
	Failovers int
	// Progress, if not nil, is told what is being measured.
	Progress func(line string)
}

func (o Options) withDefaults() Options {
	o.Rounds = defaultTo(o.Rounds, 10)
	o.Operations = defaultTo(o.Operations, 20)
	o.HandOffs = defaultTo(o.HandOffs, 8)
	o.Failovers = defaultTo(o.Failovers, 12)
	o.HandOffTime = defaultTo(o.HandOffTime, time.Second)
	if o.Clients == nil {
		o.Clients = []int{2, 8}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o
}

func defaultTo[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Validate says what Measure cannot do.
func (o Options) Validate() error {
	if o.Rounds < 0 || o.Operations < 0 || o.HandOffs < 0 || o.HandOffTime < 0 || o.Failovers < 0 {
		return errors.New("a number of rounds, operations, hand-offs or failovers is negative")
	}
	if i := slices.IndexFunc(o.Clients, func(n int) bool { return n < 2 }); i >= 0 {
		return fmt.Errorf("%d clients cannot contend: at least 2", o.Clients[i])
	}
	return nil
}

// Measure lets the contenders of a server take turns: free locks, hand-offs
// among several clients, failovers. It returns one cell for each measure and
// contender. What fails for one contender is a note in its cell. If ctx ends
// before all is measured, it returns what is there and the cause.
func Measure(ctx context.Context, s *Server, o Options) ([]bench.Cell, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	var cells []bench.Cell
	steps := []func(context.Context, *Server, Options) []outcome{uncontended}
	names := []string{"uncontended"}
	for _, n := range o.Clients {
		names = append(names, "handoff/clients="+strconv.Itoa(n))
		steps = append(steps, func(ctx context.Context, s *Server, o Options) []outcome { return contended(ctx, s, o, n) })
	}
	names, steps = append(names, "failover"), append(steps, failover)
	for i, step := range steps {
		o.Progress(s.Name + " " + names[i])
		outcomes := step(ctx, s, o)
		if ctx.Err() != nil {
			return cells, fmt.Errorf("%s: %s: %w", s.Name, names[i], context.Cause(ctx))
		}
		cells = append(cells, cellsOf(s, names[i], outcomes)...)
	}
	return cells, nil
}

// outcome is what one measure gave of one contender. Its series have a sample
// for each round, in the order of the rounds, so that two contenders' samples
// of one round can be divided.
type outcome struct {
	series []series
	// times are all single times, for a distribution.
	times []time.Duration
	// extra are figures that are not compared with ours.
	extra []bench.Metric
	notes []string
	err   error
}

type series struct {
	name    string
	samples []float64
	// unit is "ns", or "x" for parts of the lease.
	unit string
	// compared: the cell says how many times ours is that of the peer.
	compared bool
	// waits: it is how long a client waits that polls or is told.
	waits bool
}

// turns calls f for each contender, and again in the reverse order, so that
// what drifts meets all alike: A B C, C B A. A contender that failed has no
// further turns.
func turns(outcomes []outcome, f func(i int) error) {
	for pass := range 2 {
		for k := range outcomes {
			i := k
			if pass == 1 {
				i = len(outcomes) - 1 - k
			}
			if outcomes[i].err == nil {
				outcomes[i].err = f(i)
			}
		}
	}
}

// openAll opens n clients of each contender. closeAll closes them.
func openAll(ctx context.Context, s *Server, outcomes []outcome, n int) (clients [][]Client, closeAll func()) {
	clients = make([][]Client, len(s.Contenders))
	for i, c := range s.Contenders {
		for k := 0; k < n && outcomes[i].err == nil; k++ {
			client, err := c.Open(ctx, c.Lock+"-"+strconv.Itoa(k))
			if err != nil {
				outcomes[i].err = err
				continue
			}
			clients[i] = append(clients[i], client)
		}
	}
	return clients, func() {
		for _, all := range clients {
			for _, client := range all {
				client.Close()
			}
		}
	}
}

// between is a random duration, at least low and under high.
func between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(rand.Int64N(int64(high-low)))
}

// medianTime is the median of times in nanoseconds.
func medianTime(times []time.Duration) float64 {
	ns := make([]float64, len(times))
	for i, t := range times {
		ns[i] = float64(t)
	}
	return bench.Median(ns)
}
