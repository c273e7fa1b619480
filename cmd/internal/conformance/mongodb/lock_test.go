package mongodb_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lockproof/lockproof/backends/mongodb"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
)

// noJitter draws nothing: these tests ask the proxy for no jitter.
type noJitter struct{}

func (noJitter) Choose(string, uint64) uint64 { return 0 }

// behindProxy opens a store on the collection through a proxy, whose connection
// is established.
func behindProxy(t *testing.T, collection *mongo.Collection) (*mongodb.Store, *live.Proxy) {
	t.Helper()
	p, err := live.NewProxy(shared.Address(), live.ProxyConfig{Choices: live.NewChoices(noJitter{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return open(t, at(connect(t, p.Addr()), collection), mongodb.Config{NoWatch: true}), p
}

func client(t testing.TB, store lock.Store, owner string, config lock.Config) *lock.Client {
	t.Helper()
	config.Owner = owner
	c, err := lock.New(store, lock.SystemRuntime{}, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(t.Context()) })
	return c
}

func TestContendersThatWatchNeverHoldTogether(t *testing.T) {
	srv := streaming(t)
	collection := freshCollection(t, connectTo(t, srv, ""))
	contend(t, func() lock.Store { return watching(t, at(connectTo(t, srv, ""), collection)) })
}

// contend has clients on stores of their own count under the lock.
func contend(t *testing.T, open func() lock.Store) {
	t.Helper()
	const clients, rounds = 4, 5
	config := lock.Config{TTL: 5 * time.Second, PollEvery: 2 * time.Millisecond}
	turns := make(chan error, clients)
	value := 0 // guarded by the lock alone; go test -race watches
	for i := range clients {
		c := client(t, open(), fmt.Sprint("c", i), config)
		go func() {
			for range rounds {
				err := c.Do(t.Context(), "l", func(_ context.Context, _ *lock.Lease) error { value++; return nil })
				if err != nil {
					turns <- err
					return
				}
			}
			turns <- nil
		}()
	}
	for range clients {
		if err := <-turns; err != nil {
			t.Error(err)
		}
	}
	info, err := client(t, open(), "observer", config).Inspect(t.Context(), "l")
	if err != nil || info.Token != clients*rounds || value != clients*rounds {
		t.Errorf("token %d and value %d after %d grants, %v", info.Token, value, clients*rounds, err)
	}
}
