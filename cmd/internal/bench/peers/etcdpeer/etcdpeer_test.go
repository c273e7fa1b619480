package etcdpeer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena/arenatest"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/etcdpeer"
	"github.com/lockproof/lockproof/lock"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The logger that rotates etcd's files is started once and for all.
		goleak.IgnoreTopFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

func start(t *testing.T) *etcdpeer.Server {
	t.Helper()
	s, err := etcdpeer.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T, s *etcdpeer.Server, line *arena.Line) *etcdpeer.Store {
	t.Helper()
	client, err := s.Client(line)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return etcdpeer.NewStore(client, "test/")
}

func TestStoreKeepsTheContract(t *testing.T) {
	s := start(t)
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
}

func TestStoreRefusesWhatItCannotKeep(t *testing.T) {
	store := open(t, start(t), &arena.Line{})
	for what, err := range map[string]error{
		"long key":         second(store.Get(t.Context(), strings.Repeat("k", 5000))),
		"large value":      second(store.CompareAndSwap(t.Context(), "k", "", make([]byte, 2<<20))),
		"foreign revision": second(store.CompareAndSwap(t.Context(), "k", "x", nil)),
		"zero":             second(store.CompareAndSwap(t.Context(), "k", "0", nil)),
		"no revision":      store.Delete(t.Context(), "k", ""),
	} {
		if !errors.Is(err, lock.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestACutLineLeavesTheOutcomeOpen(t *testing.T) {
	var line arena.Line
	store := open(t, start(t), &line)
	line.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := store.CompareAndSwap(ctx, "k", "", []byte("v")); err == nil || lock.Definite(err) {
		t.Errorf("want an indefinite error, got %v", err)
	}
}

func TestContenders(t *testing.T) {
	a, err := etcdpeer.Arena(t.Context(), 2*time.Second)
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
			t.Run(c.Lock, func(t *testing.T) { arenatest.Run(t, c, arenatest.Options{}) })
		}
	}
}

func TestLeasesThatEtcdCannotGrantAreRefused(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, 2500 * time.Millisecond} {
		if _, err := etcdpeer.Arena(t.Context(), ttl); err == nil {
			t.Errorf("%s", ttl)
		}
	}
}
