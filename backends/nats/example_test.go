package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/lock"
)

func Example() {
	ctx := context.Background()
	conn, err := natsgo.Connect(natsgo.DefaultURL)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		log.Fatal(err)
	}
	if err := nats.CreateBucket(ctx, js, nats.BucketConfig{Bucket: "locks"}); err != nil {
		log.Fatal(err)
	}
	store, err := nats.Open(ctx, js, nats.Config{Bucket: "locks"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	first, err := store.CompareAndSwap(ctx, "report", "", []byte("alice"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.CompareAndSwap(ctx, "report", first, []byte("bob")); err != nil {
		log.Fatal(err)
	}
	record, err := store.Wait(ctx, "report", first)
	fmt.Printf("%s %v\n", record.Value, err)
	_, err = store.CompareAndSwap(ctx, "report", first, []byte("alice"))
	fmt.Println(errors.Is(err, lock.ErrConflict))
	// It prints:
	// bob <nil>
	// true
}
