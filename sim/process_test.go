package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
)

func one(tb testing.TB, plan ...fault.Fault) (*sim.World, *sim.Node) {
	w := newWorld(tb, sim.Config{Chooser: sim.NewRandom(1), Clients: 1, Plan: plan})
	return w, w.Node(0)
}

func TestACrashUnwindsEveryTaskThroughItsDefers(t *testing.T) {
	w, n := one(t, fault.Fault{Kind: fault.Crash, Start: time.Second, Duration: time.Second})
	var log []string
	note := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	ctx := context.Background()
	blocked := map[string]func(){
		"sleep": func() { _ = n.Runtime().Sleep(ctx, time.Hour) },
		"get":   func() { _ = n.Runtime().Sleep(ctx, time.Second-time.Nanosecond); _, _ = n.Store().Get(ctx, "k") },
		"join":  func() { n.Go(func() { _ = n.Runtime().Sleep(ctx, time.Hour) })() },
		"trip":  func() { _ = n.Runtime().Sleep(ctx, time.Second-time.Nanosecond); _ = n.RoundTrip(ctx, func() {}) },
	}
	for _, name := range []string{"sleep", "get", "join", "trip"} {
		n.Go(func() {
			defer note("%s: last", name)
			defer func() { _, _ = n.Store().Get(ctx, "k"); note("%s: store call in a defer returned", name) }()
			defer func() { _ = n.Runtime().Sleep(ctx, 1); note("%s: sleep in a defer returned", name) }()
			defer func() { n.Go(func() { note("%s: task started in a defer ran", name) })() }()
			defer func() { note("%s: first, clock %v, draw %v", name, n.Runtime().Now() > 0, n.Runtime().Uint64() != 0) }()
			blocked[name]()
			note("%s: went on", name)
		})
	}
	n.OnCrash(func() { note("crash, %v", n.Crashed()) })
	run(t, w, 1500*time.Millisecond)
	want := `crash, true
sleep: first, clock true, draw true
sleep: last
get: first, clock true, draw true
get: last
join: first, clock true, draw true
join: last
trip: first, clock true, draw true
trip: last`
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEachIncarnationStartsAfreshAndTheMachinesClocksGoOn(t *testing.T) {
	w, n := one(t, fault.Fault{Kind: fault.Crash, Start: 10 * time.Second, Duration: 5 * time.Second},
		fault.Fault{Kind: fault.Crash, Start: 20 * time.Second})
	boot := n.Runtime().Now()
	var log []string
	old := n.Runtime()
	n.OnStart(func() {
		log = append(log, fmt.Sprintf("%d at %v, Now +%v, same runtime %v", n.Incarnation(), w.Now(), n.Runtime().Now()-boot, n.Runtime() == old))
		old.Go(func() { log = append(log, "a task of the first runtime") })
		_ = n.Runtime().Sleep(context.Background(), time.Hour)
	})
	run(t, w, 12*time.Second)
	n.Go(func() { t.Error("a task started on a crashed node ran") })()
	run(t, w, time.Minute)
	want := `0 at 0s, Now +0s, same runtime true
a task of the first runtime
1 at 15s, Now +15s, same runtime false
2 at 20s, Now +20s, same runtime false`
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCoroutinesAreUsedAgain(t *testing.T) {
	w, n := one(t, fault.Fault{Kind: fault.Crash, Start: time.Second})
	for range 3 {
		n.OnStart(func() {
			for range 1000 {
				n.Go(func() {})()
			}
			_ = n.Runtime().Sleep(context.Background(), 2*time.Second)
		})
	}
	run(t, w, time.Minute)
	if k := sim.Workers(w); k > 6 {
		t.Errorf("%d coroutines for 6 tasks at a time", k)
	}
	if k := w.Counters().Tasks; k != 6006 {
		t.Errorf("%d tasks", k)
	}
}

func TestJoinWaitsForItsTaskAndOnlyForIt(t *testing.T) {
	w, n := one(t)
	n.Go(func() {
		join := n.Go(func() { _ = n.Runtime().Sleep(context.Background(), time.Second) })
		n.Go(join) // two tasks may wait for one
		join()
		if w.Now() != time.Second {
			t.Errorf("joined at %v", w.Now())
		}
		n.Go(func() { _ = n.Runtime().Sleep(context.Background(), time.Hour) }) // takes the old task's place
		join()
		if w.Now() != time.Second {
			t.Errorf("joined again at %v", w.Now())
		}
	})
	run(t, w, time.Minute)
}

func TestAContextEndsEveryKindOfWaitInTheSameInstant(t *testing.T) {
	w := newWorld(t, sim.Config{Chooser: sim.NewRandom(1), Clients: 1, Store: sim.StoreConfig{Watch: true},
		Plan: fault.Plan{{Kind: fault.Hold, Duration: time.Minute}}})
	n := w.Node(0)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	child, drop := context.WithCancel(ctx)
	defer drop()
	ended := 0
	check := func(err error) {
		ended++
		if w.Now() != time.Second || !errors.Is(err, cause) || lock.Definite(err) {
			t.Errorf("at %v: %v", w.Now(), err)
		}
	}
	n.Go(func() { check(n.Runtime().Sleep(child, time.Hour)) })
	n.Go(func() { _, err := n.Store().Get(child, "k"); check(err) })
	n.Go(func() { _, err := n.Store().Wait(child, "k", ""); check(err) })
	n.Go(func() { check(n.RoundTrip(child, func() {})) })
	n.Go(func() {
		_ = n.Runtime().Sleep(context.Background(), time.Second)
		cancel(cause)
		_, err := n.Store().Put(child, "k", nil)
		if !errors.Is(err, lock.ErrUnavailable) || !errors.Is(err, cause) {
			t.Errorf("put with an ended context: %v", err)
		}
		if err := n.Runtime().Sleep(child, 1); err != cause {
			t.Errorf("sleep with an ended context: %v", err)
		}
	})
	run(t, w, 2*time.Second)
	if ended != 4 {
		t.Errorf("%d of 4 waits ended", ended)
	}
	if k := w.Counters(); k.Indefinite != 0 || k.Unanswered != 2 || k.Unsent != 1 {
		t.Errorf("counters %+v", k)
	}
}

func TestACauseThatLooksDefiniteDoesNotMakeAnErrorDefinite(t *testing.T) {
	w, n := one(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	n.Go(func() {
		if _, err := n.Store().Put(ctx, "k", nil); err == nil || lock.Definite(err) {
			t.Errorf("error %v", err)
		}
	})
	w.At(1, func() { cancel(lock.ErrConflict) })
	run(t, w, time.Second)
}

func TestAlarmsFollowTheLocalClockAndNotThePause(t *testing.T) {
	w, n := one(t,
		fault.Fault{Kind: fault.Pause, Duration: time.Hour},
		fault.Fault{Kind: fault.ClockRate, Start: time.Second, Duration: 10 * time.Second, Amount: 1_000_000},
		fault.Fault{Kind: fault.Crash, Start: 5 * time.Second, Duration: time.Second})
	zero := n.Runtime().Now()
	var fired []time.Duration
	for _, s := range []time.Duration{4, 3, 1000} { // the last falls to the crash
		n.AtLocal(zero+s*time.Second, func() { fired = append(fired, w.Now()) })
	}
	stopped := n.AtLocal(zero+time.Second, func() { t.Error("a stopped alarm went off") })
	if !stopped.Stop() || stopped.Stop() || (sim.Alarm{}).Stop() {
		t.Error("Stop must report whether the alarm was pending")
	}
	run(t, w, time.Hour)
	if want := "[2s 2.5s]"; fmt.Sprint(fired) != want {
		t.Errorf("alarms at %v, want %s", fired, want)
	}
}

func TestHealEndsEverythingAtOnceAndNothingNewBegins(t *testing.T) {
	var plan fault.Plan
	for _, k := range fault.Kinds() {
		info := fault.Describe(k)
		f := fault.Fault{Kind: k, Duration: time.Hour, Amount: min(info.MaxAmount, 200)}
		if info.OnStore {
			f.Target = fault.Store
		}
		if info.Duration == fault.Instant {
			f.Duration = 0
		}
		if len(info.Moments) > 0 {
			f.Aim = fault.Aim{Moment: info.Moments[0], Nth: 1}
		}
		later := f
		later.Start = 2 * time.Minute
		plan = append(plan, f, later)
	}
	w, n := one(t, plan...)
	starts := 0
	n.OnStart(func() {
		starts++
		if _, err := n.Store().Put(context.Background(), "k", nil); err != nil {
			t.Error(err)
		}
	})
	run(t, w, time.Minute)
	if starts != 0 || !n.Crashed() || !n.Paused() {
		t.Fatalf("the faults did not begin: %d starts", starts)
	}
	w.Heal()
	run(t, w, 10*time.Minute)
	if starts != 1 || n.Crashed() || n.Paused() {
		t.Errorf("%d starts, crashed %v, paused %v", starts, n.Crashed(), n.Paused())
	}
	if c := w.Counters(); c.Pauses != 1 || c.Crashes != 1 || c.Throttled+c.LostRequests+c.LostReplies != 0 {
		t.Errorf("counters %+v", c)
	}
	if sim.Pending(w) != 0 {
		t.Errorf("%d events are pending", sim.Pending(w))
	}
}

func TestWritesAreReportedWithTheirTrueTime(t *testing.T) {
	w := newWorld(t, sim.Config{Chooser: sim.NewRandom(1), Clients: 1, Plan: fault.Plan{
		{Kind: fault.Hold, Duration: time.Second}, {Kind: fault.Crash, Start: time.Millisecond}}})
	var writes []sim.Write
	w.OnWrite(func(x sim.Write) { writes = append(writes, x) })
	n := w.Node(0)
	n.Go(func() { _, _ = n.Store().Put(context.Background(), "k", nil) })
	run(t, w, time.Minute)
	want := sim.Write{At: time.Second, Client: 0, Key: "k", Late: true}
	if len(writes) != 1 || writes[0] != want {
		t.Errorf("writes %+v, want %+v", writes, want)
	}
}

func TestNothingLeaksAfterClose(t *testing.T) {
	before := goleak.IgnoreCurrent()
	w := storm(t, sim.NewRandom(1), 1)
	w.Close()
	w.Close()
	goleak.VerifyNone(t, before)
	if err := w.Run(time.Hour); err == nil {
		t.Error("Run after Close returned nil")
	}
}
