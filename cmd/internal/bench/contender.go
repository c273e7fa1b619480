package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// Contender is a lock to be measured, together with the store that it stands
// on. Name, Settings and one of Connect and Seat are required.
type Contender struct {
	// Name is the lock's, Backend the store's: words without spaces or slashes.
	Name    string
	Backend string
	// Server says what runs there, with its version.
	Server string
	// Settings are the lease settings that the lock runs with.
	Settings subjects.Settings
	// Connect gives a client the lock on a connection of its own; the function
	// that it returns hangs up. Such a lock is measured from outside only: its
	// requests cannot be counted, there is no raw compare-and-swap beside it,
	// and its holders cannot be made to fail.
	Connect func(ctx context.Context, client int) (subjects.Locker, func(), error)
	// Seat is Connect with all that a measurement can make use of.
	Seat func(ctx context.Context, p Place) (*Seat, error)
	// Address is where a proxy of a client goes to, host:port; nil or empty
	// where there is no network that a proxy could stand in.
	Address func(client int) string
	// Faults are what can be done to the server.
	Faults target.Faults
}

// Place is where a client is put.
type Place struct {
	// Client is its number, from 0.
	Client int
	// Via is the address of a proxy to connect through; empty: none.
	Via string
	// Faults damage the client's calls to the store; nil: none.
	Faults *live.StoreFaults
	// Trace is told of every call to the store when it has returned; nil: calls
	// are counted and no more. It is called from many goroutines.
	Trace func(Call)
}

// mortal: what is asked of this place needs a client that can be tampered with,
// which costs a microsecond a call.
func (p Place) mortal() bool { return p.Faults != nil || p.Trace != nil }

// Seat is a client in its place.
type Seat struct {
	Locker subjects.Locker
	// Now reads the clock that Lease.ValidUntil refers to; nil if the lock gives
	// no such instant.
	Now func() time.Duration
	// Floor is target.Connection's: a raw conditional update on the very
	// connection that the lock uses. Nil if there is none.
	Floor func(ctx context.Context, key string) (target.Swap, error)
	// Poll is the longest time between two looks of a client that waits; 0 where
	// it is told of a release.
	Poll time.Duration
	// Counts tells how often the store was called so far. Nil if that cannot be
	// seen.
	Counts func() Counts
	// Kill ends the client as a crash ends a process. Nil if that cannot be done.
	Kill func()
	// Close hangs up and waits for what the client started.
	Close func()
}

// NewContender makes a contender of a subject on a target that is open. Settings
// that are 0 are the reference lock's for the TTL, which is 10 s if it is 0.
func NewContender(backend string, t target.Target, subject subjects.Subject, s subjects.Settings) Contender {
	s = withDefaults(s)
	return Contender{
		Name: subject.Name, Backend: backend, Server: t.Describe(), Settings: s,
		Seat: func(ctx context.Context, p Place) (*Seat, error) {
			return takeSeat(ctx, t, subject, s, p)
		},
		Address: t.Address,
		Faults:  t.Faults(),
	}
}

// NATSLockSettings are those that natslock v0.1.1 publishes: the bucket's TTL
// alone, an hour. Its user's loop decides when to ask again; once a second here,
// and three times in a TTL if that is more often.
func NATSLockSettings() subjects.Settings {
	return subjects.Settings{TTL: time.Hour, RenewEvery: time.Second, PollEvery: time.Second, RequestTimeout: 5 * time.Second}
}

// OpenContender finds or starts the server of a backend, makes a container of a
// random name in it and returns the lock of that name there. close drops the
// container and stops what was started.
func OpenContender(ctx context.Context, backend, name string, s subjects.Settings) (c Contender, closeAll func() error, err error) {
	kind, err := targets.Find(backend)
	if err != nil {
		return c, nil, err
	}
	subject, err := subjects.Find(name)
	if err != nil {
		return c, nil, err
	}
	s = withDefaults(s)
	o := target.Options{
		Container: fmt.Sprintf("lockbench-%016x", lock.SystemRuntime{}.Uint64()),
		PingEvery: min(max(s.TTL/2, 50*time.Millisecond), 5*time.Second),
	}
	if subject.BucketTTL {
		o.Expiry = s.TTL
	}
	t, err := kind.Open(ctx, o)
	if err != nil {
		return c, nil, fmt.Errorf("backend %s: %w", backend, err)
	}
	return NewContender(backend, t, subject, s), t.Close, nil
}

// withDefaults fills in what the reference lock would.
func withDefaults(s subjects.Settings) subjects.Settings {
	if s.TTL == 0 {
		s.TTL = 10 * time.Second
	}
	if s.RenewEvery == 0 {
		s.RenewEvery = s.TTL / 3
	}
	if s.PollEvery == 0 {
		s.PollEvery = s.TTL / 10
	}
	if s.RequestTimeout == 0 {
		s.RequestTimeout = s.TTL / 6
	}
	if s.MaxClockDriftPPM == 0 {
		s.MaxClockDriftPPM = 10_000
	}
	return s
}

// seat puts a client in its place, with as much as the contender offers.
func (c Contender) seat(ctx context.Context, p Place) (*Seat, error) {
	if c.Seat != nil {
		return c.Seat(ctx, p)
	}
	if p.Via != "" || p.mortal() {
		return nil, fmt.Errorf("the lock %s can be measured from outside only; no fault can be put before it", c.Name)
	}
	locker, hangUp, err := c.Connect(ctx, p.Client)
	if err != nil {
		return nil, err
	}
	return &Seat{Locker: locker, Close: hangUp}, nil
}

// validate refuses a contender that cannot be measured.
func (c Contender) validate() error {
	switch {
	case c.Name == "":
		return errors.New("bench: a contender without a name")
	case c.Seat == nil && c.Connect == nil:
		return fmt.Errorf("bench: contender %s has neither Connect nor Seat", c.Name)
	case c.Settings.TTL <= 0:
		return fmt.Errorf("bench: contender %s has a TTL of %s", c.Name, c.Settings.TTL)
	}
	return nil
}

// cell begins a cell's name and labels. The name is that of the backend, then the
// lock's if it is not the reference, then the rest.
func (c Contender) cell(name string, labels ...Label) Cell {
	prefix := c.Backend
	if c.Name != subjects.ReferenceName {
		if prefix != "" {
			prefix += "/"
		}
		prefix += c.Name
	}
	if prefix != "" {
		prefix += "/"
	}
	all := []Label{{"backend", c.Backend}, {"lock", c.Name}, {"ttl", c.Settings.TTL.String()}, {"renew", c.Settings.RenewEvery.String()}}
	return Cell{Name: prefix + name, Labels: append(all, labels...)}
}

// takeSeat connects a subject to a target.
func takeSeat(ctx context.Context, t target.Target, subject subjects.Subject, s subjects.Settings, p Place) (*Seat, error) {
	connection, err := t.Connect(ctx, p.Client, p.Via)
	if err != nil {
		return nil, fmt.Errorf("client c%d: %w", p.Client, err)
	}
	raw, err := rawStore(subject, connection.Store)
	if err != nil {
		connection.Close()
		return nil, err
	}
	watched := &watchedStore{RawStore: raw, trace: p.Trace}
	env := subjects.Env{
		Client: p.Client, Owner: fmt.Sprintf("c%d", p.Client), Store: watched, Runtime: lock.SystemRuntime{},
		Monotonic: lock.SystemRuntime{}.Now, Wall: wallClock, Settings: s, Observe: unobserved{},
	}
	seat := &Seat{Now: lock.SystemRuntime{}.Now, Floor: connection.Floor, Counts: watched.counts, Close: connection.Close}
	if subject.Raw || !lock.CapabilitiesOf(raw).Watch {
		seat.Poll = s.PollEvery
	}
	if p.mortal() {
		makeMortal(seat, &env, watched, p, connection.Close)
	}
	if seat.Locker, err = subject.New(env); err != nil {
		seat.Close()
		return nil, err
	}
	return seat, nil
}

// makeMortal puts the client on a runtime and a store that can be killed.
//
//	lock ── live.Store (faults, death) ── watchedStore (what was sent) ── backend
func makeMortal(seat *Seat, env *subjects.Env, watched *watchedStore, p Place, hangUp func()) {
	faults := p.Faults
	if faults == nil {
		faults = live.NewStoreFaults(env.Owner, newChoices(0))
	}
	began := time.Now()
	clock := live.NewClock(func() time.Duration { return time.Since(began) }, live.ClockConfig{})
	runtime := live.NewRuntime(clock)
	store := live.NewStore(watched, faults)
	env.Store, env.Runtime, env.Monotonic = store, runtime, clock.Monotonic
	seat.Now = runtime.Now
	seat.Kill = func() {
		runtime.Kill(live.ErrKilled)
		store.Kill(live.ErrKilled)
	}
	var once sync.Once
	seat.Close = func() {
		once.Do(func() {
			seat.Kill()
			hangUp()
			ctx, cancel := context.WithTimeout(context.Background(), goodbye)
			defer cancel()
			store.Drain(ctx)
			_ = runtime.Wait(ctx)
		})
	}
}

// goodbye bounds how long a client that was ended is waited for.
const goodbye = 10 * time.Second

// wallClock is the time since 1970.
func wallClock() time.Duration { return time.Duration(time.Now().UnixNano()) }

// unobserved is for locks of which only the outside is looked at.
type unobserved struct{}

func (unobserved) RenewInvoked(subjects.Lease)               {}
func (unobserved) RenewReturned(subjects.Lease, error, bool) {}
