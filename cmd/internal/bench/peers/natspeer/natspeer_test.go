package natspeer_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena/arenatest"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/natspeer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContenders(t *testing.T) {
	a, err := natspeer.Arena(t.Context(), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Log(a.Describe)
	for _, c := range a.Contenders {
		if c.Settings == arena.Same {
			// A holder of natslock learns of its loss from the store alone, which a
			// crashed one cannot reach.
			natslock := c.Lock == "natslock"
			t.Run(c.Lock, func(t *testing.T) {
				arenatest.Run(t, c, arenatest.Options{Unsafe: natslock, NoLossNotice: natslock})
			})
		}
	}
}
