package mongodb_test

import (
	"crypto/rand"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/lockproof/lockproof/lock"
)

// BenchmarkUncontended compares an acquire of a free lock with one conditional
// UpdateOne by the driver alone, turn by turn on one connection.
func BenchmarkUncontended(b *testing.B) {
	store, collection := fresh(b)
	c := client(b, store, "bench", lock.Config{TTL: time.Minute})
	raw := rawUpdate(b, collection)
	var acquire, swap time.Duration
	for b.Loop() {
		begun := time.Now()
		lease, err := c.Acquire(b.Context(), "l")
		acquire += time.Since(begun)
		if err != nil {
			b.Fatal(err)
		}
		if err := lease.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
		begun = time.Now()
		raw()
		swap += time.Since(begun)
	}
	b.ReportMetric(float64(acquire)/float64(swap), "acquire/CAS")
	b.ReportMetric(float64(swap.Microseconds())/float64(b.N), "CAS-us")
}

// BenchmarkHandOff measures the time from the release by one client to the
// return of Acquire at another one, which waits on connections of its own, in
// units of one conditional UpdateOne.
func BenchmarkHandOff(b *testing.B) {
	srv := streaming(b)
	collection := freshCollection(b, connectTo(b, srv, ""))
	handOff(b, watching(b, collection), watching(b, at(connectTo(b, srv, ""), collection)), rawUpdate(b, collection))
}

func handOff(b *testing.B, store, other lock.Store, raw func()) {
	b.Helper()
	config := lock.Config{TTL: time.Minute}
	clients := [2]*lock.Client{client(b, store, "a", config), client(b, other, "b", config)}
	held, err := clients[0].Acquire(b.Context(), "l")
	if err != nil {
		b.Fatal(err)
	}
	var total, swap time.Duration
	for i := 1; b.Loop(); i++ {
		granted := make(chan *lock.Lease, 1)
		go func() {
			lease, err := clients[i%2].Acquire(b.Context(), "l")
			if err != nil {
				b.Error(err)
			}
			granted <- lease
		}()
		time.Sleep(20 * time.Millisecond) // it waits by now
		begun := time.Now()
		if err := held.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
		if held = <-granted; held == nil {
			b.FailNow()
		}
		total += time.Since(begun)
		begun = time.Now()
		raw()
		swap += time.Since(begun)
	}
	b.ReportMetric(float64(total)/float64(swap), "handoff/CAS")
	b.ReportMetric(float64(swap.Microseconds())/float64(b.N), "CAS-us")
	if err := held.Release(b.Context()); err != nil {
		b.Error(err)
	}
}

// rawUpdate returns a function that updates a document on the condition that it
// is as last written, with a value as long as a held lock's.
func rawUpdate(b *testing.B, collection *mongo.Collection) func() {
	b.Helper()
	journaled := true
	collection = collection.Clone(options.Collection().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}))
	value := `{"v":1,"token":1000,"mode":"exclusive","holders":[{"id":"0123456789abcdef-1000","owner":"bench","ttl_ms":60000,"beat":1}]}`
	last := rand.Text()
	id := "raw" + last
	if _, err := collection.InsertOne(b.Context(), bson.D{{Key: "_id", Value: id}, {Key: "revision", Value: last}}); err != nil {
		b.Fatal(err)
	}
	return func() {
		next := rand.Text()
		result, err := collection.UpdateOne(b.Context(),
			bson.D{{Key: "_id", Value: id}, {Key: "revision", Value: last}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "revision", Value: next}, {Key: "value", Value: value}}}})
		if err != nil || result.MatchedCount != 1 {
			b.Fatal(result, err)
		}
		last = next
	}
}
