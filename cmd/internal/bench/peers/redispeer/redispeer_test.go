package redispeer_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena/arenatest"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/redispeer"
	"github.com/lockproof/lockproof/lock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs a test on redis-server, if it is installed, and on miniredis.
func each(t *testing.T, test func(*testing.T, *redispeer.Server)) {
	for _, kind := range []string{"redis-server", "miniredis"} {
		t.Run(kind, func(t *testing.T) {
			var s *redispeer.Server
			var err error
			if kind == "miniredis" {
				s, err = redispeer.StartMini()
			} else {
				program, missing := exec.LookPath(kind)
				if missing != nil {
					t.Skip("redis-server is not installed: apt-get install redis-server")
				}
				s, err = redispeer.StartReal(t.Context(), program)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			})
			t.Log(s.Describe())
			test(t, s)
		})
	}
}

func open(t *testing.T, s *redispeer.Server, line *arena.Line) *redispeer.Store {
	t.Helper()
	client := s.Client(line)
	t.Cleanup(func() { _ = client.Close() })
	return redispeer.NewStore(client, "test:")
}

func TestStoreKeepsTheContract(t *testing.T) {
	each(t, func(t *testing.T, s *redispeer.Server) {
		store, other := open(t, s, &arena.Line{}), open(t, s, &arena.Line{})
		options := backendtest.Options{Other: other, Patience: 30 * time.Second}
		for _, c := range backendtest.Cases() {
			t.Run(c.Name, func(t *testing.T) {
				if why := c.Skip(store, options); why != "" {
					t.Skip(why)
				}
				if err := c.Run(t.Context(), store, options); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

func TestStoreRefusesWhatItCannotKeep(t *testing.T) {
	each(t, func(t *testing.T, s *redispeer.Server) {
		store := open(t, s, &arena.Line{})
		foreign := s.Client(&arena.Line{})
		t.Cleanup(func() { _ = foreign.Close() })
		if err := foreign.Set(t.Context(), "test:record:foreign", "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"long key":         second(store.Get(t.Context(), strings.Repeat("k", 5000))),
			"large value":      second(store.CompareAndSwap(t.Context(), "k", "", make([]byte, 2<<20))),
			"foreign revision": second(store.CompareAndSwap(t.Context(), "k", "x", nil)),
			"foreign record":   second(store.CompareAndSwap(t.Context(), "foreign", "", nil)),
			"foreign read":     second(store.Get(t.Context(), "foreign")),
			"no revision":      store.Delete(t.Context(), "k", ""),
		} {
			if !errors.Is(err, lock.ErrRefused) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestACutLineLeavesTheOutcomeOpen(t *testing.T) {
	each(t, func(t *testing.T, s *redispeer.Server) {
		var line arena.Line
		store := open(t, s, &line)
		if _, err := store.CompareAndSwap(t.Context(), "k", "", []byte("v")); err != nil {
			t.Fatal(err)
		}
		line.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := store.CompareAndSwap(ctx, "k", "1", []byte("v")); err == nil || lock.Definite(err) {
			t.Errorf("want an indefinite error, got %v", err)
		}
	})
}

func TestContenders(t *testing.T) {
	each(t, func(t *testing.T, s *redispeer.Server) {
		for _, c := range redispeer.Contenders(s, 2*time.Second).Contenders {
			if c.Settings == arena.Same {
				t.Run(c.Lock, func(t *testing.T) {
					t.Parallel()
					arenatest.Run(t, c, arenatest.Options{})
				})
			}
		}
	})
}
