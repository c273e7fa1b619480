package arena

import (
	"context"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// Keeper renews a lease of a library that does not renew by itself, as the
// documentation of such libraries leaves to their users.
type Keeper struct {
	lost context.Context
	stop context.CancelFunc
	done chan struct{}
}

// Keep calls renew every so often, with a time limit of every, until Stop. It
// ends Lost as soon as renew returns true, and when no renewal has succeeded
// for ttl. With every == 0 nothing is renewed, and Lost ends after ttl.
func Keep(ttl, every time.Duration, renew func(context.Context) (lost bool, err error)) *Keeper {
	work, stop := context.WithCancel(context.Background())
	lost, lose := context.WithCancelCause(context.Background())
	k := &Keeper{lost: lost, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(k.done)
		if every == 0 {
			if sleep(work, ttl) {
				lose(lock.ErrLost)
			}
			return
		}
		for until := time.Now().Add(ttl); sleep(work, min(every, time.Until(until))); {
			sent := time.Now()
			ctx, cancel := context.WithTimeout(work, every)
			gone, err := renew(ctx)
			cancel()
			if err == nil && !gone {
				until = sent.Add(ttl)
			}
			if work.Err() == nil && (gone || !time.Now().Before(until)) {
				lose(lock.ErrLost)
				return
			}
		}
	}()
	return k
}

// Lost ends when the lease is lost.
func (k *Keeper) Lost() context.Context { return k.lost }

// Stop ends the renewals and waits for the last one. It may be called more than
// once.
func (k *Keeper) Stop() {
	k.stop()
	<-k.done
}

// sleep returns true after d, or false as soon as ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
