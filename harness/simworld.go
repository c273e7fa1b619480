package harness

import (
	"context"
	"errors"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// simMachine is one incarnation of a simulated node.
type simMachine struct {
	w       *sim.World
	n       *sim.Node
	index   int
	setting subjects.Settings
}

func (m *simMachine) env() subjects.Env {
	return subjects.Env{
		Client: m.index, Owner: ownerName(m.index), Store: m.n.Store(), Runtime: m.n.Runtime(),
		Monotonic: m.n.Monotonic, Wall: m.n.Wall, Settings: m.setting,
	}
}

func (m *simMachine) choose(stream string, n uint64) uint64 { return m.w.Choose(stream, n) }

func (m *simMachine) access(ctx context.Context, f func()) error { return m.n.RoundTrip(ctx, f) }

// follow implements machine. An alarm looks at the very instant at which the
// validity ends, whether or not the process is awake; a task looks once the lock
// has told of a loss, and ends with the lease.
func (m *simMachine) follow(g *grant) {
	armed := false
	var alarm sim.Alarm
	var arm func(until time.Duration)
	arm = func(until time.Duration) {
		if armed {
			return // it finds the later end when it goes off
		}
		armed = true
		alarm = m.n.AtLocal(until, func() {
			armed = false
			g.follow()
			if until, ok := g.ahead(); ok {
				arm(until)
			}
		})
	}
	if until, bounded := g.lease.ValidUntil(); bounded {
		arm(until)
	}
	g.rearm, g.stop = arm, func() { alarm.Stop() }
	rt, lost := m.n.Runtime(), g.lease.Lost()
	rt.Go(func() {
		_ = rt.Sleep(lost, forever)
		g.follow()
	})
}

// passed implements machine: what ended earlier was seen by an alarm at once.
func (m *simMachine) passed(local, now time.Duration) (at time.Duration, ok bool) {
	return now, m.n.Local() >= local
}

// surely implements machine: nothing is seen later than it happens.
func (m *simMachine) surely(_, now time.Duration) time.Duration { return now }

func (m *simMachine) die(d time.Duration) { m.n.Die(d) }

// simulate runs a scenario in the simulator. chooser makes every choice; nil
// stands for the scenario's seed.
func simulate(ctx context.Context, subject subjects.Subject, s Scenario, chooser sim.Chooser) (*Result, error) {
	watch := startStopwatch()
	r, _, err := new(scratch).simulate(ctx, subject, s, chooser, false)
	if err == nil {
		_, r.Counters.CoreTime = watch.read(1)
	}
	return r, err
}

// scratch is memory that one run after the other uses. A result's history is valid
// until the next run.
type scratch struct {
	history linearizability.History
	checker linearizability.Checker
	// stuckAfter is sim.Config.StuckAfter, for tests.
	stuckAfter time.Duration
}

func (b *scratch) simulate(ctx context.Context, subject subjects.Subject, s Scenario, chooser sim.Chooser, logOps bool) (*Result, []StoreOp, error) {
	watch := startStopwatch()
	if chooser == nil {
		chooser = sim.NewRandom(s.Seed)
	}
	s = s.withVariant(subject)
	cfg := s.World.config()
	cfg.Chooser, cfg.Plan, cfg.Clients = chooser, s.Plan, s.Clients
	cfg.StuckAfter = b.stuckAfter
	if subject.BucketTTL {
		cfg.Store.BucketTTL = s.TTL.D()
	}
	w, err := sim.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	r := newRun(s, subject, w.Now)
	w.OnTamper(r.tampered)
	if logOps {
		r.ops = &opLog{now: w.Now}
	}
	r.rec.history = b.history[:0]
	if err := r.populate(w); err != nil {
		return nil, nil, err
	}
	if err = r.runTo(ctx, w, s.healAt()); err == nil {
		w.Heal()
		err = r.runTo(ctx, w, s.end())
	}
	if errors.Is(err, sim.ErrStuck) {
		b.history = nil
		return r.stuck(ctx, err), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	r.rec.close()
	b.history = r.rec.history
	result := &Result{Scenario: s, Server: "simulated", Params: r.params(w.Now()), History: r.rec.history, TraceHash: w.Hash()}
	s.World.allow(&result.Params, w)
	counters := w.Counters()
	if w.Now() < s.end() {
		result.cutShort()
		ctx = context.WithoutCancel(ctx)
	}
	result.judge(ctx, &b.checker)
	result.Counters = Counters{
		StoreOps: int64(counters.StoreOps), Events: int64(counters.Events), Indefinite: int64(counters.Indefinite),
		Virtual: w.Now(),
	}
	result.Counters.Wall, _ = watch.read(1)
	if r.ops != nil {
		return result, r.ops.ops, nil
	}
	return result, nil, nil
}

// glance is how much true time passes between two looks at the context: some
// milliseconds of work.
const glance = 5 * time.Minute

// runTo lets the world run, and stops early once ctx ends. Where it looks makes
// no difference to what happens.
func (r *run) runTo(ctx context.Context, w *sim.World, end time.Duration) error {
	// More clients do more in the same time, and shorter leases too.
	step := max(time.Millisecond, min(glance, 100*r.scenario.TTL.D())/time.Duration(r.scenario.Clients))
	for w.Now() < end && ctx.Err() == nil && r.failure() == nil {
		if err := w.Run(min(w.Now()+step, end)); err != nil {
			return err
		}
	}
	return r.failure()
}

// cutShort marks a run that was interrupted. The hash of a part is no hash of
// the scenario.
func (r *Result) cutShort() {
	r.Interrupted, r.TraceHash = true, 0
	r.Params.HealAt = min(r.Params.HealAt, r.Params.End)
}

// populate starts a client on each node, and again after each crash. A subject
// that cannot be made ends the run, also after a crash.
func (r *run) populate(w *sim.World) error {
	for i := range r.scenario.Clients {
		n := w.Node(i)
		var current *client
		n.OnCrash(func() {
			if current != nil {
				current.crash()
			}
		})
		n.OnStart(func() {
			c, err := r.start(i, &simMachine{w: w, n: n, index: i, setting: r.scenario.settings(i)})
			if err != nil {
				r.fail(err)
				w.Stop()
				return
			}
			current = c
			c.loop(context.Background())
		})
	}
	if err := w.Run(0); err != nil {
		return err
	}
	return r.failure()
}

// params are the facts of the run that the checkers need.
func (r *run) params(end time.Duration) linearizability.Params {
	s := r.scenario
	p := linearizability.Params{
		TTL: s.TTL.D(), MaxClockDriftPPM: s.MaxClockDriftPPM, HealAt: s.healAt(), End: end,
		LivenessTTLs: s.LivenessTTLs - 2, PollEvery: s.PollEvery.D(), NoticeSlack: time.Millisecond,
		Promises: r.promises, Clients: s.Clients,
	}
	for _, f := range s.Plan {
		switch f.Kind {
		case fault.Pause:
			p.Faulty = append(p.Faulty, linearizability.Interval{Client: f.Target, From: f.Start, To: f.End()})
		case fault.Suspend:
			// Timers are late after a suspend by as much as the runtime documents.
			p.Faulty = append(p.Faulty, linearizability.Interval{Client: f.Target, From: f.Start, To: f.End() + 250*time.Millisecond})
		case fault.LostWrite, fault.StaleRead, fault.ForeignRecord, fault.RemoveRecord, fault.RestoreRecord:
			p.StoreContractBroken = true
		}
	}
	return p
}

func (r *Result) judge(ctx context.Context, c *linearizability.Checker) {
	r.Verdict = c.Check(ctx, r.Params, r.History)
	if r.Interrupted && r.Verdict.Verdict == linearizability.OK {
		r.Verdict.Verdict = linearizability.Unknown // of the part that was not run nothing is known
	}
	r.Coverage = c.Coverage(r.Params, r.History)
}
