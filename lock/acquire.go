package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// AcquireOption alters one Acquire, TryAcquire or Do.
type AcquireOption func(*acquireOptions)

type acquireOptions struct {
	try           bool
	waitLimit     time.Duration
	manualRenewal bool
	tied          bool // the lease's context ends with the caller's
}

// WaitLimit ends an Acquire that was not granted within d, with an error that is
// ErrWaitLimit: a *HeldError if somebody else certainly has the lock. Zero means
// no limit.
func WaitLimit(d time.Duration) AcquireOption { return func(o *acquireOptions) { o.waitLimit = d } }

// ManualRenewal leaves renewing to the caller (Lease.Renew). Without it the
// lease ends TTL after it was asked for.
func ManualRenewal() AcquireOption { return func(o *acquireOptions) { o.manualRenewal = true } }

// Acquire takes the lock called name, and waits for it until ctx or the wait
// limit ends. It keeps trying through conflicts, lost replies and an
// unavailable store. Errors: an ErrWaitLimit, ErrClosed, a *FormatError, what the
// store refused (ErrRefused), or the cause of ctx's end. A *HeldError and what is
// Definite say that the lock was not taken. After any other error a request may
// still be on its way and win the lock; the client then gives it back in the
// background.
func (c *Client) Acquire(ctx context.Context, name string, options ...AcquireOption) (*Lease, error) {
	return c.acquireWith(ctx, name, acquireOptions{}, options)
}

// TryAcquire takes the lock if it is free, or if its holder has not been heard
// of for its whole lease (observations outlive the call, so that calling it
// again and again takes over from a dead holder). Otherwise it returns a
// *HeldError at once.
func (c *Client) TryAcquire(ctx context.Context, name string, options ...AcquireOption) (*Lease, error) {
	return c.acquireWith(ctx, name, acquireOptions{try: true}, options)
}

// Do acquires the lock, runs f and releases. The context that f gets ends when
// ctx does or when the lease is lost (context.Cause is then an ErrLost). Do
// returns what f and the release returned, joined, and an ErrLost if the lease
// was lost before f returned.
func (c *Client) Do(ctx context.Context, name string, f func(context.Context, *Lease) error, options ...AcquireOption) (err error) {
	l, err := c.acquireWith(ctx, name, acquireOptions{tied: true}, options)
	if err != nil {
		return err
	}
	defer func() {
		lost := l.lostErr()
		releaseErr := l.Release(context.WithoutCancel(ctx))
		if lost != nil {
			releaseErr = lost
		}
		err = errors.Join(err, releaseErr)
	}()
	return f(l.Context(), l)
}

func (c *Client) acquireWith(ctx context.Context, name string, o acquireOptions, options []AcquireOption) (*Lease, error) {
	for _, option := range options {
		option(&o)
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if o.waitLimit < 0 {
		return nil, fmt.Errorf("acquire lock %q: wait limit %s is negative", name, o.waitLimit)
	}
	serial := c.nextSerial()
	a := &attempt{c: c, name: name, serial: serial, o: o, ctx: ctx}
	limited, leave, err := c.enter(ctx, serial)
	if err != nil {
		return nil, fmt.Errorf("acquire lock %q: %w", name, err)
	}
	defer leave()
	if o.waitLimit > 0 {
		var stop func()
		limited, stop = limit(limited, c.rt, o.waitLimit, ErrWaitLimit)
		defer stop()
	}
	l, err := a.run(limited)
	if err == nil && c.keep(l) {
		return l, nil
	}
	a.clear(l)
	if err == nil {
		err = ErrClosed
	}
	return nil, a.failure(err, ctx.Err() == nil)
}

// attempt is one Acquire under way.
type attempt struct {
	c      *Client
	name   string
	id     string // that its writes carry; drawn with the first
	serial uint64
	o      acquireOptions
	ctx    context.Context // the caller's, without the wait limit

	v     *view      // what is known of the record; nil: nothing
	read  bool       // v was read during this attempt
	shown *view      // what a request of this attempt showed last; v may come from a Wait
	asked bool       // the store was asked something during this attempt
	held  *HeldError // the answer of a try
	// open: a write of ours that replaces openRev may be, or become, the record.
	// sent tells when each of them was sent, by the beat that it carries; those
	// whose lease is over by now are left out.
	open     bool
	openRev  Revision
	sent     []sentBeat
	beats    uint64 // writes so far that named us: the beat of the next
	failures int    // tries in a row that brought nothing
}

func (a *attempt) run(ctx context.Context) (*Lease, error) {
	c := a.c
	a.v = c.remembered(a.name)
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if l, done, err := a.step(ctx); done || err != nil {
			return l, err
		}
	}
}

// step does one thing: look, try to take, or wait.
func (a *attempt) step(ctx context.Context) (l *Lease, done bool, err error) {
	c := a.c
	if a.v == nil && !a.asked && c.caps.ConflictReturnsCurrent {
		a.v = &view{state: &state{}} // creating it tells what there is
	}
	a.asked = true
	var freeAt, now time.Duration
	var free bool
	if a.v != nil {
		freeAt, free = c.rules.availableAt(a.v, c.cfg.MaxClockDriftPPM)
	}
	if !free {
		now = c.rt.Now()
	}
	switch {
	case a.v == nil, !a.read && !free && now < freeAt:
		return nil, false, a.look(ctx)
	case a.open && contains(a.v.state, a.id):
		return a.takeOurs(ctx)
	case free || now >= freeAt:
		return a.take(ctx)
	case a.o.try:
		a.held = a.heldError(false)
		return nil, true, a.held
	default:
		return nil, false, a.await(ctx, freeAt)
	}
}

// know takes in a view that was obtained during this attempt. Once the record
// has moved on from the revision that our open write replaces, without naming
// us, that write can land no more.
func (a *attempt) know(v *view) {
	if a.open && v.rev != a.openRev && !contains(v.state, a.id) {
		a.open = false
	}
	a.v, a.read, a.shown = v, true, v
	a.c.remember(a.name, v)
}

// heard takes in a view that a Wait brought. It may be old, and so proves nothing:
// neither that our open write can land no more, nor, if it is older than what a
// request showed, anything at all. It tells what to wait for next.
func (a *attempt) heard(v *view) {
	a.v, a.read = v, true
	if a.shown == nil || v.state.token >= a.shown.state.token {
		a.c.remember(a.name, v)
	}
}

// surelyHeld: was somebody else certainly the holder at some moment of this
// attempt? Tokens order the records, and a holder that a request showed is proof;
// so is one in a later record, whoever brought it.
func (a *attempt) surelyHeld() bool {
	if a.v == nil || a.shown == nil || len(a.v.state.holders) == 0 {
		return false
	}
	now, proof := a.v.state, a.shown.state
	return now.token > proof.token || now.token == proof.token && len(proof.holders) > 0
}

// look reads the record.
func (a *attempt) look(ctx context.Context) error {
	before := a.v
	if before == nil {
		before = a.c.remembered(a.name)
	}
	v, err := a.c.read(ctx, a.name, before)
	if err != nil {
		return a.failed(ctx, err)
	}
	a.know(v)
	if !a.open {
		// Else what was looked for is the fate of a write, which this did not tell: a
		// store that reads and does not write must not be asked at full speed for ever.
		a.failures = 0
	}
	return nil
}

// take tries to become the holder by replacing the very record that was seen.
func (a *attempt) take(ctx context.Context) (*Lease, bool, error) {
	c := a.c
	if !a.open {
		a.id = c.newID(a.serial)
	}
	h := holder{id: a.id, owner: c.cfg.Owner, ttl: c.cfg.TTL, beat: a.beats}
	next := a.v.state.withHolder(h, c.rules.grantToken(a.v.state))
	takeover := len(a.v.state.holders) > 0
	l, err := a.writeGrant(ctx, next)
	if l != nil && takeover {
		c.log.Info("lock taken over", "lock", a.name, "token", l.token)
	}
	return l, l != nil, err
}

// takeOurs: the record already names us, by an earlier write whose reply was
// lost. Its beat tells which, and so when that was sent. If the lease that it
// earned is still good, that is the grant; else the beat is raised to earn a new
// one.
func (a *attempt) takeOurs(ctx context.Context) (*Lease, bool, error) {
	c := a.c
	h, _ := a.v.state.find(a.id)
	now := c.rt.Now()
	for _, s := range a.sent {
		if s.beat != h.beat {
			continue
		}
		if end := c.rules.leaseEnd(s.at, now, h.ttl, c.cfg.MaxClockDriftPPM); now < end {
			return a.granted(a.v, end, s.at), true, nil
		}
	}
	l, err := a.writeGrant(ctx, a.v.state.withBeat(a.id, a.beats))
	return l, l != nil, err
}

// writeGrant sends next, which names us as the holder with beat a.beats. No two
// writes carry the same beat: one may land, run out and be replaced before the
// next is sent, and who saw the first must not take the second for it.
func (a *attempt) writeGrant(ctx context.Context, next *state) (*Lease, error) {
	c := a.c
	beat := a.beats
	a.beats++
	sentAt := c.rt.Now()
	wasOpen := a.open
	a.sent = slices.DeleteFunc(a.sent, func(s sentBeat) bool {
		return sentAt >= c.rules.leaseEnd(s.at, sentAt, c.cfg.TTL, c.cfg.MaxClockDriftPPM)
	})
	a.sent = append(a.sent, sentBeat{beat, sentAt})
	a.open, a.openRev = true, a.v.rev
	v, err := c.write(ctx, a.name, a.v, next)
	repliedAt := c.rt.Now()
	end := c.rules.leaseEnd(sentAt, repliedAt, c.cfg.TTL, c.cfg.MaxClockDriftPPM)
	switch {
	case err == nil:
		a.know(v)
		if repliedAt >= end {
			return nil, nil // too late to be of use; takeOurs earns a new one
		}
		return a.granted(v, end, sentAt), nil
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		a.failures++ // open until it is known who stood in the way: it may be us
		if v != nil {
			a.know(v)
		} else {
			a.v = nil
		}
		if a.failures > 3 {
			return nil, a.backOff(ctx)
		}
		return nil, nil
	case errors.Is(err, ErrRefused):
		a.open = wasOpen
		return nil, err
	case errors.Is(err, ErrUnavailable):
		// This request was not carried out; a copy of it that the network made may
		// be. The view stays, and with it the revision that all of them name.
		return nil, a.failed(ctx, err)
	}
	if c.rules.unansweredIs == failure {
		a.open = false
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if c.rules.unansweredIs == success {
		return a.granted(&view{rev: a.v.rev, state: next, seenAt: []time.Duration{sentAt}}, end, sentAt), nil
	}
	c.log.Debug("no answer to an acquire", "lock", a.name, "error", err)
	a.v = nil // look what became of it
	return nil, a.failed(ctx, err)
}

// failed decides what an error means for the attempt: it ends it (nil is never
// returned for a refusal), or there is a pause before the next try.
func (a *attempt) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, ErrRefused) {
		return err
	}
	a.failures++
	if a.o.try && a.failures > 3 {
		return err
	}
	a.c.log.Debug("acquire goes on", "lock", a.name, "failures", a.failures, "error", err)
	return a.backOff(ctx)
}

// backOff sleeps, longer each time in a row, at most PollEvery or so, and not
// past the moment at which the lock may be taken over as far as is known.
func (a *attempt) backOff(ctx context.Context) error {
	c := a.c
	d := between(c.cfg.PollEvery>>max(0, 5-a.failures), c.rt.Uint64())
	v := a.v
	if v == nil {
		v = c.remembered(a.name)
	}
	if v != nil {
		freeAt, _ := c.rules.availableAt(v, c.cfg.MaxClockDriftPPM)
		if left := freeAt - c.rt.Now(); left > 0 {
			d = min(d, left)
		}
	}
	return c.rt.Sleep(ctx, d)
}

// await waits for a change of the record, at most until it may be taken over.
func (a *attempt) await(ctx context.Context, freeAt time.Duration) error {
	c := a.c
	if c.watcher == nil {
		return a.poll(ctx, freeAt)
	}
	wait, stop := limit(ctx, c.rt, freeAt-c.rt.Now(), errSlow)
	rec, err := c.watcher.Wait(wait, a.name, a.v.rev)
	timeUp := wait.Err() != nil
	stop()
	if err != nil && !errors.Is(err, ErrNotFound) {
		if timeUp {
			return nil // run asks whose context it was
		}
		return a.poll(ctx, freeAt)
	}
	v, err := c.seen(a.name, a.v, rec, err)
	if err != nil {
		return err
	}
	a.failures = 0
	a.heard(v)
	return nil
}

// poll sleeps and looks, unless it slept until the lock may be taken over: then
// the compare-and-swap is the look.
func (a *attempt) poll(ctx context.Context, freeAt time.Duration) error {
	c := a.c
	d := between(c.cfg.PollEvery, c.rt.Uint64())
	left := freeAt - c.rt.Now()
	if err := c.rt.Sleep(ctx, min(d, left)); err != nil || d >= left {
		return err
	}
	return a.look(ctx)
}

func (a *attempt) granted(v *view, end, sentAt time.Duration) *Lease {
	a.open = false
	return startLease(a, v, end, sentAt)
}

func (a *attempt) heldError(waited bool) *HeldError {
	h := a.v.state.holders[0]
	freeAt, _ := a.c.rules.availableAt(a.v, a.c.cfg.MaxClockDriftPPM)
	return &HeldError{
		Name: a.name, Owner: h.owner, Token: a.v.state.token, TTL: h.ttl,
		FreeIn: max(0, freeAt-a.c.rt.Now()), Waited: waited,
	}
}

func contains(s *state, id string) bool {
	_, ok := s.find(id)
	return ok
}
