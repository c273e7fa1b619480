// Package arena measures locks against each other on one server: the reference
// lock and the real libraries of others, turn by turn in one run.
//
// It promises that all contenders of a server meet the same server at the same
// time, and that each client has network connections of its own, which a crash
// cuts. It does not promise that their settings can be made equal: what a
// library cannot be set to is said in its notes. All clients run in this
// process and on this machine; nothing is lost on the way but by a crash.
package arena

import (
	"context"
	"time"

	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// Ours is the name of the reference lock among the contenders.
const Ours = "lockproof"

// Settings says whose lease settings a contender has.
type Settings string

// The settings.
const (
	// Published: what the library does if it is told nothing, or what its
	// documentation says to tell it.
	Published Settings = "published"
	// Same: the same lease and renewal for all contenders of a server.
	Same Settings = "same"
)

// Lease is the length of a lease and when it is renewed.
type Lease struct {
	TTL, RenewEvery time.Duration
	// PollEvery is the longest time between two looks of a waiting client; 0
	// where the server tells it of a change.
	PollEvery time.Duration
}

// OurDefaults are the published settings of the reference lock: those of a
// lock.Config that says nothing.
func OurDefaults() Lease {
	return Lease{TTL: 10 * time.Second, RenewEvery: 10 * time.Second / 3, PollEvery: time.Second}
}

// SameFor are the settings of the reference lock for ttl, for all contenders.
func SameFor(ttl time.Duration) Lease {
	return Lease{TTL: ttl, RenewEvery: ttl / 3, PollEvery: ttl / 10}
}

// Watching is l where the server tells waiting clients of a change.
func (l Lease) Watching() Lease {
	l.PollEvery = 0
	return l
}

// Server is where contenders meet.
type Server struct {
	Name string
	// Describe is the server's name and version, honest about what it is.
	Describe   string
	Contenders []Contender
	Notes      []string
	// Stop ends the server and removes what it left. It may be called more than
	// once.
	Stop func() error
}

// Contender is one lock library with one set of settings.
type Contender struct {
	// Lock names the library, Module its module and version.
	Lock     string
	Module   string
	Settings Settings
	Lease    Lease
	// NoFailover says why the failover is not measured; "" if it is.
	NoFailover string
	Notes      []string
	// Open makes a client with network connections of its own.
	Open func(ctx context.Context, owner string) (Client, error)
}

// Client is one process's use of a lock library.
type Client interface {
	subjects.Locker
	// Crash cuts the client's connections for good, as the end of its process
	// does: nothing is released, and nothing renewed any more.
	Crash()
	// Close ends the client and all that it started. Leases that it holds may
	// be left to run out.
	Close()
}

// NewOurs is the reference lock on store, as a client. Crash calls cut, Close
// calls closed last.
func NewOurs(store lock.Store, owner string, l Lease, cut, closed func()) (Client, error) {
	client, err := lock.New(store, lock.SystemRuntime{}, lock.Config{Owner: owner, TTL: l.TTL, RenewEvery: l.RenewEvery, PollEvery: l.PollEvery})
	if err != nil {
		return nil, err
	}
	return &ours{client: client, cut: cut, closed: closed, closeTimeout: l.TTL}, nil
}

type ours struct {
	client       *lock.Client
	cut, closed  func()
	closeTimeout time.Duration
}

func (o *ours) Crash() { o.cut() }

func (o *ours) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), o.closeTimeout)
	defer cancel()
	_ = o.client.Close(ctx) // a crashed client cannot give back anything
	o.closed()
}

func (o *ours) Acquire(ctx context.Context, name string, opts subjects.Options) (subjects.Lease, error) {
	var options []lock.AcquireOption
	if opts.NoRenewal {
		options = append(options, lock.ManualRenewal())
	}
	acquire := o.client.Acquire
	if opts.Try {
		acquire = o.client.TryAcquire
	}
	l, err := acquire(ctx, name, options...)
	if err != nil {
		return nil, err
	}
	return ourLease{l}, nil
}

type ourLease struct{ l *lock.Lease }

func (l ourLease) Token() uint64                     { return l.l.Token() }
func (l ourLease) ValidUntil() (time.Duration, bool) { return l.l.ValidUntil(), true }
func (l ourLease) Lost() context.Context             { return l.l.Context() }
func (l ourLease) Release(ctx context.Context) error { return l.l.Release(ctx) }
