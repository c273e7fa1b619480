package sim_test

import (
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

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

// add and zeros treat Counters as the list of numbers that it is.
func add(sum *sim.Counters, c sim.Counters) {
	s, v := reflect.ValueOf(sum).Elem(), reflect.ValueOf(c)
	for i := range v.NumField() {
		s.Field(i).SetUint(s.Field(i).Uint() + v.Field(i).Uint())
	}
}

func zeros(c sim.Counters) []string {
	var names []string
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if v.Field(i).Uint() == 0 {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}

// TestMain fails if a goroutine outlives its test: every coroutine must have
// been unwound.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
