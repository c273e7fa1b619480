package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/harness/live"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// windDown is how long the tasks of a live run may take to end once they were
// told to. A request that ignores its context would take longer, and is an error.
const windDown = 10 * time.Second

// liveNoticeSlack is how late a goroutine may be in telling of a loss that its
// clock has long decided, on a machine that is not busy. How much later this one
// was in waking its goroutines is measured during the run, and added.
const liveNoticeSlack = 500 * time.Millisecond

// liveRun is one run against a real server.
type liveRun struct {
	*run
	server  server
	choices *live.Choices
	started time.Time
	slots   []*slot
	// background is the restarts under way, and the watch of lateness.
	background tasks
	late       atomic.Int64 // by how much a goroutine was woken too late, at worst

	ctx  context.Context // ends with the run
	stop context.CancelCauseFunc
}

// tasks is a sync.WaitGroup that may be asked to start a task while somebody
// waits: it then starts none. A client may die in the very moment in which the
// run is wound down.
type tasks struct {
	mu    sync.Mutex
	over  bool
	group sync.WaitGroup
}

// Go starts f, unless wait was called.
func (t *tasks) Go(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.group.Go(f)
	}
}

// wait returns when all that was started is done; nothing is started any more.
func (t *tasks) wait() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.group.Wait()
}

// slot is a client's place: what outlives a crash of its process.
type slot struct {
	run    *liveRun
	index  int
	clock  *live.Clock
	faults *live.StoreFaults
	proxy  *live.Proxy // nil where there is no network

	mu       sync.Mutex
	down     int          // crashes that have not been followed by a restart
	current  *incarnation // nil while crashed
	finished []*incarnation
	failed   error
}

// incarnation is one life of a client's process.
type incarnation struct {
	slot    *slot
	runtime *live.Runtime
	store   *live.Store
	hangUp  func()
	done    chan struct{} // closed when the loop has returned

	mu     sync.Mutex
	client *client // nil before it was started
	ended  bool    // a process that crashed before it was started never is
}

// runLive runs a scenario against a real server.
func runLive(ctx context.Context, s Scenario) (*Result, error) {
	r, _, err := runLiveLogged(ctx, s, false)
	return r, err
}

func runLiveLogged(ctx context.Context, s Scenario, logOps bool) (*Result, []StoreOp, error) {
	subject, err := subjects.Find(s.Subject)
	if err != nil {
		return nil, nil, err
	}
	b, err := findBackend(s.Backend)
	if err != nil {
		return nil, nil, err
	}
	o := openOptions{bucket: fmt.Sprintf("lockproof-%016x", lock.SystemRuntime{}.Uint64()), pingEvery: s.TTL.D() / 2}
	if subject.BucketTTL {
		o.bucketTTL = s.TTL.D()
	}
	srv, err := b.open(ctx, o)
	if err != nil {
		return nil, nil, fmt.Errorf("backend %s: %w", s.Backend, err)
	}
	l := &liveRun{server: srv, started: time.Now(), choices: live.NewChoices(sim.NewRandom(s.Seed))}
	l.run = newRun(s, subject, l.now)
	if logOps {
		l.run.ops = &opLog{now: l.now}
	}
	l.ctx, l.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	result, err := l.perform(ctx)
	if closeErr := srv.close(); err == nil && closeErr != nil {
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
	l.background.Go(l.watchLateness)
	for _, s := range l.slots {
		if err := s.start(); err != nil {
			return nil, errors.Join(err, l.windDown())
		}
	}
	err := l.inject(ctx)
	if ctx.Err() == nil && err == nil {
		waitUntil(ctx, l.scenario.end()-l.now())
	}
	end := l.now()
	l.rec.close()
	interrupted := ctx.Err() != nil
	if err := errors.Join(err, l.windDown()); err != nil && !interrupted {
		return nil, err
	}
	return l.result(ctx, end, interrupted), nil
}

// watchLateness ends with the run; windDown waits for it.
func (l *liveRun) watchLateness() {
	const tick = 10 * time.Millisecond
	for l.ctx.Err() == nil {
		from := time.Now()
		waitUntil(l.ctx, tick)
		if late := int64(time.Since(from) - tick); late > l.late.Load() {
			l.late.Store(late)
		}
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
		if address := l.server.address(); address != "" {
			p, err := live.NewProxy(address, live.ProxyConfig{Name: ownerName(i), Choices: l.choices})
			if err != nil {
				return err
			}
			s.proxy = p
		}
		l.slots = append(l.slots, s)
		if err := s.prepare(ctx); err != nil {
			return err
		}
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

// prepare connects the next incarnation.
func (s *slot) prepare(ctx context.Context) error {
	via := ""
	if s.proxy != nil {
		via = s.proxy.Addr()
	}
	raw, hangUp, err := s.run.server.connect(ctx, s.index, via)
	if err != nil {
		return fmt.Errorf("client c%d: %w", s.index, err)
	}
	in := &incarnation{
		slot: s, runtime: live.NewRuntime(s.clock), store: live.NewStore(raw, s.faults), hangUp: hangUp,
		done: make(chan struct{}),
	}
	s.mu.Lock()
	s.current = in
	s.mu.Unlock()
	return nil
}

// start lets the prepared incarnation run. Its goroutine ends when the runtime
// is killed; windDown waits for it.
func (s *slot) start() error {
	s.mu.Lock()
	in := s.current
	s.mu.Unlock()
	if in == nil {
		return nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return nil
	}
	c, err := s.run.start(s.index, in)
	if err != nil {
		return err
	}
	in.client = c
	go func() {
		defer close(in.done)
		c.loop(in.runtime.Context())
	}()
	return nil
}

// crash ends the process: nothing that it does from now on counts or works.
func (s *slot) crash() {
	s.mu.Lock()
	in := s.current
	s.current = nil
	s.down++
	if in != nil {
		s.finished = append(s.finished, in)
	}
	s.mu.Unlock()
	if in != nil {
		in.end(true)
	}
}

func (in *incarnation) end(crashed bool) {
	in.mu.Lock()
	in.ended = true
	c := in.client
	in.mu.Unlock()
	if crashed && c != nil {
		c.crash()
	}
	in.runtime.Kill(live.ErrKilled)
	in.store.Kill(live.ErrKilled)
	in.hangUp()
}

// restart starts a new process, once for all crashes that came meanwhile.
func (s *slot) restart() {
	s.mu.Lock()
	s.down--
	up := s.down == 0
	s.mu.Unlock()
	if !up || s.run.ctx.Err() != nil {
		return
	}
	err := s.prepare(s.run.ctx)
	if err == nil {
		err = s.start()
	}
	if err != nil && s.run.ctx.Err() == nil {
		s.mu.Lock()
		s.failed = err
		s.mu.Unlock()
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

func (in *incarnation) wait(ctx context.Context) error {
	in.mu.Lock()
	started := in.client != nil
	in.mu.Unlock()
	if started {
		select {
		case <-in.done:
		case <-ctx.Done():
			return fmt.Errorf("client c%d did not end", in.slot.index)
		}
	}
	in.store.Drain(ctx)
	return in.runtime.Wait(ctx)
}

func (l *liveRun) result(ctx context.Context, end time.Duration, interrupted bool) *Result {
	r := &Result{
		Scenario: l.scenario, Server: l.server.describe(), Params: l.params(end), History: l.rec.history, Interrupted: interrupted,
	}
	r.Params.NoticeSlack = liveNoticeSlack + 4*time.Duration(l.late.Load())
	r.Params.HealAt = min(r.Params.HealAt, end)
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
	targets.Server.Stop, targets.Server.Start = l.server.faults()
	for _, s := range l.slots {
		// Connecting takes a while; other faults do not wait for it.
		restart := func() { l.background.Go(s.restart) }
		targets.Clients = append(targets.Clients, live.Client{
			Clock: s.clock, Proxy: s.proxy, Store: s.faults, Crash: s.crash, Restart: restart,
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
