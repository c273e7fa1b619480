package lock

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Release gives the lock back. From the moment it is called the lease is not
// Valid; the heartbeat is stopped before anything is written. It returns nil
// when the record is free by this call (even if the lease had run out, as long
// as nobody had taken over), an ErrLost when it was not ours any more, an
// ErrUnconfirmed when it may have been either, or, when the store gave no answer
// until ctx or the lease ended, another error: the lock is then taken over once
// it was not heard of for TTL, like that of a dead holder. A renewal that is
// still on its way counts as a sign of life when it arrives.
//
// Only the first call does anything. Every other one waits until that has
// finished, or ctx ends, and returns the same.
func (l *Lease) Release(ctx context.Context) error {
	r, first := l.beginRelease()
	if !first {
		return l.awaitRelease(ctx, r)
	}
	if l.c.rules.joinHeartbeat {
		l.stop()
		for _, join := range l.tasksJoins() {
			join()
		}
	}
	l.cancel(ErrReleased)
	r.err = l.free(ctx)
	l.forget()
	r.done.open()
	return r.err
}

// release is the one release of a lease.
type release struct {
	done latch
	err  error // once done is open
}

// beginRelease ends the lease. From here to the end of the release Close waits
// for it.
func (l *Lease) beginRelease() (r *release, first bool) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.release != nil {
		return l.release, false
	}
	l.release = &release{done: newLatch(l.ctx)}
	l.c.leases[l] = struct{}{}
	return l.release, true
}

// awaitRelease waits for another task's Release.
func (l *Lease) awaitRelease(ctx context.Context, r *release) error {
	if err := r.done.waitFor(ctx, l.c.rt); err != nil {
		return fmt.Errorf("release lock %q: another call of Release is not finished: %w", l.name, err)
	}
	return r.err
}

// tasksJoins waits until every task of the lease has been started: a hook may
// have handed the lease to a task that releases it before Acquire has returned.
func (l *Lease) tasksJoins() []func() {
	l.mu.Lock()
	if l.joins == nil {
		started := newLatch(l.ctx)
		l.started = &started
		l.mu.Unlock()
		started.wait(l.c.rt)
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	return l.joins
}

// free writes the record without us, over and over until it is known how that
// went or it no longer matters.
func (l *Lease) free(ctx context.Context) error {
	c := l.c
	l.mu.Lock()
	v, lost := l.v, l.lost
	until := l.sentAt + c.cfg.TTL
	l.mu.Unlock()
	if lost != nil && lost.Reason != LostExpired {
		return lost
	}
	open := false // a write of ours has no answer
	for failures := 0; ; failures++ {
		freed, err := c.write(ctx, l.name, v, v.state.without(l.id))
		switch {
		case err == nil:
			c.remember(l.name, freed)
			l.rebase(freed)
			return nil
		case !Definite(err) && c.rules.unansweredIs == success:
			return nil
		case errors.Is(err, ErrRefused):
			if open { // by an earlier write
				err = withoutClass(err)
			}
			return fmt.Errorf("release lock %q: %w", l.name, err)
		}
		// A request that was refused may have a copy that is not.
		open = open || !(errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound))
		now, readErr := freed, error(nil)
		if now == nil {
			now, readErr = c.read(ctx, l.name, v)
		}
		if readErr == nil {
			if standingOf(now.state, l.id, l.token) == standingMine {
				v = now
			} else if done, result := l.freed(now, open); done {
				return result
			}
		}
		if ctx.Err() != nil || c.rt.Now() >= until && failures > 0 {
			if open {
				err = withoutClass(err)
			}
			return fmt.Errorf("release lock %q: not confirmed, can be taken over when unheard of for %s: %w",
				l.name, c.cfg.TTL, errors.Join(err, withoutClass(readErr), CauseOf(ctx)))
		}
		if readErr != nil || failures > 2 {
			_ = c.rt.Sleep(ctx, between(c.cfg.PollEvery>>max(0, 5-failures), c.rt.Uint64()))
		}
	}
}

// freed judges a record that does not name us, read during a release. open
// tells that a write of the release has no answer. A record that is free under
// our own token was freed by us (an SDK that repeats a write meets its own), or
// by an operator, and nobody was granted it since: the same to the caller.
func (l *Lease) freed(now *view, open bool) (done bool, err error) {
	switch standingOf(now.state, l.id, l.token) {
	case standingFreed:
		if !open && now.state.token == 0 {
			return true, l.lose(LostFreed)
		}
		l.c.remember(l.name, now)
		return true, nil
	case standingReplaced:
		switch {
		case !open:
			return true, l.lose(LostTaken)
		case l.c.rt.Now() < l.ValidUntil():
			return true, nil // nobody may take over yet, so it was our write that freed it
		}
		return true, fmt.Errorf("release lock %q: %w", l.name, ErrUnconfirmed)
	}
	return false, nil
}

// rebase lets a heartbeat that was not stopped (a mutant's) build on the record
// that the release wrote.
func (l *Lease) rebase(v *view) {
	if l.c.rules.joinHeartbeat {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	held := *v
	held.state = v.state.withHolder(holder{id: l.id, owner: l.c.cfg.Owner, ttl: l.c.cfg.TTL, beat: l.lastBeat}, l.token)
	held.seenAt = []time.Duration{l.sentAt}
	l.v = &held
}
