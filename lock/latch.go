package lock

import "context"

// latch is something that happens once and can be waited for by means of a
// Runtime alone.
type latch struct {
	ctx  context.Context // ends when it happens, and not otherwise
	open context.CancelFunc
}

// newLatch makes a latch. ctx is there for its values.
func newLatch(ctx context.Context) latch {
	ctx, open := context.WithCancel(context.WithoutCancel(ctx))
	return latch{ctx, open}
}

// wait returns when the latch is open.
func (w latch) wait(rt Runtime) {
	for w.ctx.Err() == nil {
		_ = rt.Sleep(w.ctx, maxTTL)
	}
}

// waitFor returns nil when the latch is open, or why ctx ended before. Its task
// is ended and awaited here.
func (w latch) waitFor(ctx context.Context, rt Runtime) error {
	either, stop := context.WithCancel(ctx)
	watched, unwatch := context.WithCancel(w.ctx)
	join := rt.Go(func() {
		latch{ctx: watched}.wait(rt)
		stop()
	})
	latch{ctx: either}.wait(rt)
	unwatch()
	join()
	stop()
	if w.ctx.Err() == nil {
		return CauseOf(ctx)
	}
	return nil
}
