package sim

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/fault"
)

// Epoch is every node's Wall at the start of a run, but for clock-offset faults:
// a date in 2019, so that offsets and jumps of ten years leave it positive.
const Epoch = 50 * 365 * 24 * time.Hour

// Config describes a world. Chooser and Clients are required.
type Config struct {
	// Chooser makes every choice.
	Chooser Chooser
	// Plan is what goes wrong.
	Plan fault.Plan
	// Clients is the number of nodes, 1 to 4096.
	Clients int
	Latency LatencyConfig
	Store   StoreConfig
	// PreemptEvery makes about one in so many calls of Runtime.Now interrupt the
	// task that calls, before or after it has read the clock, so that other tasks
	// of the process run and up to MaxPreempt passes. The process must then hold no
	// mutex over a call of Now. 0: a task runs until it blocks.
	PreemptEvery int
	// StuckAfter is how long, in real time, one step of a task may take before
	// Run gives up with ErrStuck. Default 10 s.
	StuckAfter time.Duration
}

// LatencyConfig is how long messages take when nothing is wrong.
type LatencyConfig struct {
	// Min and Max bound the time one way, drawn for each message. Default
	// 200 µs to 2 ms.
	Min, Max time.Duration
	// Departure bounds the time between a call and the moment its request
	// leaves the process, at least 1 ns. Default 5 µs.
	Departure time.Duration
	// Reads and Writes are how long a round trip takes, as it was measured on a
	// real store: quantiles at equal distances of probability, from the smallest
	// to the largest. Where given they take the place of Min and Max. A round
	// trip is drawn as one, evenly between two neighbours, and spends half of it
	// each way: two halves that were drawn apart would have a shorter tail.
	// Writes are compare-and-swaps, deletes, puts and removes; all else reads.
	Reads, Writes []time.Duration
}

// StoreConfig is what kind of store it is.
type StoreConfig struct {
	// BucketTTL: a key that was not written for so long is removed. 0: never.
	BucketTTL time.Duration
	// Watch: clients may Wait.
	Watch bool
	// ConflictReturnsCurrent: a failed CompareAndSwap carries the current record.
	ConflictReturnsCurrent bool
	// RevisionsPerKey: each key counts its own writes, so that the same revision
	// occurs under many keys. Otherwise no revision occurs twice in the store.
	RevisionsPerKey bool
	// Retry: the clients' SDK sends a request again, up to three times in all, if
	// a message of it was lost, so long after it had left. A write that was
	// carried out then meets itself: it ends in a conflict. 0: no SDK retries.
	Retry time.Duration
	// WatchLag bounds how late a Wait is told of a change, and how old the answer
	// to a Wait may be whose key has changed already. It goes as far as
	// lock.Watcher allows. 0: told at once, of what is there.
	WatchLag time.Duration
}

func (c *Config) validate() error {
	if c.Chooser == nil {
		return errors.New("sim: Chooser is nil")
	}
	if c.Clients < 1 || c.Clients > 4096 {
		return fmt.Errorf("sim: Clients %d must be between 1 and 4096", c.Clients)
	}
	if c.Latency.Min == 0 && c.Latency.Max == 0 {
		c.Latency.Min, c.Latency.Max = 200*time.Microsecond, 2*time.Millisecond
	}
	if c.Latency.Departure == 0 {
		c.Latency.Departure = 5 * time.Microsecond
	}
	if c.StuckAfter == 0 {
		c.StuckAfter = 10 * time.Second
	}
	if c.Latency.Min < 0 || c.Latency.Max < c.Latency.Min {
		return fmt.Errorf("sim: Latency.Max %v must not be under Latency.Min %v, nor that negative", c.Latency.Max, c.Latency.Min)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Latency.Departure", c.Latency.Departure}, {"StuckAfter", c.StuckAfter}, {"Store.BucketTTL", c.Store.BucketTTL},
		{"Store.Retry", c.Store.Retry}, {"Store.WatchLag", c.Store.WatchLag}, {"PreemptEvery", time.Duration(c.PreemptEvery)},
	} {
		if d.value < 0 {
			return fmt.Errorf("sim: %s %v must not be negative", d.name, d.value)
		}
	}
	for _, table := range [][]time.Duration{c.Latency.Reads, c.Latency.Writes} {
		if len(table) > 0 && (table[0] < 0 || !slices.IsSorted(table)) {
			return errors.New("sim: Latency.Reads and Latency.Writes must rise and not be negative")
		}
	}
	return validatePlan(c.Plan, c.Clients)
}

// World is one simulated world. Its methods, and those of its nodes, may be
// called from tasks, from observers, and between calls of Run, never from
// another goroutine.
type World struct {
	config  Config
	chooser Chooser
	picker  Scheduler // the chooser, if it wants to know the tasks

	now     time.Duration
	queue   queue
	ready   []*task
	picks   []uint64
	current *task
	nodes   []*Node
	store   *server
	plan    []activeFault

	schedule, latency, departure, jitter     *stream
	loss, duplicate, throttle, failover      *stream
	stale, waking, refusal, watching         *stream
	tampering, preempting, timingOut         *stream
	streams                                  map[string]*stream // World.Choose
	hash                                     uint64
	counters                                 Counters
	trace                                    func(time.Duration, string)
	onWrite                                  func(Write)
	onTamper                                 func(Tamper)
	strikes                                  []Strike
	untilPreempt                             uint64 // calls of Now
	freeEvents                               []*event
	freeTasks                                []*task
	freeWorkers                              []*worker
	freeCalls                                []*call
	lastEvent, lastTask, lastCall, atInstant uint64

	err     error
	stuck   error // set by Run alone, when it gives the world up
	closed  bool
	stopped bool
	beats   uint64
	pulse   atomic.Uint64 // beats and node of the step under way, for the watchdog
	phase   atomic.Uint32 // idle, running or abandoned
}

// New returns a world at time 0. It must be closed.
func New(c Config) (*World, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	w := &World{config: c, chooser: c.Chooser, hash: hashName("lockproof.sim/v1"), streams: make(map[string]*stream, 8)}
	w.picker, _ = c.Chooser.(Scheduler)
	for _, s := range []struct {
		at   **stream
		name string
	}{
		{&w.schedule, streamSchedule}, {&w.latency, streamLatency}, {&w.departure, streamDeparture},
		{&w.jitter, streamJitter}, {&w.loss, streamLoss}, {&w.duplicate, streamDuplicate},
		{&w.throttle, streamThrottle}, {&w.failover, streamFailover}, {&w.stale, streamStale}, {&w.waking, streamWake},
		{&w.refusal, streamRefusal}, {&w.watching, streamWatch}, {&w.tampering, streamTamper},
		{&w.preempting, streamPreempt}, {&w.timingOut, streamTimeout},
	} {
		*s.at = newStream(c.Chooser, s.name)
	}
	w.store = newServer(w)
	w.drawPreemption()
	for i := range c.Clients {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	w.armPlan(c.Plan)
	return w, nil
}

// Node returns client i's machine, i from 0.
func (w *World) Node(i int) *Node { return w.nodes[i] }

// Now returns the true time since the start.
func (w *World) Now() time.Duration { return w.now }

// At calls f at true time at, or now if that is past. f is an observer: no
// fault touches it, and it must not block.
func (w *World) At(at time.Duration, f func()) {
	ev := w.newEvent(evObserve, nil)
	ev.f = f
	w.queue.push(max(at, w.now), ev)
}

// Stop makes the current Run return as soon as the step under way is over.
func (w *World) Stop() { w.stopped = true }

// Choose draws from a stream of the world's Chooser, and counts in its Hash:
// for choices of the workload.
func (w *World) Choose(stream string, n uint64) uint64 {
	s, ok := w.streams[stream]
	if !ok {
		s = newStream(w.chooser, stream)
		w.streams[stream] = s
	}
	return w.choose(s, n)
}

func (w *World) choose(s *stream, n uint64) uint64 {
	if n <= 1 {
		return 0
	}
	var v uint64
	if s.source != nil {
		v = s.source.choose(n)
	} else if v = s.chooser.Choose(s.name, n); v >= n {
		panic(fmt.Sprintf("sim: Chooser answered %d to %q of %d", v, s.name, n))
	}
	w.counters.Choices++
	w.mix(s.hash + v)
	return v
}

// maxAtInstant bounds how much can happen in one instant: more is a loop that
// waits for time to pass without letting it.
const maxAtInstant = 10_000_000

// loop runs all that happens up to and including until.
func (w *World) loop(until time.Duration) {
	for w.err == nil && !w.stopped && w.phase.Load() == phaseRunning {
		if len(w.queue.slots) > 0 {
			if at := w.queue.slots[0].at; at == w.now || len(w.ready) == 0 && at <= until {
				if at > w.now {
					w.now, w.atInstant = at, 0
				}
				w.deliver(w.queue.pop())
				continue
			}
		}
		if len(w.ready) == 0 {
			w.now, w.atInstant = max(w.now, until), 0
			return
		}
		if w.atInstant++; w.atInstant > maxAtInstant {
			w.fail(fmt.Errorf("%w: %d steps at %v and time does not pass, last on node %d",
				ErrStuck, w.atInstant, w.now, w.ready[0].node.index))
			return
		}
		w.step(w.pick())
	}
}

// pick removes and returns one of the ready tasks.
func (w *World) pick() *task {
	i := 0
	if k := len(w.ready); k > 1 {
		if w.picker == nil {
			i = int(w.choose(w.schedule, uint64(k)))
		} else {
			i = w.pickByID()
		}
	}
	t := w.ready[i]
	w.ready = append(w.ready[:i], w.ready[i+1:]...)
	return t
}

func (w *World) pickByID() int {
	w.picks = w.picks[:0]
	for _, t := range w.ready {
		w.picks = append(w.picks, t.id)
	}
	i := w.picker.Pick(w.picks)
	w.counters.Choices++
	w.mix(w.schedule.hash + uint64(i))
	return i
}

// deliver lets an event happen.
func (w *World) deliver(ev *event) {
	w.counters.Events++
	w.mixEvent(ev)
	switch ev.kind {
	case evWake:
		ev.node.wakeSleeper(ev)
	case evDepart:
		ev.node.depart(ev)
	case evArrive:
		w.arrive(ev)
	case evReply:
		ev.node.link.deliver(ev)
	case evAlarm:
		f := ev.f
		w.dropTimer(ev)
		w.observe(f)
	case evObserve:
		f := ev.f
		w.freeEvent(ev)
		w.observe(f)
	case evFaultStart:
		w.startFault(ev.fault)
	case evFaultEnd:
		w.endFault(ev.fault)
	case evStrike:
		w.strikeLate(ev.fault)
	case evExpire:
		w.store.expire(ev.entry)
	}
}

// observe calls a function of the harness, which may have ended contexts.
func (w *World) observe(f func()) {
	w.beat(nil)
	f()
	for _, n := range w.nodes {
		w.endContexts(n)
	}
}

// Close unwinds every task and ends every coroutine. It is safe to call twice.
// If Run returned ErrStuck, it leaves the stuck goroutine alone: that unwinds
// the world by itself if it ever comes back.
func (w *World) Close() {
	if w.stuck != nil || w.closed {
		return
	}
	w.unwind()
}

func (w *World) unwind() {
	w.closed = true
	for _, n := range w.nodes {
		w.kill(n)
	}
	for _, p := range w.freeWorkers {
		p.stop()
	}
	w.freeWorkers = nil
}
