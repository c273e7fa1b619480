package harness

import (
	"context"
	"time"

	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/subjects"
)

// env implements machine.
func (in *incarnation) env() subjects.Env {
	return subjects.Env{
		Client: in.slot.index, Owner: ownerName(in.slot.index), Store: in.store, Runtime: in.runtime,
		Monotonic: in.slot.clock.Monotonic, Wall: in.slot.clock.Wall, Settings: in.slot.run.scenario.settings(in.slot.index),
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

// follow implements machine by a goroutine that looks again and again until the
// belief is over or the process is. It may be as late as it likes: an end of
// validity is computed, and a notice counts from the last look before it.
func (in *incarnation) follow(g *grant) {
	if !g.follow() {
		return
	}
	lost := g.lease.Lost()
	in.runtime.Go(func() {
		every := in.slot.run.lookEvery()
		for in.runtime.Sleep(lost, every) == nil && g.follow() {
		}
		g.follow()
	})
}

// lookEvery is how much of a belief may be left out, at most, because a notice of
// its end was not seen at once.
func (l *liveRun) lookEvery() time.Duration {
	return min(max(l.scenario.TTL.D()/50, time.Millisecond), 20*time.Millisecond)
}

// passed implements machine with the clock's own arithmetic.
func (in *incarnation) passed(local, now time.Duration) (at time.Duration, ok bool) {
	clock := in.slot.clock
	if at, ok = clock.TrueAt(local); !ok {
		return 0, local <= clock.At(0) // from before the run, or never
	}
	return at, at <= now
}

// surely implements machine: it was last seen then.
func (in *incarnation) surely(last, _ time.Duration) time.Duration { return last }

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
