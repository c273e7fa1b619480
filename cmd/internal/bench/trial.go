package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/subjects"
)

// trial is one failure of one holder.
type trial struct {
	c       *FailoverConfig
	failure Failure
	number  int
	name    string // of the lock
	random  *rand.Rand

	holder   *Seat
	waiters  []*Seat
	proxy    *live.Proxy // before the holder; nil: none
	resource *resource
	lease    subjects.Lease

	mu       sync.Mutex
	contact  bool      // a waiter has had an answer
	beatSent time.Time // of the holder's last write to the key that succeeded
	failedAt time.Time // zero: not yet
	triedAt  time.Time // the first try of a waiter after that; zero: none was seen
	early    bool      // the holder had lost the lock before that
	doubled  bool      // the holder still believed in its lease at the grant
}

// times is what came of a trial.
type times struct {
	phase, detect, acquire, resume, outage, failover time.Duration
	tried                                            bool // the first try was seen, so that detect and acquire are known
	doubled                                          bool
	stale                                            int64
}

// resource is what the lock protects.
type resource struct {
	latency time.Duration

	mu      sync.Mutex
	highest uint64
	refused int64
}

var errStale = errors.New("the resource has seen a higher token")

// access reads or writes, and returns when that was done.
func (r *resource) access(ctx context.Context, token uint64) (time.Time, error) {
	if err := pause(ctx, r.latency); err != nil {
		return time.Time{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if token < r.highest {
		r.refused++
		return time.Time{}, errStale
	}
	r.highest = token
	return time.Now(), nil
}

// update reads and writes, and returns when the write was done.
func (r *resource) update(ctx context.Context, token uint64) (time.Time, error) {
	if _, err := r.access(ctx, token); err != nil {
		return time.Time{}, err
	}
	return r.access(ctx, token)
}

// arm connects the clients, lets the holder acquire and the others wait, and
// returns once they do and a renewal is due at a random time from now. What it
// started ends by disarm.
func (t *trial) arm(ctx context.Context) error {
	who := t.c.Contender
	base := t.number * (t.c.Waiters + 1)
	via := ""
	if t.failure != Crash && t.failure != Restart {
		proxy, err := live.NewProxy(who.Address(base), live.ProxyConfig{Name: t.name, Choices: newChoices(uint64(t.number))})
		if err != nil {
			return err
		}
		t.proxy, via = proxy, proxy.Addr()
	}
	var err error
	if t.holder, err = who.seat(ctx, Place{Client: base, Via: via, Trace: t.holderCalled}); err != nil {
		return err
	}
	for i := range t.c.Waiters {
		s, err := who.seat(ctx, Place{Client: base + 1 + i, Trace: t.waiterCalled})
		if err != nil {
			return err
		}
		t.waiters = append(t.waiters, s)
	}
	if err := pause(ctx, time.Duration(t.random.Int64N(int64(who.Settings.RenewEvery)))); err != nil {
		return err
	}
	t.lease, err = t.holder.Locker.Acquire(ctx, t.name, noOptions)
	if err != nil {
		return fmt.Errorf("acquire %s: %w", t.name, err)
	}
	return nil
}

// disarm ends all that the trial started.
func (t *trial) disarm() {
	var all sync.WaitGroup
	for _, s := range append([]*Seat{t.holder}, t.waiters...) {
		if s != nil {
			all.Go(s.Close)
		}
	}
	all.Wait()
	if t.proxy != nil {
		_ = t.proxy.Close()
	}
}

// holderCalled sees the holder's calls.
func (t *trial) holderCalled(c Call) {
	if !c.Op.Writes() || c.Err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failedAt.IsZero() || c.Invoked.Before(t.failedAt) {
		t.beatSent = c.Invoked
	}
}

// waiterCalled sees the calls of those who wait.
func (t *trial) waiterCalled(c Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.contact = true
	switch {
	case !c.Op.Writes():
	case t.failedAt.IsZero() || !c.Invoked.After(t.failedAt):
		t.early = t.early || c.Err == nil
	case t.triedAt.IsZero() || c.Invoked.Before(t.triedAt):
		t.triedAt = c.Invoked
	}
}

func (t *trial) inContact() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.contact
}

// grant is a lock that a waiter got.
type grant struct {
	lease subjects.Lease
	at    time.Time
	err   error
}

// perform lets an armed trial happen. strike brings the failure about when it is
// called, and returns when it has; undo heals.
func (t *trial) perform(ctx context.Context, strike func(context.Context) error) (times, error) {
	s := t.c.Contender.Settings
	limited, cancel := context.WithTimeoutCause(ctx, t.patience(), errNoFailover)
	defer cancel()
	grants := make(chan grant, len(t.waiters))
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for _, w := range t.waiters {
		all.Go(func() {
			l, err := w.Locker.Acquire(limited, t.name, noOptions)
			grants <- grant{l, time.Now(), err}
		})
	}
	lastWrite := make(chan time.Time, 1)
	writing, stopWriting := context.WithCancel(limited)
	defer stopWriting()
	all.Go(func() { lastWrite <- t.write(writing) })
	if err := pause(limited, s.RenewEvery); err != nil {
		return times{}, err
	}
	for t.waiters[0].Counts != nil && !t.inContact() {
		if err := pause(limited, time.Millisecond); err != nil {
			return times{}, fmt.Errorf("lock %s: no client came to wait for it: %w", t.name, err)
		}
	}
	if err := strike(limited); err != nil {
		return times{}, err
	}
	if t.failure == Crash {
		stopWriting()
	}
	won := firstOf(grants, len(t.waiters))
	t.doubled = t.failure != Crash && t.believes()
	if won.err != nil {
		return times{}, fmt.Errorf("lock %s: %w", t.name, won.err)
	}
	resumed, err := t.resource.update(limited, won.lease.Token())
	if err != nil {
		return times{}, fmt.Errorf("lock %s: the new holder's write: %w", t.name, err)
	}
	stopWriting()
	return t.account(won, resumed, <-lastWrite)
}

// firstOf returns the first of n that was granted, else the last.
func firstOf(grants <-chan grant, n int) (g grant) {
	for range n {
		if g = <-grants; g.err == nil {
			return g
		}
	}
	return g
}

var errNoFailover = errors.New("the lock did not pass to another client")

// patience bounds a trial: what a sound lock needs, three times, and some.
func (t *trial) patience() time.Duration {
	d := 3*(t.c.Contender.Settings.TTL+2*t.c.Contender.Settings.RenewEvery) + 15*time.Second
	if t.failure == Restart {
		d += 2 * t.c.Downtime
	}
	return d
}

// write is the holder's work: a protected write again and again while it
// believes in its lease. It returns when the last one succeeded.
func (t *trial) write(ctx context.Context) (last time.Time) {
	for t.believes() {
		at, err := t.resource.update(ctx, t.lease.Token())
		if ctx.Err() != nil || errors.Is(err, errStale) {
			return last
		}
		if err == nil {
			last = at
		}
		if pause(ctx, t.c.WriteEvery) != nil {
			return last
		}
	}
	return last
}

func (t *trial) believes() bool {
	until, bounded := t.lease.ValidUntil()
	return t.lease.Lost().Err() == nil && (!bounded || t.holder.Now == nil || t.holder.Now() < until)
}

// errVoid: there was no failover to measure.
var errVoid = errors.New("the holder lost its lock before it was made to fail")

// account turns what was seen into times.
func (t *trial) account(won grant, resumed, lastWrite time.Time) (times, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := t.waiters[0].Counts != nil
	if t.early || won.at.Before(t.failedAt) || lastWrite.IsZero() || seen && t.triedAt.IsZero() {
		return times{}, errVoid // the last: the try that won was under way already
	}
	r := times{
		phase: t.failedAt.Sub(t.beatSent), failover: won.at.Sub(t.failedAt), resume: resumed.Sub(won.at),
		outage: resumed.Sub(lastWrite), stale: t.resource.refused, doubled: t.doubled,
	}
	if !t.triedAt.IsZero() {
		r.tried, r.detect, r.acquire = true, t.triedAt.Sub(t.failedAt), won.at.Sub(t.triedAt)
	}
	return r, nil
}

// failNow notes the time of the failure, and whether there is anything to lose.
func (t *trial) failNow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failedAt = time.Now()
	t.early = t.early || t.lease == nil || !t.believes()
}

// strikeAlone is the failure of this trial's holder, at a random phase.
func (t *trial) strikeAlone(ctx context.Context) error {
	if err := pause(ctx, time.Duration(t.random.Int64N(int64(t.c.Contender.Settings.RenewEvery)))); err != nil {
		return err
	}
	t.failNow()
	switch t.failure {
	case Crash:
		t.holder.Kill()
	case Partition:
		t.proxy.Cut(live.Requests, live.Replies)
	case PartitionRequests:
		t.proxy.Cut(live.Requests)
	case PartitionReplies:
		t.proxy.Cut(live.Replies)
	default:
		return fmt.Errorf("%s is not a failure of one holder", t.failure)
	}
	return nil
}
