package nats_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/backends/nats"
	"github.com/lockproof/lockproof/lock"
)

func TestOpenNamesTheMissingBucketAndTheRemedy(t *testing.T) {
	_, err := nats.Open(t.Context(), connect(t, shared), nats.Config{Bucket: "nowhere"})
	if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), `"nowhere"`) || !strings.Contains(err.Error(), "CreateBucket") {
		t.Fatal(err)
	}
	if _, err := nats.Open(t.Context(), connect(t, shared), nats.Config{}); !errors.Is(err, lock.ErrRefused) {
		t.Fatal(err)
	}
	if _, err := nats.Open(t.Context(), connect(t, shared), nats.Config{Bucket: "a.b"}); !errors.Is(err, lock.ErrRefused) {
		t.Fatal(err)
	}
}

func TestCreateBucketIsContentWithItsOwn(t *testing.T) {
	js := connect(t, shared)
	config := nats.BucketConfig{Bucket: bucketName(t), Description: "locks"}
	for range 2 {
		if err := nats.CreateBucket(t.Context(), js, config); err != nil {
			t.Fatal(err)
		}
	}
	kv, err := js.KeyValue(t.Context(), config.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	status, err := kv.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.History() != 1 || status.TTL() != 0 {
		t.Errorf("history %d, time to live %v", status.History(), status.TTL())
	}
	stream, err := js.Stream(t.Context(), "KV_"+config.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if c := stream.CachedInfo().Config; c.AllowDirect || c.Storage != jetstream.FileStorage || c.Description != "locks" {
		t.Errorf("made with %+v", c)
	}
}

func TestCreateBucketRefusesNonsense(t *testing.T) {
	js := connect(t, shared)
	for _, config := range []nats.BucketConfig{{}, {Bucket: "a b"}, {Bucket: "a/b"}, {Bucket: "b", Replicas: 6}, {Bucket: "b", Replicas: -1}} {
		if err := nats.CreateBucket(t.Context(), js, config); !errors.Is(err, lock.ErrRefused) {
			t.Errorf("%+v: %v", config, err)
		}
	}
}

// Settings that break locks are named when a bucket is opened or made sure of,
// and can be opened all the same by who needs them.
func TestUnsafeBucketsAreRefused(t *testing.T) {
	js := connect(t, shared)
	kv := func(change func(*jetstream.StreamConfig)) jetstream.StreamConfig {
		c := jetstream.StreamConfig{MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew}
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		stream jetstream.StreamConfig
		says   string
	}{
		"ttl":       {kv(func(c *jetstream.StreamConfig) { c.MaxAge = time.Minute }), "time to live is 1m0s"},
		"evicting":  {kv(func(c *jetstream.StreamConfig) { c.Discard, c.MaxMsgs = jetstream.DiscardOld, 100 }), "discards the oldest"},
		"stream":    {kv(func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = -1 }), "not a key-value bucket"},
		"silent":    {kv(func(c *jetstream.StreamConfig) { c.NoAck = true }), "acknowledges no writes"},
		"consuming": {kv(func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }), "retention"},
		"async":     {kv(func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }), "before they reach the disk"},
	} {
		t.Run(name, func(t *testing.T) {
			dropAfter(t, js)
			bucket := bucketName(t)
			c.stream.Name, c.stream.Subjects = "KV_"+bucket, []string{"$KV." + bucket + ".>"}
			if _, err := js.CreateStream(t.Context(), c.stream); err != nil {
				t.Fatal(err)
			}
			_, openErr := nats.Open(t.Context(), js, nats.Config{Bucket: bucket})
			for _, err := range []error{openErr, nats.CreateBucket(t.Context(), js, nats.BucketConfig{Bucket: bucket})} {
				if !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), bucket) {
					t.Errorf("want %q, got %v", c.says, err)
				}
			}
			store, err := nats.Open(t.Context(), js, nats.Config{Bucket: bucket, AllowUnsafe: true})
			if err != nil {
				t.Fatal(err)
			}
			store.Close()
		})
	}
}

func TestCreateBucketAsksForTheDurabilityWanted(t *testing.T) {
	js := connect(t, shared)
	bucket := bucketName(t)
	if err := nats.CreateBucket(t.Context(), js, nats.BucketConfig{Bucket: bucket, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if err := nats.CreateBucket(t.Context(), js, nats.BucketConfig{Bucket: bucket}); !errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), "storage") {
		t.Fatal(err)
	}
}
