// Package kubernetes is a lock store on the API server of a Kubernetes cluster.
//
// There are two layouts. Open keeps each lock in a Lease object of its own
// (coordination.k8s.io/v1), so that `kubectl get leases` tells who holds it.
// OpenAnnotations keeps locks in the annotations of one object of any kind,
// which may be the very object that they guard.
//
// # What it promises
//
// All that package backendtest asks for, with Watch. Reads are quorum reads.
// All waits of a Store share one list and watch.
//
// In the Lease layout a record's revision is the object's resourceVersion,
// which the cluster's storage never gives out twice; every write names the one
// it replaces, and the server checks it. RevisionOrder is declared: they rise.
// The record is an annotation. The fields of the Lease's spec mirror it for
// kubectl: holderIdentity, leaseDurationSeconds (rounded up), leaseTransitions
// (the fencing token) and, by this machine's wall clock, acquireTime and
// renewTime. Nothing is ever decided by the spec, and no clock is compared: it
// may be wrong, edited or gone without consequence.
//
// In the layout of annotations a record's revision is 128 random bits, drawn
// for each write and kept beside the record. A write is a JSON patch that tests
// for the old revision and sets record and revision. The server evaluates the
// patch against one version of the object and stores the outcome only if that
// is still the current one, and it does so again with the next version if not.
// So a write is applied if and only if its lock's record is the one that was
// named, however often the rest of the object changes; and since a revision is
// never drawn twice, a late copy of a write cannot match again, not after a
// delete either. A conflict carries the current record.
//
// # What it does not promise
//
// A cluster that is restored from a backup of its storage goes back in time: it
// forgets holders and fencing tokens. So does an object that is deleted by
// hand. In the layout of annotations a Store holds on to the object that it was
// opened on, by its uid, and refuses one that was made anew under its name;
// whoever opens it then starts with tokens from 1. Mutating admission webhooks
// and controllers must leave the annotations of this package alone.
//
// # Failure model
//
// Each call is sent once. The client library's retries (after status 429 and
// 5xx, up to ten) and its rate limit (5 requests a second by default) are turned
// off, whatever the configuration says: a retry would meet its own success and
// be reported as a conflict, and a renewal must not stand in a queue.
//
// Connections are HTTP/1.1. Over HTTP/2, the library's choice, all requests
// share one connection; when the network swallows it, a request ends with its
// context, but the next goes into the same dead connection, until the library's
// ping notices after 45 seconds. Here a request that ends without an answer
// takes its connection with it, and all idle ones, and the next one dials. The
// price is a connection for each request under way and one for the watch.
//
// Definite errors are the server's own refusals (status 400, 401, 403, 404, 409,
// 413, 415, 422 and 429), and those raised before the request reached the HTTP
// transport or while it dialled. All others leave a write indefinite.
package kubernetes

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/lock"
)

var (
	_ lock.Store   = (*Store)(nil)
	_ lock.Watcher = (*Store)(nil)
	_ lock.Capable = (*Store)(nil)
)

// requestTimeout bounds a request whose context has no deadline.
const requestTimeout = 5 * time.Second

// Store keeps lock records in a cluster. Its methods may be called from any
// goroutine.
type Store struct {
	api    *api
	layout layout
	watch  *hub
}

// layout is where and how records are kept. Its errors are classified.
type layout interface {
	String() string // for error messages
	capabilities() lock.Capabilities
	get(ctx context.Context, key string) (lock.Record, error)
	swap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error)
	remove(ctx context.Context, key string, old lock.Revision) error
	// check refuses a revision that is none.
	check(revision lock.Revision) error
	// watched is the path of the collection to list and watch, and the
	// parameter that selects the objects that may hold records.
	watched() (path, selector, value string)
	// holder returns the name of the object that holds key's record, if there
	// is one.
	holder(key string) string
	// read returns key's record in the object, which is nil if there is none.
	read(o *object, key string) (lock.Record, error)
}

func newStore(a *api, l layout) *Store {
	return &Store{api: a, layout: l, watch: newHub(a, l)}
}

// Capabilities declares Watch, and RevisionOrder (Leases) or
// ConflictReturnsCurrent (annotations).
func (s *Store) Capabilities() lock.Capabilities { return s.layout.capabilities() }

// Close ends all waits and the watch, and returns when it is gone. It leaves
// Get, CompareAndSwap and Delete at work, so that a lock can still be released;
// idle connections are closed, and again 30 seconds after they were last used.
// It may be called more than once.
func (s *Store) Close() {
	s.watch.close()
	s.api.closeIdle()
}

// Get returns the current version of key by a quorum read, or an error that is
// lock.ErrNotFound.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	err := checkKey(key)
	var record lock.Record
	if err == nil {
		record, err = s.layout.get(ctx, key)
	}
	if err != nil {
		return lock.Record{}, s.fail("get", key, err)
	}
	return record, nil
}

// CompareAndSwap writes value if key's current revision is old; "" means that
// there must be no record. It costs one round trip; in the layout of annotations
// a conflict costs a second one, for the record that it carries.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	err := checkKey(key)
	if err == nil && old != "" {
		err = s.layout.check(old)
	}
	var revision lock.Revision
	if err == nil {
		revision, err = s.layout.swap(ctx, key, old, value)
	}
	if err != nil {
		return "", s.fail("write", key, err)
	}
	return revision, nil
}

// Delete removes key's record if its current revision is old.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	err := checkKey(key)
	if err == nil {
		err = s.layout.check(old)
	}
	if err == nil {
		err = s.layout.remove(ctx, key, old)
	}
	if err != nil {
		return s.fail("delete", key, err)
	}
	return nil
}

// fail says where an error came from, once, at the package's edge.
func (s *Store) fail(what, key string, err error) error {
	if len(key) > maxKey {
		key = key[:maxKey] + "..."
	}
	return fmt.Errorf("kubernetes: %v: %s of key %q: %w", s.layout, what, key, err)
}

// connect makes the client of a Store. The caller's configuration is copied.
func connect(config *rest.Config) (*api, error) {
	if config == nil {
		return nil, fmt.Errorf("%w: the configuration is nil", lock.ErrRefused)
	}
	a, err := newAPI(config)
	if err != nil {
		return nil, fmt.Errorf("%w: the configuration does not make a client: %w", lock.ErrRefused, err)
	}
	return a, nil
}
