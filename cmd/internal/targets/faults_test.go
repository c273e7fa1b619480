package targets_test

import (
	"context"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/lock"
)

// answersWithin gives a server as long as a busy machine needs to come back.
const answersWithin = time.Minute

// get reads until the store answers.
func get(t *testing.T, store lock.Store, key string) string {
	t.Helper()
	deadline := time.Now().Add(answersWithin)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		r, err := store.Get(ctx, key)
		cancel()
		if err == nil {
			return string(r.Value)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// A fault does what it says: the server is away, and then it is what it was.
func TestAServerThatIsStoppedIsAwayAndComesBackAsItWas(t *testing.T) {
	for _, k := range targets.All() {
		t.Run(k.Name, func(t *testing.T) {
			opened := open(t, k)
			can := opened.Faults()
			if can.Stop == nil {
				t.Skip("it cannot be stopped")
			}
			c, err := opened.Connect(t.Context(), 0, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			if _, err := c.Store.CompareAndSwap(t.Context(), "k", "", []byte("kept")); err != nil {
				t.Fatal(err)
			}
			if err := can.Stop(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if r, err := c.Store.Get(ctx, "k"); err == nil {
				t.Errorf("it was stopped, and answers %q", r.Value)
			}
			if err := can.Start(); err != nil {
				t.Fatal(err)
			}
			if got := get(t, c.Store, "k"); got != "kept" {
				t.Errorf("the value became %q", got)
			}
		})
	}
}

// A failover stops one server of the cluster: the client that knows that one
// alone is cut off, the others go on with what was written.
func TestAFailoverStopsOneServer(t *testing.T) {
	k, err := targets.Find("nats-cluster")
	if err != nil {
		t.Fatal(err)
	}
	opened := open(t, k)
	var stores []lock.Store
	for i := range 3 {
		c, err := opened.Connect(t.Context(), i, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		stores = append(stores, c.Store)
	}
	if _, err := stores[0].CompareAndSwap(t.Context(), "k", "", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	restore, err := opened.Faults().Failover()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(answersWithin)
	for answering(t, stores) != 2 {
		if time.Now().After(deadline) {
			t.Fatalf("%d of 3 clients get an answer, want 2", answering(t, stores))
		}
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	for i, s := range stores {
		if got := get(t, s, "k"); got != "kept" {
			t.Errorf("client %d reads %q", i, got)
		}
	}
}

func answering(t *testing.T, stores []lock.Store) int {
	t.Helper()
	n := 0
	for _, s := range stores {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := s.Get(ctx, "k"); err == nil {
			n++
		}
		cancel()
	}
	return n
}
