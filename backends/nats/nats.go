// Package nats is a lock store on a NATS JetStream key-value bucket.
//
// # What it promises
//
// All that package backendtest asks for, with Watch and RevisionOrder: a
// record's revision is the stream sequence of its last message, which rises
// with every write to the bucket, across deletions too. Every write names the
// sequence that it replaces, and the stream's leader checks it. Get asks the
// stream's leader and never a follower, whether or not the bucket allows
// direct gets. A conflict does not carry the current record: the server does
// not return it.
//
// # What it does not promise
//
// A server acknowledges a write before it is synced to disk: by default it
// syncs every two minutes. If the machine, or in a cluster a majority, loses
// power, acknowledged writes are lost, and with them the lock's memory of who
// holds it: two holders and repeated fencing tokens can follow (Jepsen, NATS
// 2.12.1). Servers that keep locks should run with
//
//	jetstream { sync_interval: always }
//
// In a cluster, a leader that was cut off from the others may answer a Get from
// before the cut until it steps down. That costs a conflict, never a second
// grant, because a lock decides by CompareAndSwap alone.
//
// No expiry by the server is needed, and a bucket with a time to live is
// refused: it would forget fencing tokens.
//
// # Failure model
//
// Nothing is sent while the client is known to be disconnected, since the
// client library would keep the message and send it after reconnecting, as a
// late write: such a call fails at once with lock.ErrUnavailable. No call is
// retried inside, not by the library either, except that a create goes on over
// a delete marker. A timeout, and a connection that breaks or is closed before
// the answer, leave a write indefinite. A publish that the server's permissions
// forbid is not answered at all: it ends as a timeout.
//
// A deleted key leaves a marker of about 100 bytes in the bucket, which is what
// `nats kv compact` removes; doing so is harmless at any time.
package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Watcher = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
)

// requestTimeout bounds a request whose context has no deadline.
const requestTimeout = 5 * time.Second

// Headers of the key-value layout (NATS ADR-8).
const (
	headerOperation = "KV-Operation"
	operationDelete = "DEL"
	operationPurge  = "PURGE"
)

// Config of a Store.
type Config struct {
	// Bucket is the name of an existing key-value bucket. Required.
	Bucket string
	// AllowUnsafe opens a bucket although its settings can break a lock, such
	// as a time to live. Only models of published protocols that rely on such
	// settings need it.
	AllowUnsafe bool
}

// Store keeps lock records in a bucket, in the layout of NATS key-value, so
// that `nats kv get` shows them under their encoded names. Its methods may be
// called from any goroutine. The connection stays the caller's.
type Store struct {
	js      jetstream.JetStream
	conn    *natsgo.Conn
	bucket  string
	stream  string
	stored  string // prefix of the subjects as the stream stores them
	publish string // prefix of the subjects to publish to
	get     string // API subject that reads one message
	watch   *hub
}

// Open returns a Store on an existing bucket. It fails with lock.ErrRefused if
// the bucket is missing or, unless config allows it, not safe for locks, and
// names the setting and the remedy; other errors are those of the request for
// the bucket's settings, which ctx bounds.
func Open(ctx context.Context, js jetstream.JetStream, config Config) (*Store, error) {
	if config.Bucket == "" {
		return nil, fmt.Errorf("nats: %w: Config.Bucket is empty", lock.ErrRefused)
	}
	stream, err := js.Stream(ctx, streamName(config.Bucket))
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrInvalidStreamName) {
		return nil, fmt.Errorf("nats: %w: there is no bucket %q; create it with CreateBucket, or with `nats kv add %s`", lock.ErrRefused, config.Bucket, config.Bucket)
	}
	if err != nil {
		return nil, fmt.Errorf("nats: bucket %q: %w", config.Bucket, readError(ctx, err))
	}
	if err := checkSettings(stream.CachedInfo().Config); err != nil && !config.AllowUnsafe {
		return nil, fmt.Errorf("nats: %w: bucket %q is not safe for locks: %w", lock.ErrRefused, config.Bucket, err)
	}
	return newStore(js, config.Bucket), nil
}

func newStore(js jetstream.JetStream, bucket string) *Store {
	api, custom := apiPrefix(js.Options())
	s := &Store{
		js:      js,
		conn:    js.Conn(),
		bucket:  bucket,
		stream:  streamName(bucket),
		stored:  "$KV." + bucket + ".",
		publish: "$KV." + bucket + ".",
		get:     api + "STREAM.MSG.GET." + streamName(bucket),
	}
	if custom {
		s.publish = api + s.stored // as jetstream.KeyValue does
	}
	s.watch = newHub(s)
	return s
}

func streamName(bucket string) string { return "KV_" + bucket }

// apiPrefix returns the prefix of API subjects, and whether it is not the usual.
func apiPrefix(options jetstream.JetStreamOptions) (prefix string, custom bool) {
	switch {
	case options.Domain != "":
		return "$JS." + options.Domain + ".API.", true
	case options.APIPrefix != "":
		prefix = strings.TrimSuffix(options.APIPrefix, ".") + "."
		return prefix, prefix != jetstream.DefaultAPIPrefix
	}
	return jetstream.DefaultAPIPrefix, false
}

// Capabilities declares Watch and RevisionOrder.
func (s *Store) Capabilities() lock.Capabilities {
	return lock.Capabilities{Watch: true, RevisionOrder: true}
}

// Close ends all waits and releases their consumers, and returns when they are
// gone.
// It leaves the connection open, and Get, CompareAndSwap and Delete at work, so
// that a lock can still be released. It may be called more than once.
func (s *Store) Close() { s.watch.close() }

// Get returns the current version of key, as the stream's leader has it, or an
// error that is lock.ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	name, err := s.prepare(ctx, key)
	if err != nil {
		return lock.Record{}, s.fail("get", key, err)
	}
	e, err := s.last(ctx, name)
	if err == nil && e.deleted {
		err = lock.ErrNotFound
	}
	if err != nil {
		return lock.Record{}, s.fail("get", key, err)
	}
	return e.record(), nil
}

// CompareAndSwap writes value if key's current revision is old; "" means that
// the key must not exist. A conflict is a *lock.ConflictError that does not
// know the current record.
//
// An update costs one round trip. A create costs one, and three where a deleted
// key left its marker.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	name, err := s.prepare(ctx, key)
	if err != nil {
		return "", s.fail("write", key, err)
	}
	var sequence uint64
	if old == "" {
		sequence, err = s.create(ctx, name, value)
	} else if sequence, err = parseRevision(old); err == nil {
		sequence, err = s.swap(ctx, name, natsgo.Header{}, value, sequence)
	}
	if err != nil {
		return "", s.fail("write", key, err)
	}
	return formatRevision(sequence), nil
}

// Delete removes key if its current revision is old, by a delete marker.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	name, err := s.prepare(ctx, key)
	if err != nil {
		return s.fail("delete", key, err)
	}
	sequence, err := parseRevision(old)
	if err != nil {
		return s.fail("delete", key, err)
	}
	header := natsgo.Header{headerOperation: []string{operationDelete}}
	_, err = s.swap(ctx, name, header, nil, sequence)
	if errors.Is(err, lock.ErrConflict) {
		err = s.whyNotDeleted(ctx, name, err)
	}
	if err != nil {
		return s.fail("delete", key, err)
	}
	return nil
}

// Put writes value whatever is there. The reference lock never uses it; models
// of published protocols do.
func (s *Store) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	name, err := s.prepare(ctx, key)
	if err != nil {
		return "", s.fail("put", key, err)
	}
	sequence, err := s.write(ctx, name, natsgo.Header{}, value)
	if err != nil {
		return "", s.fail("put", key, err)
	}
	return formatRevision(sequence), nil
}

// Remove deletes key whatever is there; a missing key is no error. The
// reference lock never uses it; models of published protocols do.
func (s *Store) Remove(ctx context.Context, key string) error {
	name, err := s.prepare(ctx, key)
	if err != nil {
		return s.fail("remove", key, err)
	}
	header := natsgo.Header{
		headerOperation:     []string{operationPurge},
		jetstream.MsgRollup: []string{jetstream.MsgRollupSubject},
	}
	if _, err := s.write(ctx, name, header, nil); err != nil {
		return s.fail("remove", key, err)
	}
	return nil
}

// fail says where an error came from, once, at the package's edge.
func (s *Store) fail(what, key string, err error) error {
	return fmt.Errorf("nats: bucket %q: %s of key %q: %w", s.bucket, what, key, err)
}

// parseRevision takes only what formatRevision gives. Sequence 0 would mean
// "no condition" to the server's deletes and must never get there.
func parseRevision(revision lock.Revision) (uint64, error) {
	sequence, err := strconv.ParseUint(string(revision), 10, 64)
	if err != nil || sequence == 0 || formatRevision(sequence) != revision {
		return 0, fmt.Errorf("%w: %q is not a revision of this store", lock.ErrRefused, revision)
	}
	return sequence, nil
}

func formatRevision(sequence uint64) lock.Revision {
	return lock.Revision(strconv.FormatUint(sequence, 10))
}
