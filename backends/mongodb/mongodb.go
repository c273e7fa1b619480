// Package mongodb is a lock store on a MongoDB collection.
//
// # What it promises
//
// All that package backendtest asks for. A lock is one document: the lock's name
// is its _id, "revision" is a string, and "value" is a string where the value is
// UTF-8, so that the shell shows it, and binary where it is not. A write replaces
// the document; other fields of it are lost.
//
// Writes are acknowledged by a majority of the replica set once they are in its
// journals (w: "majority", j: true), so that a failover loses none. Reads have
// the read concern "linearizable" on replica sets and sharded clusters: it is the
// only one with which a primary that was deposed and does not know it cannot
// answer from the past. It costs a round of the primary with its secondaries; a
// free lock is acquired without any read. A standalone server refuses that read
// concern and needs none, having the only copy: there it is "local". What the
// server is, is asked once, by Open. These concerns are named in every command;
// those of the client and the collection do not matter.
//
// A revision has three parts: which life of the document it is (drawn when the
// document is made), how many writes that life has seen, and 128 random bits
// drawn for the write. It never comes again, not even after the document was
// deleted and made anew. Revisions are not ordered across deletions, so they are
// not declared so; within one life they are, which is how waits tell news from
// old news.
//
// Where change streams are to be had, all waits of a Store share one (see Wait);
// otherwise locks poll.
//
// # What it does not promise
//
// A collection that forgets by itself (capped, or with a TTL index) forgets
// holders and fencing tokens, and one with a collation takes different names for
// the same; Open refuses them. Restoring a backup takes locks back in time, and
// so does a failover of a set that runs with writeConcernMajorityJournalDefault
// switched off and loses power, or whose member was forced to primary.
//
// # Failure model
//
// Each write is sent once, whatever the client's RetryWrites says, because it is
// sent as a plain command, which the driver does not retry. Its retries of
// writes would be harmless for updates, but not for creations: the first copy of
// an insert, late, could make a document anew that was deleted meanwhile, after
// the second copy was reported as a conflict. The driver still sends a command
// again when the server turned it down because it is overloaded, marked as safe
// to send again, or because the connection must first log in again.
//
// A session in a call's context is ignored: a lock must not become part of
// somebody's transaction.
//
// Definite errors are those of a short list of codes with which a server refuses
// a command before it carries it out, and those that the driver raises before it
// sends anything: no server to be found, no connection, no time left. All others
// leave a write indefinite, among them every error of a write concern (the
// primary has the write, and a majority may get it yet) and "not primary".
package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
	_ lock.Watcher = (*Store)(nil)
)

// requestTimeout bounds a request whose context has no deadline.
const requestTimeout = 5 * time.Second

// Config of a Store. The zero value works.
type Config struct {
	// NoWatch keeps the store from using change streams. By default Open tries
	// whether the server has them.
	NoWatch bool
	// AllowUnsafe opens collections that forget by themselves. It is for models
	// of protocols that rely on that, not for locks.
	AllowUnsafe bool
	// Unchecked spares Open the look at the collection, for clients that may not
	// call listCollections and listIndexes (the role "read" allows both).
	Unchecked bool
}

// Store keeps lock records in a collection, one document each. Its methods may
// be called from any goroutine. The collection and its client stay the caller's;
// Close ends what the Store itself started.
type Store struct {
	collection *mongo.Collection
	readLevel  string // read concern
	watch      *hub   // nil without change streams
}

// Open returns a Store on an existing collection. It fails with lock.ErrRefused
// if the collection is missing, is not fit for locks, or may not be looked at,
// and names the remedy; other errors are those of the requests, which ctx
// bounds. The caller closes the Store when it is done.
//
// The client's own settings are used, but for read and write concerns, read
// preference and retries (see the package's failure model).
func Open(ctx context.Context, collection *mongo.Collection, config Config) (*Store, error) {
	if collection == nil {
		return nil, fmt.Errorf("mongodb: %w: the collection is nil", lock.ErrRefused)
	}
	s := &Store{collection: collection}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.open(ctx, config); err != nil {
		return nil, fmt.Errorf("mongodb: collection %q: %w", s.name(), err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, config Config) error {
	server, err := s.hello(ctx)
	if err != nil {
		return err
	}
	s.readLevel = server.readLevel()
	if !config.Unchecked {
		if err := s.check(ctx, server, config.AllowUnsafe); err != nil {
			return err
		}
	}
	if config.NoWatch {
		return nil
	}
	has, err := s.hasChangeStreams(ctx, server)
	if has {
		s.watch = newHub(s)
	}
	return err
}

// name is the collection's, with its database.
func (s *Store) name() string { return s.collection.Database().Name() + "." + s.collection.Name() }

// Close ends the change stream, if there is one, and all waits with it, and
// returns when nothing of it is left. It may be called more than once. Reads and
// writes go on working.
func (s *Store) Close() {
	if s.watch != nil {
		s.watch.close()
	}
}

// Capabilities declares Watch where the server has change streams. A conflict
// does not carry the current record: an update that matches nothing returns
// nothing.
func (s *Store) Capabilities() lock.Capabilities {
	return lock.Capabilities{Watch: s.watch != nil}
}

// Get returns the current version of key by a linearizable read, or an error
// that is lock.ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	v, err := s.read(ctx, key)
	if err != nil {
		return lock.Record{}, s.fail("get", key, err)
	}
	return v.record(), nil
}

// read reads one document.
func (s *Store) read(ctx context.Context, key string) (version, error) {
	if err := checkKey(key); err != nil {
		return version{}, err
	}
	answer, err := s.call(ctx, bson.D{
		{Key: "find", Value: s.collection.Name()},
		{Key: "filter", Value: bson.D{{Key: fieldID, Value: key}}},
		{Key: "limit", Value: 1},
		{Key: "singleBatch", Value: true},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: s.readLevel}}},
	})
	if err != nil {
		return version{}, err
	}
	found, err := documents(answer)
	switch {
	case err != nil:
		return version{}, err
	case len(found) == 0:
		return version{}, lock.ErrNotFound
	}
	return decode(found[0])
}

// CompareAndSwap writes value if key's current revision is old; "" means that
// there must be no document. A conflict is a *lock.ConflictError without the
// current record.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	var next revision
	err := checkKey(key)
	if err == nil && old == "" {
		next = firstRevision()
		err = s.create(ctx, encode(key, next, value))
	} else if err == nil {
		var last revision
		if last, err = parseRevision(string(old)); err == nil {
			next = last.next()
			err = s.replace(ctx, key, old, encode(key, next, value))
		}
	}
	if err != nil {
		return "", s.fail("write", key, err)
	}
	return lock.Revision(next.String()), nil
}

func (s *Store) create(ctx context.Context, document bson.D) error {
	if err := checkSize(document); err != nil {
		return err
	}
	n, err := s.write(ctx, bson.D{
		{Key: "insert", Value: s.collection.Name()},
		{Key: "documents", Value: bson.A{document}},
	})
	if err == nil && n != 1 {
		return fmt.Errorf("the server says that it inserted %d documents", n)
	}
	return err
}

func (s *Store) replace(ctx context.Context, key string, old lock.Revision, document bson.D) error {
	if err := checkSize(document); err != nil {
		return err
	}
	n, err := s.write(ctx, bson.D{
		{Key: "update", Value: s.collection.Name()},
		{Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: isRevision(key, old)}, {Key: "u", Value: document}}}},
	})
	if err == nil && n == 0 {
		return &lock.ConflictError{}
	}
	return err
}

// Delete removes key's document if its current revision is old. To tell a
// missing document from another revision takes a second round trip.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	if err := s.delete(ctx, key, old); err != nil {
		return s.fail("delete", key, err)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, key string, old lock.Revision) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if _, err := parseRevision(string(old)); err != nil {
		return err
	}
	n, err := s.write(ctx, bson.D{
		{Key: "delete", Value: s.collection.Name()},
		{Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: isRevision(key, old)}, {Key: "limit", Value: 1}}}},
	})
	if err != nil || n > 0 {
		return err
	}
	if _, err := s.read(ctx, key); errors.Is(err, lock.ErrNotFound) || errors.Is(err, errForeign) {
		return err
	}
	return &lock.ConflictError{}
}

// fail says where an error came from, once, at the package's edge.
func (s *Store) fail(what, key string, err error) error {
	return fmt.Errorf("mongodb: collection %q: %s of key %q: %w", s.name(), what, shorten(key), err)
}

// shorten keeps a key that was refused for its length out of the message.
func shorten(key string) string {
	if len(key) <= 256 {
		return key
	}
	return key[:256] + "..."
}
