package targets_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
)

// open opens a target, or skips, and sees that nothing is left behind.
func open(t *testing.T, k target.Kind) target.Target {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	opened, err := k.Open(t.Context(), target.Options{Container: "lockproof-target-test"})
	require.Server(t, k.Server, err)
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(os.Getenv("TMPDIR"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	return opened
}

// A lock goes from one client to another, each on a connection of its own and
// through a proxy where there is a network.
func TestALockWorksOnEachTarget(t *testing.T) {
	for _, k := range targets.All() {
		t.Run(k.Name, func(t *testing.T) {
			opened := open(t, k)
			if opened.Describe() == "" {
				t.Error("it does not say what it is")
			}
			var clients []*lock.Client
			for i := range 2 {
				c, err := opened.Connect(t.Context(), i, proxied(t, opened.Address(i)))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				client, err := lock.New(c.Store, lock.SystemRuntime{}, lock.Config{TTL: 30 * time.Second, PollEvery: 50 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				clients = append(clients, client)
			}
			handOver(t, clients[0], clients[1])
		})
	}
}

// proxied returns the address of a proxy in front of address, if there is one.
func proxied(t *testing.T, address string) string {
	t.Helper()
	if address == "" {
		return ""
	}
	p, err := live.NewProxy(address, live.ProxyConfig{Name: "p", Choices: live.NewChoices(sim.NewRandom(1))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p.Addr()
}

func handOver(t *testing.T, first, second *lock.Client) {
	t.Helper()
	held, err := first.Acquire(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.TryAcquire(t.Context(), "l"); !errors.As(err, new(*lock.HeldError)) {
		t.Fatalf("a second client got %v", err)
	}
	if err := held.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, err := second.Acquire(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if next.Token() <= held.Token() {
		t.Errorf("token %d after %d", next.Token(), held.Token())
	}
	if err := next.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The floor of a measurement is a real conditional write: it goes on from what
// it wrote itself, and a key that is there already is refused.
func TestTheFloorIsAConditionalWrite(t *testing.T) {
	for _, k := range targets.All() {
		t.Run(k.Name, func(t *testing.T) {
			opened := open(t, k)
			c, err := opened.Connect(t.Context(), 0, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			swap, err := c.Floor(t.Context(), "floor")
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if err := swap(t.Context(), []byte{'{', '"', byte('a' + i), '"', ':', '1', '}'}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Floor(t.Context(), "floor"); err == nil {
				t.Error("a key that is there was made anew")
			}
		})
	}
}

// What waits for a lock watches the place that the locks are in. A floor there
// would be told to all who wait, and rise with their number.
func TestTheFloorLiesWhereNobodyWatches(t *testing.T) {
	for _, name := range []string{"memory", "file", "nats", "nats-cluster"} {
		t.Run(name, func(t *testing.T) {
			k, err := targets.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			c, err := open(t, k).Connect(t.Context(), 0, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			if _, err := c.Floor(t.Context(), "floor"); err != nil {
				t.Fatal(err)
			}
			if r, err := c.Store.Get(t.Context(), "floor"); !errors.Is(err, lock.ErrNotFound) {
				t.Errorf("the floor's record lies among the locks: %v, %v", r, err)
			}
		})
	}
}

func TestTargetsRefuse(t *testing.T) {
	if _, err := targets.Find("mysql"); err == nil {
		t.Error("an unknown kind was found")
	}
	for _, name := range []string{"memory", "file", "dynamodb"} {
		k, err := targets.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(t.Context(), target.Options{Container: "x", Expiry: time.Second}); err == nil {
			t.Errorf("%s promises an expiry that it has not", name)
		}
	}
}
