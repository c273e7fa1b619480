package kubepeer_test

import (
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena/arenatest"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/kubepeer"
	"github.com/lockproof/lockproof/cmd/internal/require"
)

func TestContenders(t *testing.T) {
	a, err := kubepeer.Arena(t.Context(), 3*time.Second)
	require.Server(t, "kubernetes", err)
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Log(a.Describe)
	for _, c := range a.Contenders {
		if c.Settings == arena.Same {
			t.Run(c.Lock, func(t *testing.T) {
				t.Parallel()
				arenatest.Run(t, c, arenatest.Options{})
			})
		}
	}
}

func TestLeasesThatLeaderElectionCannotWriteAreRefused(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, 2500 * time.Millisecond} {
		if _, err := kubepeer.Arena(t.Context(), ttl); err == nil {
			t.Errorf("%s", ttl)
		}
	}
}
