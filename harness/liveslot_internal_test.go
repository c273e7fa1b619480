package harness

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// gatedTarget is a target whose connections take until they are let in, as in
// the middle of a partition.
type gatedTarget struct {
	target.Target
	asked chan struct{}
	gate  chan struct{}
}

func (g gatedTarget) Connect(ctx context.Context, client int, via string) (*target.Connection, error) {
	g.asked <- struct{}{}
	<-g.gate
	return g.Target.Connect(ctx, client, via)
}

// slotUnderTest returns a slot that is down once, and its gate.
func slotUnderTest(t *testing.T) (*slot, gatedTarget) {
	t.Helper()
	memory, err := target.Memory().Open(t.Context(), target.Options{Container: "slots"})
	if err != nil {
		t.Fatal(err)
	}
	g := gatedTarget{memory, make(chan struct{}, 8), make(chan struct{})}
	s := Scenario{Backend: "memory", TTL: Duration(time.Second)}.WithDefaults()
	l := &liveRun{target: g, started: time.Now(), choices: live.NewChoices(sim.NewRandom(1))}
	l.run = newRun(s, subjects.Reference(), l.now)
	l.ctx, l.stop = context.WithCancelCause(t.Context())
	slot := &slot{run: l, down: 1, faults: live.NewStoreFaults("c0", l.choices)}
	slot.clock = live.NewClock(l.now, live.ClockConfig{Wall: sim.Epoch})
	l.slots = append(l.slots, slot)
	t.Cleanup(func() {
		if err := l.windDown(); err != nil {
			t.Error(err)
		}
	})
	return slot, g
}

// Two crashes whose restarts overlap leave one process. They left two once: one
// of them renewed for ever, and nobody else got the lock.
func TestRestartsThatOverlapLeaveOneProcess(t *testing.T) {
	s, g := slotUnderTest(t)
	var restarts sync.WaitGroup
	restarts.Go(s.restart)
	<-g.asked // the first restart is connecting
	s.crash(nil)
	restarts.Go(s.restart)
	<-g.asked // and so is the second
	close(g.gate)
	restarts.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil || s.current == nil || !s.current.lives() {
		t.Fatalf("no process runs: %v", s.failed)
	}
	if len(s.finished) != 1 || s.finished[0].lives() {
		t.Errorf("%d processes were given up; one was wanted, and it must not run", len(s.finished))
	}
}

func (in *incarnation) lives() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.client != nil && !in.ended
}

// A process that comes up after the client crashed again must not run.
func TestAProcessThatComesUpWhileDownIsGivenUp(t *testing.T) {
	s, g := slotUnderTest(t)
	var restarts sync.WaitGroup
	restarts.Go(s.restart)
	<-g.asked
	s.crash(nil)
	close(g.gate)
	restarts.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil || len(s.finished) != 1 || s.finished[0].lives() {
		t.Error("a process runs although the client is down")
	}
}

// A process that has crashed cannot take its successor with it.
func TestAProcessDiesForItselfAlone(t *testing.T) {
	s, g := slotUnderTest(t)
	close(g.gate)
	s.restart()
	first := s.current
	s.crash(nil)
	s.restart()
	if s.crash(first) {
		t.Error("a process that was gone crashed once more")
	}
	if s.current == nil || !s.current.lives() || s.current == first {
		t.Error("the second process does not run")
	}
}
