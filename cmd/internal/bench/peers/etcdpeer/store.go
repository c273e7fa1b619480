package etcdpeer

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Watcher = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
)

// maxValue is how long a value may be. etcd takes requests of up to 1.5 MiB
// (embed.DefaultMaxRequestBytes).
const maxValue = 1 << 20

// maxKey is how long a key may be; it counts towards the size of a request.
const maxKey = 4 << 10

// Store is a lock.Store in etcd: a record is a key, its Revision the key's
// ModRevision. etcd counts revisions over all keys and never gives one twice,
// not across a deletion either. It serves the comparison; it has not been
// through what the backends of the main module have been through.
type Store struct {
	client *clientv3.Client
	prefix string
}

// NewStore keeps its records under prefix. Close the client to end its waits.
func NewStore(client *clientv3.Client, prefix string) *Store {
	return &Store{client: client, prefix: prefix}
}

// Capabilities says that etcd tells of changes, and that a failed transaction
// reads the key.
func (s *Store) Capabilities() lock.Capabilities {
	return lock.Capabilities{Watch: true, ConflictReturnsCurrent: true, RevisionOrder: true}
}

// Get is a linearizable read, etcd's default.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	if err := checkKey(key); err != nil {
		return lock.Record{}, fail("get", key, err)
	}
	answer, err := s.client.Get(ctx, s.prefix+key)
	if err != nil {
		return lock.Record{}, fail("get", key, classify(ctx, err))
	}
	record := recordOf(answer)
	if record.Revision == "" {
		return lock.Record{}, fail("get", key, lock.ErrNotFound)
	}
	return record, nil
}

// CompareAndSwap is one transaction: compare the ModRevision (0 for a key that
// does not exist), put, or else read.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if err := checkKey(key); err != nil {
		return "", fail("write", key, err)
	}
	if len(value) > maxValue {
		return "", fail("write", key, fmt.Errorf("%w: %d bytes, and etcd takes %d", lock.ErrRefused, len(value), maxValue))
	}
	answer, err := s.transact(ctx, key, old, clientv3.OpPut(s.prefix+key, string(value)))
	if err != nil {
		return "", fail("write", key, err)
	}
	return formatRevision(answer.Header.Revision), nil
}

// Delete is one transaction likewise.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	if err := checkKey(key); err != nil {
		return fail("delete", key, err)
	}
	if old == "" {
		return fail("delete", key, fmt.Errorf("%w: delete needs a revision", lock.ErrRefused))
	}
	_, err := s.transact(ctx, key, old, clientv3.OpDelete(s.prefix+key))
	var conflict *lock.ConflictError
	if errors.As(err, &conflict) && conflict.Current.Revision == "" {
		err = lock.ErrNotFound
	}
	if err != nil {
		return fail("delete", key, err)
	}
	return nil
}

// transact carries out op if key has revision old.
func (s *Store) transact(ctx context.Context, key string, old lock.Revision, op clientv3.Op) (*clientv3.TxnResponse, error) {
	revision, err := parseRevision(old)
	if err != nil {
		return nil, err
	}
	name := s.prefix + key
	answer, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(name), "=", revision)).
		Then(op).
		Else(clientv3.OpGet(name)).
		Commit()
	if err != nil {
		return nil, classify(ctx, err)
	}
	if !answer.Succeeded {
		current := recordOf((*clientv3.GetResponse)(answer.Responses[0].GetResponseRange()))
		return nil, &lock.ConflictError{Current: current, Known: true}
	}
	return answer, nil
}

// Wait reads, and watches from the revision of that read on, so that no change
// falls in between. All watches of a client share one stream.
func (s *Store) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	if err := checkKey(key); err != nil {
		return lock.Record{}, fail("wait", key, err)
	}
	for {
		answer, err := s.client.Get(ctx, s.prefix+key)
		if err != nil {
			return lock.Record{}, fail("wait", key, classify(ctx, err))
		}
		record := recordOf(answer)
		switch {
		case record.Revision != after && record.Revision == "":
			return lock.Record{}, fail("wait", key, lock.ErrNotFound)
		case record.Revision != after:
			return record, nil
		}
		if err := s.change(ctx, key, answer.Header.Revision+1); err != nil {
			return lock.Record{}, fail("wait", key, err)
		}
	}
}

// change returns nil when key may have changed at revision from or later.
func (s *Store) change(ctx context.Context, key string, from int64) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for answer := range s.client.Watch(ctx, s.prefix+key, clientv3.WithRev(from)) {
		switch err := answer.Err(); {
		case errors.Is(err, rpctypes.ErrCompacted), len(answer.Events) > 0:
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
		}
	}
	if ctx.Err() != nil {
		return lock.CauseOf(ctx)
	}
	return fmt.Errorf("%w: the watch ended", lock.ErrUnavailable)
}

// recordOf is the one key of an answer, or an empty record.
func recordOf(answer *clientv3.GetResponse) lock.Record {
	if len(answer.Kvs) == 0 {
		return lock.Record{}
	}
	kv := answer.Kvs[0]
	return lock.Record{Value: append([]byte{}, kv.Value...), Revision: formatRevision(kv.ModRevision)}
}

// classify leaves errors indefinite, except those that etcd's server raises
// before it proposes a request (etcdserver/api/v3rpc: authentication, quota and
// size are checked on arrival). The client does not repeat a transaction that
// writes once it may have been sent (client/v3/retry.go, nonRepeatable).
func classify(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrPermissionDenied), errors.Is(err, rpctypes.ErrUserEmpty), errors.Is(err, rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	case errors.Is(err, rpctypes.ErrNoSpace), errors.Is(err, rpctypes.ErrTooManyRequests):
		return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %v", lock.CauseOf(ctx), err)
	}
	return err
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: a key has 1 to %d bytes, this one %d", lock.ErrRefused, maxKey, len(key))
	}
	return nil
}

func fail(what, key string, err error) error {
	return fmt.Errorf("etcd: %s of key %q: %w", what, key, err)
}

// parseRevision takes only what formatRevision gives, and "" for 0.
func parseRevision(revision lock.Revision) (int64, error) {
	if revision == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(revision), 10, 64)
	if err != nil || n < 1 || formatRevision(n) != revision {
		return 0, fmt.Errorf("%w: %q is not a revision of etcd", lock.ErrRefused, revision)
	}
	return n, nil
}

func formatRevision(n int64) lock.Revision { return lock.Revision(strconv.FormatInt(n, 10)) }
