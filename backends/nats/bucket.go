package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/lock"
)

// BucketConfig says how CreateBucket makes a bucket. The zero value but for
// Bucket is a bucket in one file.
type BucketConfig struct {
	// Bucket is the name: letters, digits, "-" and "_". Required.
	Bucket string
	// Description is shown by `nats kv ls`.
	Description string
	// Replicas is the number of servers that keep the bucket, 1 to 5; 1 if it
	// is 0. Three survive the loss of one.
	Replicas int
	// Storage is the file system, jetstream.FileStorage, unless set otherwise.
	// A bucket in memory forgets all locks when its servers restart.
	Storage jetstream.StorageType
	// Placement may name the cluster and tags of the servers to use.
	Placement *jetstream.Placement
}

// CreateBucket makes a bucket that is fit for locks: one version per key, no
// time to live, reads from the stream's leader only. It is content with an
// existing bucket if that is fit for locks, is kept by at least as many servers
// and in the same kind of storage; else it says what is wrong, changes nothing
// and fails with lock.ErrRefused.
func CreateBucket(ctx context.Context, js jetstream.JetStream, config BucketConfig) error {
	wanted, err := config.stream()
	if err != nil {
		return err
	}
	stream, err := js.CreateStream(ctx, wanted)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		stream, err = js.Stream(ctx, wanted.Name)
	}
	if err != nil {
		return fmt.Errorf("nats: create bucket %q: %w", config.Bucket, err)
	}
	existing := stream.CachedInfo().Config
	err = checkSettings(existing)
	switch {
	case err != nil:
	case existing.Replicas < wanted.Replicas:
		err = fmt.Errorf("it has %d replicas, wanted are %d", existing.Replicas, wanted.Replicas)
	case existing.Storage != wanted.Storage:
		err = fmt.Errorf("its storage is %v, wanted is %v", existing.Storage, wanted.Storage)
	}
	if err != nil {
		return fmt.Errorf("nats: %w: bucket %q exists and does not fit: %w", lock.ErrRefused, config.Bucket, err)
	}
	return nil
}

// stream is the stream of a key-value bucket (NATS ADR-8), less direct gets.
func (c BucketConfig) stream() (jetstream.StreamConfig, error) {
	if c.Bucket == "" {
		return jetstream.StreamConfig{}, fmt.Errorf("nats: %w: BucketConfig.Bucket is empty", lock.ErrRefused)
	}
	for i := range len(c.Bucket) {
		if !stands(c.Bucket[i]) || c.Bucket[i] == '/' {
			return jetstream.StreamConfig{}, fmt.Errorf("nats: %w: BucketConfig.Bucket %q has a character other than letters, digits, \"-\" and \"_\"", lock.ErrRefused, c.Bucket)
		}
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		return jetstream.StreamConfig{}, fmt.Errorf("nats: %w: BucketConfig.Replicas %d is not between 1 and 5", lock.ErrRefused, c.Replicas)
	}
	return jetstream.StreamConfig{
		Name:              streamName(c.Bucket),
		Description:       c.Description,
		Subjects:          []string{"$KV." + c.Bucket + ".>"},
		MaxMsgsPerSubject: 1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Discard:           jetstream.DiscardNew,
		Storage:           c.Storage,
		Replicas:          max(c.Replicas, 1),
		Placement:         c.Placement,
		Duplicates:        2 * time.Minute,
		AllowRollup:       true,
		DenyDelete:        true,
	}, nil
}

// checkSettings returns what makes a stream unfit to keep locks, with the
// remedy, or nil.
func checkSettings(c jetstream.StreamConfig) error {
	const remedy = "create a bucket for locks alone with CreateBucket"
	switch {
	case c.MaxAge > 0:
		return fmt.Errorf("its time to live is %v, after which the server forgets holders and fencing tokens; set it to 0 (`nats kv edit`, or %s)", c.MaxAge, remedy)
	case c.MaxMsgsPerSubject < 1:
		return fmt.Errorf("stream %s is not a key-value bucket; %s", c.Name, remedy)
	case c.Mirror != nil:
		return fmt.Errorf("it mirrors %s, and a mirror lags; use the bucket that it mirrors", c.Mirror.Name)
	case len(c.Sources) > 0:
		return fmt.Errorf("it is fed from other streams, which ignore revisions; %s", remedy)
	case c.Discard == jetstream.DiscardOld && (c.MaxMsgs > 0 || c.MaxBytes > 0):
		return fmt.Errorf("when full it discards the oldest records; set its discard policy to new, or %s", remedy)
	case c.Retention != jetstream.LimitsPolicy:
		return fmt.Errorf("its retention is %v, so records go away when consumers have read them; %s", c.Retention, remedy)
	case c.NoAck:
		return fmt.Errorf("it acknowledges no writes; %s", remedy)
	case c.Sealed:
		return fmt.Errorf("it is sealed against writes; %s", remedy)
	case c.SubjectTransform != nil:
		return fmt.Errorf("it stores keys under other names; %s", remedy)
	case c.PersistMode == jetstream.AsyncPersistMode:
		return fmt.Errorf("it acknowledges writes before they reach the disk; %s", remedy)
	}
	return nil
}
