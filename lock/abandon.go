package lock

import (
	"context"
	"errors"
	"fmt"
)

// failure is the error of an attempt that ends with err. patient tells that the
// caller's context has not ended. What says that the lock was not taken must
// not be said while a write of ours is open: the last request may certainly not
// have been carried out, and an earlier one may be.
func (a *attempt) failure(err error, patient bool) error {
	limited := patient && errors.Is(err, ErrWaitLimit)
	switch {
	case a.held != nil:
		return a.held
	case limited && !a.open && a.surelyHeld():
		return a.heldError(true)
	case a.open && limited:
		return fmt.Errorf("acquire lock %q: not known to have failed: %w", a.name, ErrWaitLimit)
	case a.open && (Definite(err) || errors.Is(err, ErrHeld)):
		return fmt.Errorf("acquire lock %q: not known to have failed: %v", a.name, err)
	}
	return fmt.Errorf("acquire lock %q: %w", a.name, err)
}

// clear gives back what an attempt that ends without a lease has won (l, on a
// client that was closed meanwhile) or may still win.
func (a *attempt) clear(l *Lease) {
	c := a.c
	if l == nil && (!a.open || c.spawn(a.ctx, a.giveBack)) {
		return
	}
	ctx, stop := limit(context.WithoutCancel(a.ctx), c.rt, c.cfg.RequestTimeout, ErrClosed)
	defer stop()
	if l == nil {
		a.giveBack(ctx)
		return
	}
	_ = l.Release(ctx) // what is not released runs out
}

// giveBack looks, for as long as a lease, whether the abandoned attempt was or
// will be granted after all, and frees the lock if so. If it does not succeed,
// the lease runs out by itself.
func (a *attempt) giveBack(ctx context.Context) {
	c := a.c
	until := c.rt.Now() + c.cfg.TTL
	for ctx.Err() == nil && c.rt.Now() < until {
		v, err := c.read(ctx, a.name, nil)
		switch {
		case err != nil:
		case v.rev != a.openRev && !contains(v.state, a.id):
			return // the write named openRev, and can land no more
		case contains(v.state, a.id):
			_, err := c.write(ctx, a.name, v, v.state.without(a.id))
			if err == nil {
				return
			}
			if errors.Is(err, ErrConflict) {
				continue
			}
		}
		if c.rt.Sleep(ctx, between(c.cfg.PollEvery, c.rt.Uint64())) != nil {
			return
		}
	}
}
