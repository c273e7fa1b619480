package redispeer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
)

// maxValue and maxKey are limits of this Store, far below those of Redis.
const (
	maxValue = 1 << 20
	maxKey   = 4 << 10
)

// Store is a lock.Store in one Redis: a record is a hash of a revision and a
// value, and each write is one script. Revisions come from one counter, so that
// none is given twice, not across a deletion either.
//
// It serves the comparison and no more. A Redis that is restarted without its
// data, or fails over to a replica, forgets acknowledged writes, and with them
// locks and fencing tokens; every lock on Redis has that. It cannot watch:
// Redis's notifications are lost on a broken connection, and the contenders on
// Redis poll too.
type Store struct {
	client *redis.Client
	prefix string
}

// NewStore keeps its records under prefix.
func NewStore(client *redis.Client, prefix string) *Store {
	return &Store{client: client, prefix: prefix}
}

// Capabilities says that a failed write returns the record that stood in the
// way.
func (s *Store) Capabilities() lock.Capabilities {
	return lock.Capabilities{ConflictReturnsCurrent: true, RevisionOrder: true}
}

// Scripts return {done, revision, value}. A record that does not exist has the
// revision "". KEYS: the record, the counter.
var (
	swapScript = redis.NewScript(`
local now = redis.call('HMGET', KEYS[1], 'r', 'v')
if (now[1] or '') ~= ARGV[1] then return {0, now[1] or '', now[2] or ''} end
local r = tostring(redis.call('INCR', KEYS[2]))
redis.call('HSET', KEYS[1], 'r', r, 'v', ARGV[2])
return {1, r, ''}`)
	deleteScript = redis.NewScript(`
local now = redis.call('HMGET', KEYS[1], 'r', 'v')
if (now[1] or '') ~= ARGV[1] then return {0, now[1] or '', now[2] or ''} end
redis.call('DEL', KEYS[1])
return {1, '', ''}`)
)

// Get reads from the one server that there is.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	if err := checkKey(key); err != nil {
		return lock.Record{}, fail("get", key, err)
	}
	fields, err := s.client.HMGet(ctx, s.record(key), "r", "v").Result()
	if err != nil {
		return lock.Record{}, fail("get", key, classify(ctx, err))
	}
	revision, ok := fields[0].(string)
	value, _ := fields[1].(string)
	if !ok {
		return lock.Record{}, fail("get", key, lock.ErrNotFound)
	}
	return lock.Record{Value: []byte(value), Revision: lock.Revision(revision)}, nil
}

// CompareAndSwap is one script.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	err := checkKey(key)
	if err == nil && len(value) > maxValue {
		err = fmt.Errorf("%w: %d bytes, and the limit is %d", lock.ErrRefused, len(value), maxValue)
	}
	if err == nil {
		err = checkRevision(old)
	}
	if err != nil {
		return "", fail("write", key, err)
	}
	revision, err := s.run(ctx, swapScript, key, string(old), value)
	if err != nil {
		return "", fail("write", key, err)
	}
	return revision, nil
}

// Delete is one script.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	err := checkKey(key)
	if err == nil && old == "" {
		err = fmt.Errorf("%w: delete needs a revision", lock.ErrRefused)
	}
	if err == nil {
		err = checkRevision(old)
	}
	if err == nil {
		_, err = s.run(ctx, deleteScript, key, string(old))
	}
	var conflict *lock.ConflictError
	if errors.As(err, &conflict) && conflict.Current.Revision == "" {
		err = lock.ErrNotFound
	}
	if err != nil {
		return fail("delete", key, err)
	}
	return nil
}

func (s *Store) run(ctx context.Context, script *redis.Script, key string, args ...any) (lock.Revision, error) {
	answer, err := script.Run(ctx, s.client, []string{s.record(key), s.prefix + "revision"}, args...).Slice()
	if err != nil {
		return "", classify(ctx, err)
	}
	if len(answer) != 3 {
		return "", fmt.Errorf("an answer of %d parts, want 3", len(answer))
	}
	revision, _ := answer[1].(string)
	value, _ := answer[2].(string)
	if answer[0] == int64(1) {
		return lock.Revision(revision), nil
	}
	current := lock.Record{Revision: lock.Revision(revision)}
	if revision != "" {
		current.Value = []byte(value)
	}
	return "", &lock.ConflictError{Current: current, Known: true}
}

func (s *Store) record(key string) string { return s.prefix + "record:" + key }

// classify: what the server answers with an error it has not carried out, for
// our scripts write last, in commands that fail as a whole; OOM and the like
// are raised before a script is run. All else is indefinite.
func classify(ctx context.Context, err error) error {
	var answer redis.Error
	switch {
	case errors.As(err, &answer):
		for _, passing := range []string{"OOM", "LOADING", "BUSY", "READONLY", "TRYAGAIN", "MASTERDOWN"} {
			if strings.HasPrefix(answer.Error(), passing) {
				return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
			}
		}
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
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

// checkRevision refuses what this Store never gave.
func checkRevision(revision lock.Revision) error {
	if revision == "" {
		return nil
	}
	n, err := strconv.ParseUint(string(revision), 10, 63)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != string(revision) {
		return fmt.Errorf("%w: %q is not a revision of this store", lock.ErrRefused, revision)
	}
	return nil
}

func fail(what, key string, err error) error {
	return fmt.Errorf("redis: %s of key %q: %w", what, key, err)
}
