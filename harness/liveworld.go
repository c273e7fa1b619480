package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// windDown is how long the tasks of a live run may take to end once they were
// told to. A request that ignores its context would take longer, and is an error.
const windDown = 10 * time.Second

// liveNoticeSlack is how late a goroutine may be in telling of a loss that its
// clock has long decided, on a machine that is not busy. By how much this one was
// late in waking its goroutines is measured during the run, and taken off.
const liveNoticeSlack = 500 * time.Millisecond

// liveRun is one run against a real server.
type liveRun struct {
	*run
	target  target.Target
	choices *live.Choices
	started time.Time
	slots   []*slot
	// background is the restarts under way, and the watch for stalls.
	background tasks
	stalls     stallWatch
	healed     time.Duration // when the last fault was over

	ctx  context.Context // ends with the run
	stop context.CancelCauseFunc
}

// runLive runs a scenario against a real server, and returns the operations on the
// store if logOps asks for them.
func runLive(ctx context.Context, subject subjects.Subject, s Scenario, stores []target.Kind, logOps bool) (*Result, []StoreOp, error) {
	srv, err := openTarget(ctx, subject, s, stores)
	if err != nil {
		return nil, nil, err
	}
	l := &liveRun{target: srv, started: time.Now(), choices: live.NewChoices(sim.NewRandom(s.Seed))}
	l.run = newRun(s, subject, l.now)
	l.answers.now, l.answers.lease = l.now, s.TTL.D()
	if logOps {
		l.run.ops = &opLog{now: l.now}
	}
	l.ctx, l.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	result, err := l.perform(ctx)
	if closeErr := srv.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("backend %s: %w", s.Backend, closeErr)
	}
	if err != nil {
		return nil, nil, err
	}
	if l.ops != nil {
		return result, l.ops.ops, nil
	}
	return result, nil, nil
}

// now is the true time: the host's monotonic clock since the start of the run.
func (l *liveRun) now() time.Duration { return time.Since(l.started) }

// perform starts the clients, lets the faults loose, and takes everything down
// again whatever happened.
func (l *liveRun) perform(ctx context.Context) (*Result, error) {
	defer l.closeProxies()
	if err := l.connect(ctx); err != nil {
		return nil, errors.Join(err, l.windDown())
	}
	l.started = time.Now()
	l.stalls.now = l.now
	l.stalls.watch(l.ctx, l.background.Go)
	for _, s := range l.slots {
		if err := s.current.start(); err != nil {
			return nil, errors.Join(err, l.windDown())
		}
	}
	err := l.inject(ctx)
	l.healed = max(l.now(), l.scenario.healAt())
	if err == nil {
		l.awaitEnd(ctx)
	}
	end := l.rec.cut()
	for _, s := range l.slots {
		s.settle()
	}
	l.rec.close()
	interrupted := ctx.Err() != nil
	if err := errors.Join(err, l.windDown(), l.failure()); err != nil && !interrupted {
		return nil, err
	}
	return l.result(ctx, end, interrupted), nil
}

// awaitEnd waits until the liveness phase is over. What the process lost of it is
// added, up to maxExtension of the phase: a machine that gives even less leaves
// the liveness unknown.
func (l *liveRun) awaitEnd(ctx context.Context) {
	const maxExtension = 4
	phase := l.scenario.end() - l.scenario.healAt()
	for ctx.Err() == nil {
		left := l.healed + phase + min(l.stalls.lost(l.healed), maxExtension*phase) - l.now()
		if left <= 0 {
			return
		}
		waitUntil(ctx, left)
	}
}

func waitUntil(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// connect makes each client's clock, faults and proxy.
func (l *liveRun) connect(ctx context.Context) error {
	for i := range l.scenario.Clients {
		s := &slot{run: l, index: i, faults: live.NewStoreFaults(ownerName(i), l.choices)}
		s.clock = live.NewClock(l.now, live.ClockConfig{
			Now: time.Duration(l.choices.Choose("boot", uint64(time.Hour))), Wall: sim.Epoch,
		})
		if address := l.target.Address(i); address != "" {
			p, err := live.NewProxy(address, live.ProxyConfig{Name: ownerName(i), Choices: l.choices})
			if err != nil {
				return err
			}
			s.proxy = p
		}
		l.slots = append(l.slots, s)
		in, err := s.prepare(ctx)
		if err != nil {
			return err
		}
		s.take(in)
	}
	return nil
}

func (l *liveRun) closeProxies() {
	for _, s := range l.slots {
		if s.proxy != nil {
			_ = s.proxy.Close()
		}
	}
}

// windDown ends every client and waits for all that they started.
func (l *liveRun) windDown() error {
	l.stop(errors.New("the run is over"))
	l.background.wait()
	ctx, cancel := context.WithTimeout(context.Background(), windDown)
	defer cancel()
	var errs []error
	for _, s := range l.slots {
		s.mu.Lock()
		all := slices.Clone(s.finished)
		if s.current != nil {
			all = append(all, s.current)
		}
		errs = append(errs, s.failed)
		s.mu.Unlock()
		for _, in := range all {
			in.end(false)
			errs = append(errs, in.wait(ctx))
		}
	}
	return errors.Join(errs...)
}

func (l *liveRun) result(ctx context.Context, end time.Duration, interrupted bool) *Result {
	r := &Result{
		Scenario: l.scenario, Server: l.target.Describe(), Params: l.params(end), History: l.rec.history, Interrupted: interrupted,
	}
	stalls, lateness := l.stalls.found()
	r.Params.Stalls, r.Params.Lateness = stalls, lateness
	r.Params.NoticeSlack = liveNoticeSlack
	r.Params.HealAt = min(l.healed, end)
	if interrupted {
		ctx = context.WithoutCancel(ctx)
	}
	r.judge(ctx, new(linearizability.Checker))
	for _, s := range l.slots {
		counts := s.faults.Counts()
		r.Counters.StoreOps += int64(counts.Operations)
		r.Counters.Indefinite += int64(counts.Indefinite)
	}
	r.Counters.Events, r.Counters.Virtual, r.Counters.Wall = int64(len(r.History)), end, end
	return r
}

// inject carries out the plan and returns when the safety phase is over.
func (l *liveRun) inject(ctx context.Context) error {
	targets := live.Targets{}
	can := l.target.Faults()
	targets.Server = live.Server{Stop: can.Stop, Start: can.Start, Failover: can.Failover}
	for _, s := range l.slots {
		// Connecting takes a while; other faults do not wait for it.
		crash, restart := func() { s.crash(nil) }, func() { l.background.Go(s.restart) }
		targets.Clients = append(targets.Clients, live.Client{
			Clock: s.clock, Proxy: s.proxy, Store: s.faults, Crash: crash, Restart: restart,
		})
	}
	injector, err := live.NewInjector(l.scenario.Plan, targets)
	if err != nil {
		return err
	}
	phase, cancel := context.WithTimeout(ctx, max(0, l.scenario.healAt()-l.now()))
	defer cancel()
	if _, err := injector.Run(phase, l.now); err != nil && ctx.Err() == nil {
		return err
	}
	waitUntil(ctx, l.scenario.healAt()-l.now())
	return nil
}
