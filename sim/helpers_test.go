package sim_test

import (
	"testing"
	"time"

	"github.com/lockproof/lockproof/sim"
)

// newWorld makes a world that is closed with the test.
func newWorld(tb testing.TB, c sim.Config) *sim.World {
	tb.Helper()
	w, err := sim.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.Close)
	return w
}

func run(tb testing.TB, w *sim.World, until time.Duration) {
	tb.Helper()
	if err := w.Run(until); err != nil {
		tb.Fatal(err)
	}
}
