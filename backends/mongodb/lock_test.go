package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lockproof/lockproof/backends/mongodb"
	"github.com/lockproof/lockproof/harness/live"
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

func TestTheLockIsHandedOn(t *testing.T) {
	store, collection := fresh(t)
	config := lock.Config{TTL: 3 * time.Second, PollEvery: 10 * time.Millisecond}
	first := client(t, store, "first", config)
	second := client(t, open(t, at(connect(t, ""), collection), mongodb.Config{}), "second", config)
	held, err := first.Acquire(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	var refusal *lock.HeldError
	if _, err := second.TryAcquire(t.Context(), "l"); !errors.As(err, &refusal) || refusal.Owner != "first" {
		t.Fatalf("want a refusal that names the holder, got %v", err)
	}
	granted := make(chan error, 1)
	var next *lock.Lease
	go func() {
		var err error
		next, err = second.Acquire(t.Context(), "l")
		granted <- err
	}()
	if err := held.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-granted; err != nil {
		t.Fatal(err)
	}
	if next.Token() != held.Token()+1 {
		t.Errorf("token %d came after %d", next.Token(), held.Token())
	}
	if err := next.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestContendersNeverHoldTogether(t *testing.T) {
	_, collection := fresh(t)
	contend(t, func() lock.Store { return open(t, at(connect(t, ""), collection), mongodb.Config{}) })
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

func TestAnExpiredLeaseIsTakenOver(t *testing.T) {
	store, _ := fresh(t)
	config := lock.Config{TTL: 300 * time.Millisecond, PollEvery: 20 * time.Millisecond}
	dead, err := client(t, store, "dead", config).Acquire(t.Context(), "l", lock.ManualRenewal())
	if err != nil {
		t.Fatal(err)
	}
	next, err := client(t, store, "next", config).Acquire(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if dead.Valid() || next.Token() != dead.Token()+1 {
		t.Errorf("taken over with token %d from %d, which is valid: %v", next.Token(), dead.Token(), dead.Valid())
	}
	if err := next.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// The lock finds its own attempt in the conflict with itself.
func TestAnAcquireSurvivesALostReply(t *testing.T) {
	_, collection := fresh(t)
	behind, proxy := behindProxy(t, collection)
	c := client(t, behind, "c", lock.Config{TTL: 3 * time.Second, PollEvery: 10 * time.Millisecond})
	first, err := c.Acquire(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := proxy.CutReplyAfter(0)
	second, err := c.Acquire(t.Context(), "l") // its first request is the write
	if err != nil {
		t.Fatal(err)
	}
	<-done
	if second.Token() != first.Token()+1 {
		t.Errorf("token %d came after %d", second.Token(), first.Token())
	}
	if err := second.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
