package bench

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// StoreModel is the store of a prediction. Its zero value answers within 1 to
// 3 ms, cannot watch, and does not tell who stood in the way.
type StoreModel struct {
	Watch                  bool
	ConflictReturnsCurrent bool
	// Reads and Writes are round trips as Calibrate measured them: quantiles at
	// equal distances of probability. Nil: 1 to 3 ms. A Profile's RTT takes
	// their place.
	Reads, Writes []time.Duration
}

// PredictConfig is one cell to be predicted. Settings and Clients are required.
type PredictConfig struct {
	// Settings are those of the reference lock; what is 0 takes its default.
	Settings subjects.Settings
	// Clients contend for one lock. At least 1; with 1 nobody takes over, so
	// Trials must be 0.
	Clients int
	Profile Profile
	Store   StoreModel
	// Hours is how long, in simulated hours, a holder is watched for false
	// failovers. 0: it is not.
	Hours int
	// Trials is how many holders are killed. 0: none.
	Trials int
	// Seed decides every choice: same config, same Prediction.
	Seed uint64
}

// Prediction is what came of a cell in the simulator.
type Prediction struct {
	// Failovers are those that followed the death of a holder.
	Failovers []FailoverTimes
	// Spoiled are trials whose holder had lost its lease before it was killed.
	Spoiled int
	// FalseFailovers are leases that a healthy holder lost: a process that was
	// neither killed nor asked to release. They were counted over Held, the time
	// for which leases were held.
	FalseFailovers int64
	Held           time.Duration
	// Holder and Waiters are what was asked of the store for one lock in Watched
	// hours of an ordinary day, with all clients there; Units is the same as
	// DynamoDB would count it.
	Holder, Waiters Counts
	Units           Units
	Watched         time.Duration
	// Virtual is the true time that was simulated in all.
	Virtual time.Duration
	// Hash is over every choice and every event.
	Hash uint64
}

// FailoverTimes is one death of a holder, in true time, cut as FailoverConfig
// cuts a live one:
//
//	killed      first takeover sent       granted         first effect
//	  |---- Detect --------|------ Acquire ------|---- Resume ------|
//	  |---------------- Failover ----------------|
//
// The first effect is an access of the resource to read and one to write, each
// of which takes as long as a read of the store.
type FailoverTimes struct{ Detect, Acquire, Resume time.Duration }

// Failover is from the death to the grant.
func (f FailoverTimes) Failover() time.Duration { return f.Detect + f.Acquire }

// Predict simulates one cell: in one world a holder is watched for false
// failovers, in another one all clients are there and their requests are
// counted, in a third one holders are killed at random phases of their renewal.
// It stops early with the cause of ctx's end.
//
// False failovers are counted with the holder alone: a lease is never taken from
// a holder that still believes in it, so it depends on nobody else whether the
// belief ends. That is a fifth of the work.
func Predict(ctx context.Context, c PredictConfig) (*Prediction, error) {
	c.Settings = withDefaults(c.Settings)
	if err := c.validate(); err != nil {
		return nil, err
	}
	p := &Prediction{}
	for _, part := range []func(context.Context, PredictConfig, *Prediction) error{predictLosses, predictRequests, predictFailovers} {
		if err := part(ctx, c, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (c PredictConfig) validate() error {
	switch {
	case c.Clients < 1 || c.Clients > 4096:
		return fmt.Errorf("clients %d must be between 1 and 4096", c.Clients)
	case c.Hours < 0 || c.Trials < 0:
		return fmt.Errorf("hours %d and trials %d must not be negative", c.Hours, c.Trials)
	case c.Trials > 0 && c.Clients < 2:
		return errors.New("with one client nobody takes over: at least 2 are needed")
	}
	// The lock itself says whether it takes the settings.
	w, err := c.world("check", 1, 0)
	if err != nil {
		return err
	}
	defer w.close()
	_, err = w.lock(w.clients[0])
	return err
}

// predictWorld is a world with one lock in it.
type predictWorld struct {
	*sim.World
	c       PredictConfig
	clients []*predictClient
	err     error
}

// world makes one with so many clients in which faults happen for d. part names
// it: each has choices of its own.
func (c PredictConfig) world(part string, clients int, d time.Duration) (*predictWorld, error) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %v %d %s", c.Seed, part, c.Settings, clients, c.Profile)
	choices := sim.NewRandom(h.Sum64())
	latency := sim.LatencyConfig{Min: 500 * time.Microsecond, Max: 1500 * time.Microsecond, Reads: c.Store.Reads, Writes: c.Store.Writes}
	if rtt := c.Profile.RTT; rtt.High > 0 {
		table := []time.Duration{rtt.Low, rtt.High}
		latency.Reads, latency.Writes = table, table
	}
	w, err := sim.New(sim.Config{
		Chooser: choices, Clients: clients, Plan: c.Profile.plan(choices, clients, d), Latency: latency,
		Store: sim.StoreConfig{Watch: c.Store.Watch, ConflictReturnsCurrent: c.Store.ConflictReturnsCurrent},
	})
	if err != nil {
		return nil, err
	}
	world := &predictWorld{World: w, c: c}
	for i := range clients {
		world.clients = append(world.clients, newPredictClient(world, i))
	}
	return world, nil
}

func (w *predictWorld) close() { w.Close() }

// lock makes the reference lock of a client.
func (w *predictWorld) lock(p *predictClient) (*lock.Client, error) {
	s := w.c.Settings
	return lock.New(p, p.node.Runtime(), lock.Config{
		Owner: p.node.String(), TTL: s.TTL, RenewEvery: s.RenewEvery, PollEvery: s.PollEvery,
		RequestTimeout: s.RequestTimeout, MaxClockDriftPPM: s.MaxClockDriftPPM,
	})
}

// fail ends the run with an error of the lock itself.
func (w *predictWorld) fail(err error) {
	w.err = err
	w.Stop()
}

// glimpse is how much true time passes between two looks at the context.
const glimpse = time.Hour

// run lets the world run until end, or until done says so.
func (w *predictWorld) run(ctx context.Context, end time.Duration, done func() bool) error {
	for w.Now() < end && (done == nil || !done()) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := w.Run(min(w.Now()+glimpse, end)); err != nil {
			return err
		}
		if w.err != nil {
			return w.err
		}
	}
	return nil
}

// account adds what the world was to the prediction.
func (p *Prediction) account(w *predictWorld) {
	p.Virtual += w.Now()
	p.Hash = p.Hash*0x9e3779b97f4a7c15 ^ w.Hash()
}

// plan draws when what goes wrong. In all of it there is only integer
// arithmetic, so that a seed means the same on every machine. As many episodes
// happen as there are on average, at even instants: that is the course of a
// Poisson process of which the count is known.
func (p Profile) plan(choices sim.Chooser, clients int, d time.Duration) fault.Plan {
	var plan fault.Plan
	if d <= 0 {
		return nil
	}
	for i := range clients {
		if n := uint64(p.DriftPPM); n > 0 {
			if ppm := int64(choices.Choose("bench/drift", 2*n+1)) - int64(n); ppm != 0 {
				plan = append(plan, fault.Fault{Kind: fault.ClockRate, Target: i, Duration: d, Amount: ppm})
			}
		}
		for _, e := range []struct {
			kind     fault.Kind
			episodes Episodes
		}{{fault.Partition, p.Partition}, {fault.Pause, p.Pause}, {fault.Suspend, p.Suspend}} {
			if e.episodes.Every <= 0 {
				continue
			}
			stream := "bench/" + string(e.kind)
			n := d / e.episodes.Every
			if time.Duration(choices.Choose(stream, uint64(e.episodes.Every))) < d%e.episodes.Every {
				n++
			}
			for range n {
				plan = append(plan, fault.Fault{
					Kind: e.kind, Target: i, Start: time.Duration(choices.Choose(stream, uint64(d))),
					Duration: e.episodes.length(choices, stream),
				})
			}
		}
	}
	return plan
}

// length draws how long an episode is: first which doubling, then where in it.
func (e Episodes) length(choices sim.Chooser, stream string) time.Duration {
	doublings := uint64(1)
	for e.Length.Low<<doublings < e.Length.High {
		doublings++
	}
	k := choices.Choose(stream, doublings)
	low := e.Length.Low << k
	high := min(low*2, e.Length.High)
	return low + time.Duration(choices.Choose(stream, uint64(high-low)+1))
}
