package sim_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/sim"
)

func TestTheWatchdogSeesATaskThatBlocksOutside(t *testing.T) {
	w := newWorld(t, sim.Config{Chooser: sim.NewRandom(1), Clients: 3, StuckAfter: 20 * time.Millisecond})
	w.Node(1).Go(func() { _ = w.Node(1).Runtime().Sleep(context.Background(), time.Hour) })
	outside := make(chan struct{})
	unwound := make(chan struct{})
	w.Node(2).Go(func() {
		defer close(unwound)
		blocksOutside(outside)
		_ = w.Node(2).Runtime().Sleep(context.Background(), time.Second)
		t.Error("the task of a world that was given up went on")
	})
	err := w.Run(time.Minute)
	if !errors.Is(err, sim.ErrStuck) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"node 2", "blocksOutside", "watchdog_test.go"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s:\n%v", want, err)
		}
	}
	w.Close() // leaves the stuck goroutine alone
	if again := w.Run(time.Hour); !errors.Is(again, sim.ErrStuck) {
		t.Errorf("Run of a stuck world: %v", again)
	}
	close(outside) // now it comes back, and unwinds by itself
	<-unwound
}

//go:noinline
func blocksOutside(c chan struct{}) { <-c }

func TestALoopThatWaitsForTimeWithoutLettingItPassIsStuck(t *testing.T) {
	w, n := one(t)
	n.Go(func() {
		for n.Runtime().Now() >= 0 {
			_ = n.Runtime().Sleep(context.Background(), 0)
		}
	})
	if err := w.Run(time.Minute); !errors.Is(err, sim.ErrStuck) {
		t.Errorf("error %v", err)
	}
}

func TestAPanicIsAnErrorThatNamesNodeAndLine(t *testing.T) {
	cause := errors.New("the cause")
	for name, plant := range map[string]func(*sim.World, *sim.Node){
		"n0":       func(_ *sim.World, n *sim.Node) { n.Go(func() { panic(cause) }) },
		"observer": func(w *sim.World, _ *sim.Node) { w.At(5, func() { panic(cause) }) },
	} {
		w, n := one(t)
		unwound := false
		n.Go(func() {
			defer func() { unwound = true }()
			_ = n.Runtime().Sleep(context.Background(), time.Hour)
		})
		plant(w, n)
		err := w.Run(time.Minute)
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "watchdog_test.go") {
			t.Errorf("%s: error %v", name, err)
		}
		if again := w.Run(time.Hour); again != err {
			t.Errorf("%s: Run again: %v", name, again)
		}
		w.Close()
		if !unwound {
			t.Errorf("%s: the other task was not unwound", name)
		}
	}
}

func TestMisuseIsNamed(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for want, misuse := range map[string]func(*sim.World, *sim.Node){
		"wall-clock time":   func(_ *sim.World, n *sim.Node) { n.Go(func() { _ = n.Runtime().Sleep(ctx, 1) }) },
		"outside of a task": func(w *sim.World, n *sim.Node) { w.At(1, func() { _, _ = n.Store().Get(ctx, "k") }) },
		"from a task of n1": func(w *sim.World, n *sim.Node) {
			w.Node(1).Go(func() { _, _ = n.Store().Get(context.Background(), "k") })
		},
		"runtime.Goexit": func(_ *sim.World, n *sim.Node) { n.Go(runtime.Goexit) },
	} {
		w := newWorld(t, sim.Config{Chooser: sim.NewRandom(1), Clients: 2})
		misuse(w, w.Node(0))
		if err := w.Run(1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		w.Close()
	}
}

func TestConfigIsChecked(t *testing.T) {
	r := sim.NewRandom(1)
	for want, c := range map[string]sim.Config{
		"Chooser":     {Clients: 1},
		"Clients 0":   {Chooser: r},
		"Latency.Max": {Chooser: r, Clients: 1, Latency: sim.LatencyConfig{Min: 2, Max: 1}},
		"BucketTTL":   {Chooser: r, Clients: 1, Store: sim.StoreConfig{BucketTTL: -1}},
		"Target 1":    {Chooser: r, Clients: 1, Plan: fault.Plan{{Kind: fault.Pause, Target: 1, Duration: 1}}},
		"Plan[0]":     {Chooser: r, Clients: 1, Plan: fault.Plan{{Kind: "flood"}}},
	} {
		if _, err := sim.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
