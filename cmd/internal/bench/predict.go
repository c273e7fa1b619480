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
	// Episodes is how many cuts, pauses, sleeps and lost requests of each size a
	// holder meets, to see how many of them cost it its lease: up to sixteen times
	// as many where that is what it takes to say on which side of Budget the rate is.
	// 0: none.
	Episodes int
	Budget   Rate
	// Hours of an ordinary day in which the requests of all clients are counted.
	// 0: they are not.
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
	// FalseFailovers is how often, in an hour, a healthy holder loses its lease: a
	// process that was neither killed nor asked to release. The other two are the
	// same if cuts, pauses and sleeps came twice as often, or lasted twice as long.
	FalseFailovers, TwiceAsOften, TwiceAsLong Estimate
	// Episodes of the profile were met, and Lost of them cost the lease.
	Episodes, Lost int64
	hazards        []hazard
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

// Predict simulates one cell: in some worlds a holder meets what can go wrong, in
// another one all clients are there and their requests are counted, in further
// ones holders are killed at random phases of their renewal. It stops early with
// the cause of ctx's end.
//
// False failovers are looked for with the holder alone: a lease is never taken
// from a holder that still believes in it, so it depends on nobody else whether
// the belief ends.
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
	case c.Hours < 0 || c.Trials < 0 || c.Episodes < 0 || c.Episodes > mostEpisodes:
		return fmt.Errorf("hours %d, trials %d and episodes %d must not be negative, nor the last more than %d", c.Hours, c.Trials, c.Episodes, mostEpisodes)
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

// world makes one with so many clients in which faults happen for d.
func (c PredictConfig) world(part string, clients int, d time.Duration) (*predictWorld, error) {
	return c.worldWith(part, clients, func(choices sim.Chooser) fault.Plan { return c.Profile.plan(choices, clients, d) })
}

// worldWith makes one with a plan. part names it: each has choices of its own.
func (c PredictConfig) worldWith(part string, clients int, plan func(sim.Chooser) fault.Plan) (*predictWorld, error) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %v %d %s", c.Seed, part, c.Settings, clients, c.Profile)
	choices := sim.NewRandom(h.Sum64())
	latency := sim.LatencyConfig{Min: 500 * time.Microsecond, Max: 1500 * time.Microsecond, Reads: c.Store.Reads, Writes: c.Store.Writes}
	if rtt := c.Profile.RTT; rtt.High > 0 {
		table := []time.Duration{rtt.Low, rtt.High}
		latency.Reads, latency.Writes = table, table
	}
	w, err := sim.New(sim.Config{
		Chooser: choices, Clients: clients, Plan: plan(choices), Latency: latency,
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
	if d <= 0 {
		return nil
	}
	plan := p.drifts(choices, clients, d)
	for i := range clients {
		for _, e := range p.episodes() {
			stream := "bench/" + string(e.kind)
			n := d / e.Every
			if time.Duration(choices.Choose(stream, uint64(e.Every))) < d%e.Every {
				n++
			}
			for range n {
				plan = append(plan, fault.Fault{
					Kind: e.kind, Target: i, Start: time.Duration(choices.Choose(stream, uint64(d))),
					Duration: e.length(choices, stream),
				})
			}
		}
	}
	return plan
}

// drifts gives each client's clock a rate of its own.
func (p Profile) drifts(choices sim.Chooser, clients int, d time.Duration) fault.Plan {
	var plan fault.Plan
	n := uint64(p.DriftPPM)
	for i := range clients {
		if n == 0 {
			break
		}
		if ppm := int64(choices.Choose("bench/drift", 2*n+1)) - int64(n); ppm != 0 {
			plan = append(plan, fault.Fault{Kind: fault.ClockRate, Target: i, Duration: d, Amount: ppm})
		}
	}
	return plan
}

// length draws how long an episode is: first which doubling, then where in it.
func (e Episodes) length(choices sim.Chooser, stream string) time.Duration {
	all := e.Length.doublings()
	s := all[choices.Choose(stream, uint64(len(all)))]
	return s.Low + time.Duration(choices.Choose(stream, uint64(s.High-s.Low)+1))
}
