package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Config holds the settings of a Client. The zero value works.
type Config struct {
	// Owner names the holder for people; it identifies nothing. Default: the
	// client's random id.
	Owner string
	// TTL is the length of a lease, in whole milliseconds: how long others wait,
	// drift added, since they last saw a sign of life of a holder that died, and how
	// long a holder can be cut off without losing the lock. Default 10 s.
	TTL time.Duration
	// RenewEvery is how long after the last successful renewal was sent the
	// next one is. At least three must fit into TTL. Default TTL/3.
	RenewEvery time.Duration
	// RequestTimeout ends a single request to the store, whose outcome is then
	// unknown and looked up. Default TTL/6.
	RequestTimeout time.Duration
	// PollEvery is how often a waiting Acquire looks, give or take a quarter,
	// where the store cannot tell of a change. Default TTL/10.
	PollEvery time.Duration
	// MaxClockDriftPPM is by how many parts per million any process's Runtime
	// clock may run fast or slow; the promise holds up to this. All clients of a
	// lock must agree on it. Default 10,000 (1 %); a machine under NTP stays
	// below 500.
	MaxClockDriftPPM int64
	// Logger is told of grants, takeovers, losses and unknown outcomes. Default:
	// nothing is logged.
	Logger *slog.Logger
	// Hooks are called as things happen.
	Hooks Hooks
}

// Hooks are called by a Client, from the task that did the thing, without any
// lock held. They must return soon and must not call the Lease's Release or the
// Client's Close.
type Hooks struct {
	// RenewStart is called before a renewal is sent.
	RenewStart func(*Lease)
	// RenewEnd is called when its outcome is known: nil, an ErrLost, or another
	// error, which leaves the outcome open.
	RenewEnd func(*Lease, error)
}

func (cfg Config) withDefaults() Config {
	if cfg.TTL == 0 {
		cfg.TTL = 10 * time.Second
	}
	if cfg.RenewEvery == 0 {
		cfg.RenewEvery = cfg.TTL / 3
	}
	if cfg.RequestTimeout == 0 {
		cfg.RequestTimeout = cfg.TTL / 6
	}
	if cfg.PollEvery == 0 {
		cfg.PollEvery = cfg.TTL / 10
	}
	if cfg.MaxClockDriftPPM == 0 {
		cfg.MaxClockDriftPPM = 10_000
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

func (cfg Config) validate() error {
	switch {
	case cfg.TTL < 0, cfg.TTL > maxTTL, cfg.TTL%time.Millisecond != 0:
		return fmt.Errorf("TTL %s must be whole milliseconds, more than 0 and at most %s", cfg.TTL, maxTTL)
	case cfg.RenewEvery < 0, cfg.PollEvery < 0, cfg.RequestTimeout < 0:
		return fmt.Errorf("RenewEvery %s, PollEvery %s and RequestTimeout %s must not be negative",
			cfg.RenewEvery, cfg.PollEvery, cfg.RequestTimeout)
	case cfg.RenewEvery > cfg.TTL/3:
		return fmt.Errorf("RenewEvery %s must be at most a third of TTL %s", cfg.RenewEvery, cfg.TTL)
	case cfg.RequestTimeout > cfg.TTL:
		return fmt.Errorf("RequestTimeout %s must not be over TTL %s", cfg.RequestTimeout, cfg.TTL)
	case cfg.MaxClockDriftPPM < 0, cfg.MaxClockDriftPPM > 500_000:
		return fmt.Errorf("MaxClockDriftPPM %d must be between 0 and 500000", cfg.MaxClockDriftPPM)
	}
	return nil
}

// Client takes locks from one store. It is safe for concurrent use; one per
// process and store is enough. Locks are not reentrant: two Acquires of one
// name through one Client wait for each other as two processes would.
type Client struct {
	store   Store
	watcher Watcher // nil where the store cannot watch
	rt      Runtime
	cfg     Config
	rules   rules
	id      string
	caps    Capabilities
	log     *slog.Logger

	mu       sync.Mutex // never held over a Store or Runtime call
	closed   bool
	attempts uint64
	views    viewCache
	leases   map[*Lease]struct{}
	entered  map[uint64]context.CancelCauseFunc // Acquires under way, by serial
	chores   []chore
}

// New makes a Client. It talks to the store only when asked for a lock.
func New(store Store, rt Runtime, cfg Config) (*Client, error) {
	return newClient(store, rt, cfg, soundRules())
}

func newClient(store Store, rt Runtime, cfg Config, r rules) (*Client, error) {
	if store == nil || rt == nil {
		return nil, errors.New("lock: New needs a Store and a Runtime")
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	c := &Client{
		store:  store,
		rt:     rt,
		cfg:    cfg,
		rules:  r,
		id:     strconv.FormatUint(rt.Uint64(), 16),
		caps:   CapabilitiesOf(store),
		leases: map[*Lease]struct{}{},

		entered: map[uint64]context.CancelCauseFunc{},
	}
	if c.caps.Watch {
		c.watcher, _ = store.(Watcher)
	}
	if c.cfg.Owner == "" {
		c.cfg.Owner = c.id
	}
	c.log = cfg.Logger.With("owner", c.cfg.Owner)
	return c, nil
}

// Info is what a lock's record says, read at one moment.
type Info struct {
	Name string
	// Token is that of the last grant; 0 if the lock was never granted.
	Token   uint64
	Mode    Mode
	Holders []HolderInfo
	// Data and Attributes were left by a holder; they outlive it.
	Data       []byte
	Attributes map[string]string
	Revision   Revision
}

// Held reports whether the record names a holder. It may be dead.
func (i Info) Held() bool { return len(i.Holders) > 0 }

// HolderInfo is one holder. Beat rises with each of its renewals.
type HolderInfo struct {
	ID    string
	Owner string
	TTL   time.Duration
	Beat  uint64
}

// Inspect reads who holds a lock without trying to take it. A lock that was
// never granted is an Info without a token. Errors are the store's, or a
// *FormatError.
func (c *Client) Inspect(ctx context.Context, name string) (Info, error) {
	if err := checkName(name); err != nil {
		return Info{}, err
	}
	v, err := c.read(ctx, name, nil)
	if err != nil {
		return Info{}, fmt.Errorf("inspect lock %q: %w", name, err)
	}
	s := v.state
	info := Info{
		Name: name, Token: s.token, Mode: s.mode, Revision: v.rev,
		Data: slices.Clone(s.data), Attributes: map[string]string{},
	}
	for k, value := range s.attributes {
		info.Attributes[k] = value
	}
	for _, h := range s.holders {
		info.Holders = append(info.Holders, HolderInfo{h.id, h.owner, h.ttl, h.beat})
	}
	return info, nil
}

// nextSerial numbers the attempts.
func (c *Client) nextSerial() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts++
	return c.attempts
}

// newID makes the id of a grant that is about to be asked for. It is drawn then
// and not before, because a process may be cloned with its memory (a snapshot of
// its machine that is started twice, say): clones that waited side by side under
// one id would take each other's grant for their own.
func (c *Client) newID(serial uint64) string {
	return strconv.FormatUint(c.rt.Uint64(), 16) + "-" + strconv.FormatUint(serial, 10)
}

// read gets a lock's record within RequestTimeout. A missing record is a free
// lock with token 0.
func (c *Client) read(ctx context.Context, name string, before *view) (*view, error) {
	ctx, stop := limit(ctx, c.rt, c.cfg.RequestTimeout, errSlow)
	rec, err := c.store.Get(ctx, name)
	stop()
	return c.seen(name, before, rec, err)
}

// seen turns a store's answer into a view.
func (c *Client) seen(name string, before *view, rec Record, err error) (*view, error) {
	switch {
	case errors.Is(err, ErrNotFound):
		return &view{state: &state{}}, nil
	case err != nil:
		return nil, err
	}
	return c.observe(name, before, rec)
}

func (c *Client) observe(name string, before *view, rec Record) (*view, error) {
	if rec.Revision == "" {
		return &view{state: &state{}}, nil
	}
	if before != nil && before.rev == rec.Revision {
		return before, nil
	}
	s, err := decodeState(rec.Value)
	if err != nil {
		return nil, &FormatError{Name: name, Detail: err.Error()}
	}
	return c.rules.observe(before, rec.Revision, s, c.rt.Now()), nil
}

// write swaps a lock's record within RequestTimeout. Where the store answers a
// conflict with the current record, that is returned as a view.
func (c *Client) write(ctx context.Context, name string, before *view, next *state) (now *view, err error) {
	ctx, stop := limit(ctx, c.rt, c.cfg.RequestTimeout, errSlow)
	rev, err := c.store.CompareAndSwap(ctx, name, before.rev, next.encode())
	stop()
	if err == nil {
		return c.rules.observe(before, rev, next, c.rt.Now()), nil
	}
	var conflict *ConflictError
	if errors.As(err, &conflict) && conflict.Known {
		current, formatErr := c.observe(name, before, conflict.Current)
		if formatErr != nil {
			return nil, formatErr
		}
		return current, err
	}
	return nil, err
}

var errSlow = errors.New("the store did not answer in time")

// limit returns a context that ends with cause after d. stop must be called; it
// waits until the timer is gone.
func limit(ctx context.Context, rt Runtime, d time.Duration, cause error) (limited context.Context, stop func()) {
	if t, ok := rt.(timeouter); ok {
		return t.WithTimeoutCause(ctx, d, cause)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	join := rt.Go(func() {
		if rt.Sleep(ctx, d) == nil {
			cancel(cause)
		}
	})
	return ctx, func() {
		cancel(nil)
		join()
	}
}

func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("lock name is empty: %w", ErrRefused)
	}
	return nil
}
