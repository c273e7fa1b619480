package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Lease is a grant of a lock. It is renewed in the background until it is
// released or lost. It is safe for concurrent use.
type Lease struct {
	c      *Client
	name   string
	id     string
	serial uint64
	token  uint64

	ctx    context.Context // the holder's: ends with the lease
	cancel context.CancelCauseFunc
	work   context.Context // the background tasks': ends with Release
	stop   context.CancelFunc

	mu       sync.Mutex // never held over a Store or Runtime call
	joins    []func()   // of the tasks
	started  *latch     // nil, or somebody waits for joins to be complete
	v        *view
	lastBeat uint64 // the highest beat ever sent
	end      time.Duration
	sentAt   time.Duration // of the write that earned end
	open     []sentBeat    // renewals whose outcome is not known
	lost     *LostError
	release  *release // nil until Release is called
	tasks    int      // that have not ended
}

// sentBeat is a renewal under way.
type sentBeat struct {
	beat uint64
	at   time.Duration
}

// startLease makes the lease that attempt a earned and starts its two tasks:
// the heartbeat, which renews, and the end watch, which cancels the context
// when the lease runs out whatever the heartbeat is waiting for. Both end as
// soon as the lease is lost or released; Release waits for both.
func startLease(a *attempt, v *view, end, sentAt time.Duration) *Lease {
	c := a.c
	endless := context.WithoutCancel(a.ctx)
	parent := endless
	if a.o.tied {
		parent = a.ctx
	}
	l := &Lease{
		c: c, name: a.name, id: a.id, serial: a.serial, token: v.state.token,
		v: v, lastBeat: a.beats - 1, end: end, sentAt: sentAt,
	}
	l.ctx, l.cancel = context.WithCancelCause(parent)
	l.work, l.stop = context.WithCancel(endless)
	tasks := []func(*Lease){(*Lease).heartbeat, (*Lease).watchEnd}
	if a.o.manualRenewal {
		tasks = tasks[1:]
	}
	l.tasks = len(tasks)
	joins := make([]func(), 0, len(tasks))
	for _, task := range tasks {
		joins = append(joins, c.rt.Go(func() { task(l); l.taskDone() }))
	}
	l.mu.Lock()
	l.joins = joins
	started := l.started
	l.mu.Unlock()
	if started != nil {
		started.open()
	}
	if c.log.Enabled(l.ctx, slog.LevelDebug) { // the arguments cost allocations
		c.log.Debug("lock granted", "lock", l.name, "token", l.token)
	}
	return l
}

// Name is the lock's name.
func (l *Lease) Name() string { return l.name }

// Token is the fencing token: greater than that of every earlier grant.
func (l *Lease) Token() uint64 { return l.token }

// Context ends when the lease is lost (cause: a *LostError, which is ErrLost) or
// released (cause: ErrReleased). It carries the values of Acquire's context but
// not its end; under Do, its end too.
func (l *Lease) Context() context.Context { return l.ctx }

// Valid reports whether the lease stands at this moment. By the time the answer
// is used it may not; only the fencing token covers that gap.
func (l *Lease) Valid() bool { return l.Remaining() > 0 }

// Remaining is how long the lease stands if no renewal succeeds any more; 0 once
// it is lost or released.
func (l *Lease) Remaining() time.Duration {
	now := l.c.rt.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.release != nil || l.lost != nil {
		return 0
	}
	return max(0, l.end-now)
}

// ValidUntil is the reading of the Runtime's clock at which Remaining becomes 0
// if no renewal succeeds any more.
func (l *Lease) ValidUntil() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

func (l *Lease) lostErr() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		return nil
	}
	return l.lost
}

// over returns why the lease is over, or nil.
func (l *Lease) over() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.release != nil:
		return ErrReleased
	case l.lost != nil:
		return l.lost
	}
	return nil
}

// lose ends the lease: for good, as a holder that was told so once must never
// believe again. The first reason stands, except that "expired" is corrected
// by what the store showed later.
func (l *Lease) lose(reason LostReason) *LostError {
	l.mu.Lock()
	first := l.lost == nil
	if first || l.lost.Reason == LostExpired {
		l.lost = &LostError{Name: l.name, Token: l.token, Reason: reason}
	}
	lost, released := l.lost, l.release != nil
	l.mu.Unlock()
	if first {
		l.stop()
	}
	if first && !released {
		l.cancel(lost)
		l.c.log.Warn("lease lost", "lock", l.name, "token", l.token, "reason", reason)
	}
	return lost
}

// watchEnd cancels the lease's context at the end of the lease. Started by
// startLease, ended by Release or the end, awaited by Release.
func (l *Lease) watchEnd() {
	for {
		now := l.c.rt.Now()
		end := l.ValidUntil()
		if now >= end {
			l.lose(LostExpired)
			return
		}
		if l.c.rt.Sleep(l.work, end-now) != nil {
			return
		}
	}
}

// taskDone ends a task. With the last task of a lease that was lost there is
// nothing left that Close would have to wait for; one that is being released is
// forgotten by Release.
func (l *Lease) taskDone() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tasks--; l.tasks == 0 && l.release == nil {
		delete(l.c.leases, l)
	}
}

// forget drops the lease from the client's list.
func (l *Lease) forget() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	delete(l.c.leases, l)
}

// heartbeat renews until the lease is over. Started by startLease, ended by
// Release or the loss, awaited by Release.
func (l *Lease) heartbeat() {
	cfg := &l.c.cfg
	failures := 0
	for {
		l.mu.Lock()
		due := renewAt(l.sentAt, cfg.RenewEvery)
		l.mu.Unlock()
		pause := max(0, due-l.c.rt.Now())
		if failures > 0 {
			pause = between(cfg.RenewEvery>>max(1, 5-failures), l.c.rt.Uint64())
		}
		if l.c.rt.Sleep(l.work, pause) != nil {
			return
		}
		err := l.Renew(l.work)
		switch {
		case err == nil:
			failures = 0
		case errors.Is(err, ErrLost):
			return
		case l.c.rules.joinHeartbeat && errors.Is(err, ErrReleased):
			return
		default:
			failures++
		}
	}
}

// Renew extends the lease to TTL from now. It returns nil when the store
// confirmed it; an ErrLost when the lease is over, whether the store showed it
// or the lease had run out; or another error, which leaves it open: the lease
// stands until ValidUntil, and Renew may be tried again.
func (l *Lease) Renew(ctx context.Context) error {
	if hook := l.c.cfg.Hooks.RenewStart; hook != nil {
		hook(l)
	}
	err := l.renew(ctx)
	if lost := l.lostErr(); err != nil && lost != nil {
		err = lost // whatever the store said
	}
	if hook := l.c.cfg.Hooks.RenewEnd; hook != nil {
		hook(l, err)
	}
	return err
}

func (l *Lease) renew(ctx context.Context) error {
	first := uint64(0) // the first beat of this call
	for {
		beat, base, err := l.nextBeat()
		if err != nil {
			return err
		}
		if first == 0 {
			first = beat
		}
		v, err := l.c.write(ctx, l.name, base, base.state.withBeat(l.id, beat))
		switch {
		case err == nil:
			return l.adopt(v)
		case errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound):
			// It may be our own write that stands in the way, repeated by an SDK.
		case Definite(err):
			l.settle(beat)
			return fmt.Errorf("renew lock %q: %w", l.name, err)
		default:
			if done, result := l.assume(base, beat); done {
				return result
			}
			v = nil
		}
		if v == nil {
			if v, err = l.c.read(ctx, l.name, base); err != nil {
				// That is what the read came to, and says nothing of the write.
				return fmt.Errorf("renew lock %q: %w", l.name, withoutClass(err))
			}
		}
		if renewed, err := l.take(v, base, first); err != nil || renewed {
			return err
		}
	}
}

// assume is what a mutant makes of a renewal without an answer; the sound rule
// assumes nothing.
func (l *Lease) assume(base *view, beat uint64) (done bool, err error) {
	switch l.c.rules.unansweredIs {
	case failure:
		l.settle(beat)
		return true, fmt.Errorf("renew lock %q: %w", l.name, ErrUnavailable)
	case success:
		return true, l.adopt(&view{rev: base.rev, state: base.state.withBeat(l.id, beat), seenAt: base.seenAt})
	}
	return false, nil
}

// nextBeat starts a renewal: with a beat that no write of this lease carried
// before, so that the record tells which of them it was.
func (l *Lease) nextBeat() (beat uint64, base *view, err error) {
	now := l.c.rt.Now()
	if err := l.over(); err != nil && (l.c.rules.joinHeartbeat || !errors.Is(err, ErrReleased)) {
		return 0, nil, err
	}
	if now >= l.ValidUntil() {
		return 0, nil, l.lose(LostExpired)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastBeat++
	l.open = append(l.open, sentBeat{l.lastBeat, now})
	return l.lastBeat, l.v, nil
}

// settle forgets a renewal that is known not to have been applied.
func (l *Lease) settle(beat uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(s sentBeat) bool { return s.beat == beat })
}

// take judges a record that was read in the middle of a renewal: an error if it
// shows the lease gone, renewed if it carries the first beat of this renewal or a
// later one, else there is another try to make on top of it (or, if it is the
// record that we replaced or an older one, an answer still to come). The beat of
// an earlier renewal that landed late counts for the lease from when it was sent,
// which is less than this call was asked for.
func (l *Lease) take(v, base *view, first uint64) (renewed bool, err error) {
	switch standingOf(v.state, l.id, l.token) {
	case standingFreed:
		return false, l.lose(LostFreed)
	case standingReplaced:
		return false, l.lose(LostTaken)
	case standingOld:
		return false, fmt.Errorf("renew lock %q: the store answered with an old record", l.name)
	}
	h, _ := v.state.find(l.id)
	if known, _ := base.state.find(l.id); h.beat < known.beat {
		return false, fmt.Errorf("renew lock %q: the store answered with an old record", l.name)
	}
	if err := l.adopt(v); err != nil {
		return false, err
	}
	renewed = h.beat >= first
	if !renewed && v.rev == base.rev {
		return false, fmt.Errorf("renew lock %q: beat %d is not confirmed yet", l.name, h.beat+1)
	}
	return renewed, nil
}

// adopt takes v, which names us, as the record to build on. If it carries a
// beat of ours that was open, the lease now counts from when that was sent;
// unless the lease had ended before the answer came. The store would still honour
// it, but a belief that has ended must not come back: whoever asked Valid in
// between has acted on the answer.
func (l *Lease) adopt(v *view) error {
	h, _ := v.state.find(l.id)
	now := l.c.rt.Now()
	l.mu.Lock()
	known, _ := l.v.state.find(l.id)
	if h.beat < known.beat {
		l.mu.Unlock()
		return nil // older than what we have
	}
	l.v = v
	if now < l.end {
		for _, s := range l.open {
			if s.beat == h.beat {
				l.sentAt = s.at
				l.end = max(l.end, l.c.rules.leaseEnd(s.at, now, h.ttl, l.c.cfg.MaxClockDriftPPM))
			}
		}
	}
	l.open = slices.DeleteFunc(l.open, func(s sentBeat) bool { return s.beat <= h.beat })
	end, lost := l.end, l.lost
	l.mu.Unlock()
	switch {
	case lost != nil:
		return lost // told so already, and for good
	case now >= end:
		return l.lose(LostExpired)
	}
	return nil
}
