package lock

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// chore is background work that belongs to no lease.
type chore struct {
	cancel context.CancelFunc
	join   func()
	done   *bool
}

// Close gives back every lease of the client and waits for its background work
// and for each Release under way.
// Acquires under way end with ErrClosed; one that has a request on its way may
// take up to RequestTimeout more, to give back what that may win. The error
// joins those of the releases, except of leases that were lost.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	leases := make([]*Lease, 0, len(c.leases))
	for l := range c.leases {
		leases = append(leases, l)
	}
	entered := make([]uint64, 0, len(c.entered))
	for serial := range c.entered {
		entered = append(entered, serial)
	}
	// A map has no order; the simulator needs one.
	slices.SortFunc(leases, func(a, b *Lease) int { return cmp.Compare(a.serial, b.serial) })
	slices.Sort(entered)
	cancels := make([]context.CancelCauseFunc, 0, len(entered))
	for _, serial := range entered {
		cancels = append(cancels, c.entered[serial])
	}
	chores := c.chores
	c.chores = nil
	c.mu.Unlock()

	for _, cancel := range cancels {
		cancel(ErrClosed)
	}
	var errs []error
	for _, l := range leases {
		if err := l.Release(ctx); err != nil && l.lostErr() == nil {
			errs = append(errs, err)
		}
	}
	c.finish(ctx, chores)
	return errors.Join(errs...)
}

// finish waits for chores, at most RequestTimeout before it cancels them. Its
// task is ended and awaited here.
func (c *Client) finish(ctx context.Context, chores []chore) {
	if len(chores) == 0 {
		return
	}
	patience, stop := context.WithCancel(ctx)
	join := c.rt.Go(func() {
		_ = c.rt.Sleep(patience, c.cfg.RequestTimeout)
		for _, ch := range chores {
			ch.cancel()
		}
	})
	for _, ch := range chores {
		ch.join()
	}
	stop()
	join()
}

// enter returns a context that also ends, with ErrClosed, when the client is
// closed. leave must be called.
func (c *Client) enter(ctx context.Context, serial uint64) (entered context.Context, leave func(), err error) {
	entered, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		cancel(ErrClosed)
		return nil, nil, ErrClosed
	}
	c.entered[serial] = cancel
	return entered, func() {
		cancel(nil)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.entered, serial)
	}, nil
}

// keep puts a lease on the list of those that Close gives back, unless it is
// over already. It reports false on a closed client.
func (c *Client) keep(l *Lease) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if l.over() == nil {
		c.leases[l] = struct{}{}
	}
	return true
}

// spawn runs f in the background until it returns or the client is closed. It
// reports false, and does not run f, on a closed client.
func (c *Client) spawn(ctx context.Context, f func(context.Context)) bool {
	if c.isClosed() {
		return false
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := new(bool)
	join := c.rt.Go(func() {
		f(ctx)
		cancel()
		c.mu.Lock()
		*done = true
		c.mu.Unlock()
	})
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.chores = slices.DeleteFunc(c.chores, func(ch chore) bool { return *ch.done })
		c.chores = append(c.chores, chore{cancel, join, done})
	}
	c.mu.Unlock()
	if closed { // Close did not see it
		cancel()
		join()
	}
	return true
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
