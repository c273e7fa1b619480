package lock

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Revision names one version of one key in a store. The empty Revision means
// "the key does not exist". Revisions are compared for equality only, unless
// the store's Capabilities say that they are ordered.
//
// A store must never give two different versions of a key the same Revision,
// not even across a deletion: takeover is safe only because a late write that
// names an old Revision cannot match a newer version.
type Revision string

// Record is one version of one key as a store holds it.
type Record struct {
	Value    []byte
	Revision Revision
}

// Store is the compare-and-swap store that a lock stands on. Package
// backends/backendtest states each guarantee as a test case.
//
// Every method must return soon after its context ends. The error tells what
// is known of a write:
//
//   - ErrConflict and ErrNotFound: definite, the write was not applied and
//     the key was not as named;
//   - ErrUnavailable: definite, not applied, worth trying again (throttling, a
//     connection refused before anything was sent); the lock still reckons with
//     a copy of the request that the network made and the store carries out;
//   - ErrRefused: definite, not applied, trying again will not help (no
//     permission, no such table, a key or value the store cannot take);
//   - any other error: indefinite. The write was applied, or was not, or is
//     still on its way and will be applied later.
//
// A backend that cannot prove an error harmless must leave it indefinite. Why a
// context ended proves nothing about the request: an error may give the cause,
// but must not have its class. CauseOf takes that off.
type Store interface {
	// Get returns the current version of key, or ErrNotFound. It must be a
	// linearizable read: it reflects every write acknowledged before it began.
	Get(ctx context.Context, key string) (Record, error)

	// CompareAndSwap writes value if key's current Revision is old, and returns
	// the new Revision. With old == "" the key must not exist. Otherwise it
	// fails with an error that is ErrConflict, a *ConflictError where the store
	// returns the current record with the failure.
	CompareAndSwap(ctx context.Context, key string, old Revision, value []byte) (Revision, error)

	// Delete removes key if its current Revision is old, which must not be
	// empty. It fails with ErrNotFound if the key does not exist and with
	// ErrConflict if it has another Revision.
	Delete(ctx context.Context, key string, old Revision) error
}

// Watcher is implemented by a Store that can tell of a change.
type Watcher interface {
	// Wait returns as soon as key's Revision differs from after: at once if it
	// differs already. It returns the record then current, or ErrNotFound if
	// after is not empty and the key does not exist (any more). With after ==
	// "" it returns when the key exists. Waits may be answered late or from a
	// cache; a lock therefore uses them to know when to try, never to decide.
	Wait(ctx context.Context, key string, after Revision) (Record, error)
}

// Capabilities are declared by a store, not discovered.
type Capabilities struct {
	// Watch: the store implements Watcher and answers a change without polling.
	Watch bool
	// ConflictReturnsCurrent: a failed CompareAndSwap carries the current
	// record (*ConflictError with Known set).
	ConflictReturnsCurrent bool
	// RevisionOrder: a later version of a key has a Revision that compares
	// greater as an unsigned decimal number.
	RevisionOrder bool
}

// Capable is implemented by a store that has any capability.
type Capable interface {
	Capabilities() Capabilities
}

// CapabilitiesOf returns what store declares; nothing if it declares nothing.
func CapabilitiesOf(store Store) Capabilities {
	if c, ok := store.(Capable); ok {
		return c.Capabilities()
	}
	return Capabilities{}
}

// Errors of a Store. Each is definite: the write was certainly not applied.
var (
	ErrConflict    = errors.New("conflict: the record has another revision")
	ErrNotFound    = errors.New("not found")
	ErrUnavailable = errors.New("unavailable: the request was not carried out")
	ErrRefused     = errors.New("refused")
)

// ConflictError is an ErrConflict that carries the record then current.
type ConflictError struct {
	// Current is the record that stood in the way. Its Revision is empty if the
	// key did not exist.
	Current Record
	// Known is false where the store could not tell; Current is then empty.
	Known bool
}

func (e *ConflictError) Error() string {
	if !e.Known {
		return ErrConflict.Error()
	}
	if e.Current.Revision == "" {
		return "conflict: the record does not exist"
	}
	return fmt.Sprintf("conflict: the record has revision %s", e.Current.Revision)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// Definite reports whether err proves that a write was not applied.
func Definite(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) ||
		errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRefused)
}

// CauseOf is context.Cause for the error of a request to a Store: a cause that is
// itself the error of another request, as the first error of an errgroup is, is
// reduced to its text. Else a write that was cut off by "that other write was
// refused" would itself pass for one that was refused.
func CauseOf(ctx context.Context) error { return withoutClass(context.Cause(ctx)) }

// withoutClass reduces an error that is Definite to its text.
func withoutClass(err error) error {
	if Definite(err) {
		return errors.New(err.Error())
	}
	return err
}

// Runtime is all that a lock asks of the machine it runs on. SystemRuntime is
// the real one; package sim has a simulated one, which is why nothing else in
// this package may read a clock, start a goroutine or draw a random number.
type Runtime interface {
	// Now reads a clock that never goes back, is not set by anybody, and counts
	// while the machine is suspended. Its zero is arbitrary and differs between
	// processes.
	Now() time.Duration
	// Sleep returns nil once Now has advanced by d, or the cause of ctx's end
	// (context.Cause) if that comes first. After the machine was suspended it
	// may be late by as much as the runtime documents.
	Sleep(ctx context.Context, d time.Duration) error
	// Go runs f concurrently. The returned function waits until f has returned.
	Go(f func()) (join func())
	// Uint64 returns a random number that no other process will draw again.
	Uint64() uint64
}

// timeouter is a Runtime that can end a context by itself. It spares a task for
// each request and is no more than that: the lock works without it.
type timeouter interface {
	// WithTimeoutCause is context.WithTimeoutCause on the Runtime's clock.
	WithTimeoutCause(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc)
}
