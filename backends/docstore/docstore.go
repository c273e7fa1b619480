// Package docstore is a lock store on any collection of gocloud.dev/docstore:
// DynamoDB, Firestore, the in-memory one, or another driver of that interface.
// Where there is a backend for the store itself (package dynamodb, package
// mongodb), that one knows more of its errors and takes fewer requests.
//
// # What it promises
//
// All that package backendtest asks for, but no watch: a lock that waits polls.
// A lock is one document: the lock's name in the key field, the collection's
// revision field, and the fields Value and Version. The revision of a record is
// the document's, as RevisionToString writes it. No write is sent without one,
// or without the condition that there is no document: docstore takes a missing
// revision to mean that the write is unconditional.
//
// Version is drawn anew for each write. It makes each write a change (Firestore
// keeps the revision of a document that a write leaves as it was), and it tells
// a write that came through from another that got there first.
//
// # What it rests on
//
// Open writes, reads and deletes a document of its own, to see that the
// collection gives revisions, compares them, and does not give one twice. What
// a trial cannot show rests on the drivers: awsdynamodb draws a random
// identifier for each write, gcpfirestore has the time of the commit, which
// rises, memdocstore counts for all documents together. That count starts again
// when memdocstore loads its documents from a file; Open refuses a collection
// that holds a count from before. An in-memory document that has no revision,
// which only a program that writes past this package can have left there, is
// overwritten by memdocstore whatever the condition says.
//
// Reads must be strongly consistent. Those of awsdynamodb are not by default:
// see Config.BeforeRead.
//
// # Deletion
//
// A docstore does not say whether a conditional Delete found anything: two of
// four drivers call it a success if there was no document. So a document is
// first replaced by one that is marked as deleted, on the condition that it is
// unchanged, and that one is then deleted. If the second step fails, the mark
// stays behind; it counts as no document and the next write replaces it.
//
// # Failure model
//
// Drivers retry underneath: the AWS SDK three times, gcpfirestore's client until
// the context ends. A write that was applied and whose answer was lost is then
// turned down as a conflict with itself. After each conflict the document is
// read again: if its Version is that of the write, the write succeeded. If it
// was overwritten in between, it is reported as a conflict; what of it still
// counts, the lock finds in the record by its own attempt. A first try that the
// service carries out only later fails, for no revision comes again, but for
// one: a create can still succeed if the document was deleted meanwhile. And
// throttling can be the answer to a second try after a first that was applied,
// so it leaves a write indefinite.
//
// Turn the retries off where the driver lets you, above all if locks are deleted
// on release: set the AWS SDK's Retryer to aws.NopRetryer{}, and CallOptions.Commit
// of Firestore's client to nil.
//
// Definite errors are the failure of a condition and what a service says of a
// request that it will never take: an invalid one, and one without permission.
// All others leave a write indefinite.
package docstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"time"

	"gocloud.dev/docstore"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
)

// requestTimeout bounds a call whose context has no deadline.
const requestTimeout = 5 * time.Second

// createTries is how often a create may meet a mark of deletion that is gone
// when it is to be replaced, or a document that is gone when it is read. Each
// time some other client has moved on.
const createTries = 4

// DefaultKeyField is the default of Config.KeyField.
const DefaultKeyField = "ID"

// Config of a Store.
type Config struct {
	// KeyField is the name of the field that holds a document's key, as it was
	// given to the driver: keyField of memdocstore, nameField of gcpfirestore,
	// partitionKey of awsdynamodb. Default "ID".
	KeyField string
	// RevisionField is the name of the field that holds a document's revision,
	// as in the driver's options. Default docstore.DefaultRevisionField.
	RevisionField string
	// Fields are put into every document and every request: the sort key of a
	// DynamoDB table that has one, or what a key function wants to see.
	Fields map[string]any
	// BeforeRead, if set, is called before each read as docstore's BeforeDo is.
	// consistent.DynamoDB makes the reads of a DynamoDB collection strongly
	// consistent, however it was opened.
	BeforeRead func(as func(any) bool) error
	// ConsistentReads says that reads are strongly consistent without
	// BeforeRead: a MongoDB collection with majority reads, or a DynamoDB
	// collection that was opened with the option ConsistentRead. Open refuses a
	// collection whose revisions are strings, as theirs are, if neither is set.
	ConsistentReads bool
}

func (c Config) withDefaults() Config {
	if c.KeyField == "" {
		c.KeyField = DefaultKeyField
	}
	if c.RevisionField == "" {
		c.RevisionField = docstore.DefaultRevisionField
	}
	c.Fields = maps.Clone(c.Fields)
	return c
}

func (c Config) validate() error {
	taken := map[string]string{fieldValue: "the record", fieldVersion: "the record's version", fieldDeleted: "the mark of deletion"}
	take := func(what, name string) error {
		if by := taken[name]; by != "" {
			return fmt.Errorf("%s: the field %q is taken by %s", what, name, by)
		}
		taken[name] = what
		return nil
	}
	if err := take("Config.KeyField", c.KeyField); err != nil {
		return err
	}
	if err := take("Config.RevisionField", c.RevisionField); err != nil {
		return err
	}
	for name := range c.Fields {
		if err := take("Config.Fields", name); err != nil {
			return err
		}
	}
	return nil
}

// Store keeps lock records in a collection, one document each. Its methods may
// be called from any goroutine. The collection stays the caller's.
type Store struct {
	coll   *docstore.Collection
	config Config
}

// Open returns a Store on a collection, once it has tried it out: it writes a
// document whose key begins with "lockproof-open-" and removes it again, with
// about 15 requests in all. What makes a collection unfit is lock.ErrRefused and names the remedy; other errors
// are those of the requests, which ctx bounds (5 seconds if it has no deadline).
func Open(ctx context.Context, coll *docstore.Collection, config Config) (*Store, error) {
	config = config.withDefaults()
	if coll == nil {
		return nil, fmt.Errorf("docstore: %w: the collection is nil", lock.ErrRefused)
	}
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("docstore: %w: %w", lock.ErrRefused, err)
	}
	s := &Store{coll: coll, config: config}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.tryOut(ctx); err != nil {
		return nil, fmt.Errorf("docstore: open: %w", err)
	}
	return s, nil
}

// Capabilities declares none. A conflict does carry the current record, but a
// second request fetched it: a lock that looks first pays less.
func (s *Store) Capabilities() lock.Capabilities { return lock.Capabilities{} }

// Get returns the current version of key, or an error that is lock.ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	record, err := s.get(ctx, key)
	if err != nil {
		return lock.Record{}, fail("get", key, err)
	}
	return record, nil
}

func (s *Store) get(ctx context.Context, key string) (lock.Record, error) {
	name, err := documentName(key)
	if err != nil {
		return lock.Record{}, err
	}
	found, err := s.read(ctx, name)
	if err == nil && found.deleted {
		err = lock.ErrNotFound
	}
	return found.record, err
}

// CompareAndSwap writes value if key's current revision is old; "" means that
// there must be no document. A conflict is a *lock.ConflictError with the record
// that was read after it.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	name, err := documentName(key)
	if err != nil {
		return "", fail("write", key, err)
	}
	var revision lock.Revision
	if old == "" {
		revision, err = s.create(ctx, name, value)
	} else {
		revision, err = s.replace(ctx, name, old, s.document(name, value))
	}
	if err != nil {
		return "", fail("write", key, err)
	}
	return revision, nil
}

// create makes a document where there is none, or only a mark of deletion.
func (s *Store) create(ctx context.Context, name string, value []byte) (lock.Revision, error) {
	doc := s.document(name, value)
	var over any // the revision of the mark to be replaced
	for range createTries {
		revision, err := s.write(ctx, doc, over)
		if err == nil {
			return revision, nil
		}
		now, err := s.afterLoss(ctx, name, err)
		switch {
		case err != nil:
			return "", err
		case now.version == doc[fieldVersion]:
			return now.record.Revision, nil
		case now.version == "" || now.deleted:
			over = now.revision
		default:
			return "", &lock.ConflictError{Current: now.record, Known: true}
		}
	}
	return "", &lock.ConflictError{}
}

// replace puts doc in the place of the document with the revision old.
func (s *Store) replace(ctx context.Context, name string, old lock.Revision, doc map[string]any) (lock.Revision, error) {
	var revision lock.Revision
	condition, err := s.parse(old)
	if err == nil {
		revision, err = s.write(ctx, doc, condition)
	}
	if err == nil {
		return revision, nil
	}
	now, err := s.afterLoss(ctx, name, err)
	switch {
	case err != nil:
		return "", err
	case now.version == "" || now.deleted && now.version != doc[fieldVersion]:
		return "", &lock.ConflictError{Known: true}
	case now.version == doc[fieldVersion]:
		return now.record.Revision, nil
	case now.record.Revision == old: // read from before the write that won
		return "", &lock.ConflictError{}
	}
	return "", &lock.ConflictError{Current: now.record, Known: true}
}

// Delete removes key's document if its current revision is old.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.delete(ctx, key, old); err != nil {
		return fail("delete", key, err)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, key string, old lock.Revision) error {
	name, err := documentName(key)
	if err != nil {
		return err
	}
	if old == "" {
		return fmt.Errorf("%w: the revision is empty", lock.ErrRefused)
	}
	mark := s.mark(name)
	revision, err := s.replace(ctx, name, old, mark)
	var conflict *lock.ConflictError
	if errors.As(err, &conflict) && conflict.Known && conflict.Current.Revision == "" {
		return lock.ErrNotFound
	}
	if err != nil {
		return err
	}
	// The key is gone by now. What becomes of the mark is of no importance, nor
	// is a delete of it that is carried out late: it names the mark's revision.
	if mark[s.config.RevisionField], err = s.parse(revision); err == nil {
		_ = s.coll.Delete(ctx, mark)
	}
	return nil
}

// write sends one conditional write and sets the revision in doc: a create if
// condition is nil, otherwise a replacement of the document that has it.
func (s *Store) write(ctx context.Context, doc map[string]any, condition any) (lock.Revision, error) {
	if ctx.Err() != nil {
		return "", notSent(ctx)
	}
	doc[s.config.RevisionField] = condition
	var err error
	if condition == nil {
		err = s.coll.Create(ctx, doc)
	} else {
		err = s.coll.Replace(ctx, doc)
	}
	if err != nil {
		return "", err
	}
	return s.format(doc[s.config.RevisionField])
}

// read fetches a document, also a mark of deletion. It fails with
// lock.ErrNotFound if there is none.
func (s *Store) read(ctx context.Context, name string) (found, error) {
	if ctx.Err() != nil {
		return found{}, notSent(ctx)
	}
	doc := s.request(name)
	list := s.coll.Actions().Get(doc)
	if s.config.BeforeRead != nil {
		list = list.BeforeDo(s.config.BeforeRead)
	}
	if err := list.Do(ctx); err != nil {
		return found{}, classifyRead(ctx, err)
	}
	return s.decode(doc)
}

// fail says where an error came from, once, at the package's edge.
func fail(what, key string, err error) error {
	return fmt.Errorf("docstore: %s of key %q: %w", what, shorten(key), err)
}

// shorten keeps a key that was refused for its length out of the message.
func shorten(key string) string {
	if len(key) <= 256 {
		return key
	}
	return key[:256] + "..."
}

func newVersion() string { return rand.Text() } // 26 characters, over 128 bits
