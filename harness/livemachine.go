package harness

import (
	"context"
	"time"

	"github.com/lockproof/lockproof/harness/live"
	"github.com/lockproof/lockproof/subjects"
)

// env implements machine.
func (in *incarnation) env() subjects.Env {
	return subjects.Env{
		Client: in.slot.index, Owner: ownerName(in.slot.index), Store: in.store, Runtime: in.runtime,
		Monotonic: in.slot.clock.Monotonic, Wall: in.slot.clock.Wall, Settings: in.slot.run.scenario.settings(),
	}
}

// choose implements machine.
func (in *incarnation) choose(stream string, n uint64) uint64 {
	return in.slot.run.choices.Choose(stream+"/"+ownerName(in.slot.index), n)
}

// access implements machine: the resource is in this process, and near.
func (in *incarnation) access(ctx context.Context, f func()) error {
	if in.runtime.Context().Err() != nil {
		return live.ErrKilled
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f()
	return nil
}

// alarm implements machine. The goroutine that waits may be late; the time that
// it reports is when the clock came to local, rounded down.
func (in *incarnation) alarm(local time.Duration, f func(at time.Duration)) (stop func()) {
	ctx, cancel := context.WithCancel(in.runtime.Context())
	in.runtime.Go(func() {
		defer cancel()
		if in.runtime.Sleep(ctx, local-in.runtime.Now()) != nil {
			return
		}
		if at, ok := in.slot.clock.TrueAt(local); ok {
			f(at)
		}
	})
	return cancel
}

// die implements machine. The goroutine ends once the process runs again, or
// the run does; windDown waits for it. A process that has crashed meanwhile
// cannot die again, nor take its successor with it.
func (in *incarnation) die(d time.Duration) {
	s := in.slot
	s.run.background.Go(func() {
		if !s.crash(in) {
			return
		}
		waitUntil(s.run.ctx, d)
		s.restart()
	})
}

var _ machine = (*incarnation)(nil)
