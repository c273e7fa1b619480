package sim_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/sim"
)

// TestATaskMayBeInterruptedWhereItReadsTheClock: two tasks of one process take
// each other's turns, time passes between two lines, and a reading may be old by
// the time it is used; none of it without Config.PreemptEvery.
func TestATaskMayBeInterruptedWhereItReadsTheClock(t *testing.T) {
	for _, every := range []int{0, 3} {
		w := newWorld(t, sim.Config{Chooser: sim.NewRandom(1), Clients: 1, PreemptEvery: every})
		n := w.Node(0)
		var order []int
		passed, old := false, false
		for i := range 2 {
			n.Go(func() {
				for range 200 {
					before := w.Now()
					now := n.Runtime().Now() - sim.BootOf(n)
					passed = passed || w.Now() > before
					old = old || now < w.Now()
					order = append(order, i)
				}
			})
		}
		run(t, w, time.Second)
		turns := 0
		for i := 1; i < len(order); i++ {
			if order[i] != order[i-1] {
				turns++
			}
		}
		preempted := w.Counters().Preemptions
		if every == 0 && (preempted != 0 || turns != 1 || passed || old) {
			t.Errorf("not asked for: %d interruptions, %d turns, time passed %v, old readings %v", preempted, turns, passed, old)
		}
		if every > 0 && (preempted < 50 || turns < 20 || !passed || !old) {
			t.Errorf("%d interruptions, %d turns, time passed %v, old readings %v", preempted, turns, passed, old)
		}
	}
}

// TestACrashUnwindsATaskThatIsInterrupted: its deferred functions run, and read
// the clock without being interrupted again.
func TestACrashUnwindsATaskThatIsInterrupted(t *testing.T) {
	w := newWorld(t, sim.Config{Chooser: sim.NewRandom(1), Clients: 1, PreemptEvery: 1,
		Plan: fault.Plan{{Kind: fault.Crash, Start: 10 * time.Millisecond}}})
	n := w.Node(0)
	unwound := 0
	for range 20 {
		n.Go(func() {
			defer func() {
				for range 20 {
					_ = n.Runtime().Now()
				}
				unwound++
			}()
			for {
				_ = n.Runtime().Now()
			}
		})
	}
	run(t, w, time.Second)
	if unwound != 20 {
		t.Errorf("%d of 20 tasks were unwound", unwound)
	}
}

// TestAfterAPauseAnswerAndTimeoutRace lets the answer come and the timeout pass
// while the process stands still. When it goes on, each of three things can
// happen in a real one, and does in some run.
func TestAfterAPauseAnswerAndTimeoutRace(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(100) {
		w := newWorld(t, sim.Config{Chooser: sim.NewRandom(seed), Clients: 1,
			Plan: fault.Plan{{Kind: fault.Pause, Start: 100 * time.Microsecond, Duration: 50 * time.Millisecond}}})
		n := w.Node(0)
		n.Go(func() {
			timeout := errors.New("timeout")
			ctx, cancel := n.Runtime().(*sim.Runtime).WithTimeoutCause(context.Background(), 20*time.Millisecond, timeout)
			defer cancel()
			_, err := n.Store().Put(ctx, "k", nil)
			switch {
			case err == nil && ctx.Err() == nil:
				outcomes["answered"]++
			case err == nil:
				outcomes["answered, and timed out"]++
			case errors.Is(err, timeout):
				outcomes["timed out"]++
			default:
				t.Errorf("seed %d: %v", seed, err)
			}
			if w.Now() < 50*time.Millisecond {
				t.Errorf("seed %d: a paused process saw its answer at %v", seed, w.Now())
			}
		})
		run(t, w, time.Second)
		w.Close()
	}
	for _, what := range []string{"answered", "answered, and timed out", "timed out"} {
		if outcomes[what] < 10 {
			t.Errorf("%s: %d of 100 runs", what, outcomes[what])
		}
	}
}
