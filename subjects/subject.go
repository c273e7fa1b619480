// Package subjects holds the locks under test: the reference lock, models of
// published protocols, and mutants of the reference lock that the harness must
// catch.
//
// A subject is written against Env alone, so that the same lines run in the
// simulator and against a real server.
package subjects

import (
	"context"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
)

// RawStore is a lock.Store together with the unconditional operations that
// published protocols use. The reference lock never sees them.
type RawStore interface {
	lock.Store
	// Put writes value whatever is there.
	Put(ctx context.Context, key string, value []byte) (lock.Revision, error)
	// Remove deletes key whatever is there; a missing key is no error.
	Remove(ctx context.Context, key string) error
}

// Env is the world as one client process sees it.
type Env struct {
	// Client is the index of the client, Owner its name ("c0", "c1", ...).
	Client int
	Owner  string
	Store  RawStore
	// Runtime's clock counts through suspend. Monotonic is the reading of a
	// clock that stops with the machine (CLOCK_MONOTONIC); Wall is the wall
	// clock's, since an epoch that all clients share.
	Runtime   lock.Runtime
	Monotonic func() time.Duration
	Wall      func() time.Duration
	Settings  Settings
	// Observe is told what a lock does on its own account. Never nil.
	Observe Observer
}

// Settings are the lease settings of a run.
type Settings struct {
	TTL              time.Duration
	RenewEvery       time.Duration
	PollEvery        time.Duration
	RequestTimeout   time.Duration
	MaxClockDriftPPM int64
}

// Observer is told of renewals, which locks perform in the background.
type Observer interface {
	RenewInvoked(Lease)
	// RenewReturned: nil, an error that proves that the lease is gone
	// (lost == true), or one that leaves it open.
	RenewReturned(l Lease, err error, lost bool)
}

// Subject is a lock under test.
type Subject struct {
	Name string
	// Summary is one line; Source says where the protocol was published, or
	// what a mutant breaks.
	Summary string
	Source  string
	// Mutant marks a reference lock with one rule broken; Breaks names the
	// property that must be seen to fail.
	Mutant bool
	Breaks string
	// Promises returns what the lock promises with these settings. nil: mutual
	// exclusion and no more.
	Promises func(Settings) linearizability.Promises
	// BucketTTL: the store must expire a key that was not written for TTL.
	BucketTTL bool
	// Interruptible: it never holds a mutex while it reads the clock, so that the
	// simulator may interrupt it there. One that does would block for ever.
	Interruptible bool
	// Raw: uses Put or Remove.
	Raw bool
	New func(Env) (Locker, error)
}

// Promised returns what the lock promises with these settings.
func (s Subject) Promised(set Settings) linearizability.Promises {
	if s.Promises == nil {
		return linearizability.Promises{}
	}
	return s.Promises(set)
}

// Locker is one client's lock library.
type Locker interface {
	// Acquire takes the lock called name. With opts.Try it returns at once, with
	// a *lock.HeldError if another holds it; else it waits until ctx ends. Any
	// error that is not lock.Definite and not a *lock.HeldError leaves open
	// whether the lock was granted.
	Acquire(ctx context.Context, name string, opts Options) (Lease, error)
}

// Options of one Acquire.
type Options struct {
	Try bool
	// NoRenewal: the lease is left to run out; nothing renews it but its holder.
	NoRenewal bool
	// WaitLimit: an acquire that was not granted within it fails; 0: it waits until
	// ctx ends. A lock that knows no such limit ignores it, and its caller cancels
	// a little later.
	WaitLimit time.Duration
}

// Lease is what a holder has in hand.
type Lease interface {
	// Token is the fencing token, 0 if the protocol has none.
	Token() uint64
	// ValidUntil is the reading of Env.Runtime's clock up to which the holder
	// believes in its lease; bounded is false where the protocol gives the
	// holder no such instant.
	ValidUntil() (at time.Duration, bounded bool)
	// Lost ends when the lock tells its holder that the lease is lost.
	Lost() context.Context
	Release(ctx context.Context) error
}

// What follows is optional: a Locker or a Lease that offers more than it must is
// tested with that too.

// Doer is a Locker that runs a function under the lock: it acquires, calls f, and
// gives the lease back when f returns. Options.Try is not asked for. The error
// joins what f returned and what went wrong with the lease.
type Doer interface {
	Do(ctx context.Context, name string, o Options, f func(context.Context, Lease) error) error
}

// Closer is a Locker that can be closed: all its leases are given back, and
// acquires under way end.
type Closer interface {
	Close(ctx context.Context) error
}

// Inspector is a Locker that tells who holds a lock, without taking it: the owner's
// name, "" where the lock is free or never was anybody's.
type Inspector interface {
	Inspect(ctx context.Context, name string) (owner string, err error)
}

// Renewer is a Lease that its holder can renew by hand. The observer is told of
// such a renewal as of any other.
type Renewer interface {
	Renew(ctx context.Context) error
}

// Asker is a Lease that says how long it stands, by the clock of Env.Runtime.
type Asker interface {
	Valid() bool
	Remaining() time.Duration
}
