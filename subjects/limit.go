package subjects

import (
	"context"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// WithLimit returns a context that ends after d on rt's clock, as one request to a
// store should: in the simulator a request or reply that is lost is silence until
// the context ends, and context.WithTimeout counts on a clock that is not there.
// stop must be called; it waits until the task behind the limit is gone.
func WithLimit(ctx context.Context, rt lock.Runtime, d time.Duration) (limited context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	join := rt.Go(func() {
		if rt.Sleep(ctx, d) == nil {
			cancel()
		}
	})
	return ctx, func() {
		cancel()
		join()
	}
}
