package redispeer

import (
	"context"
	"errors"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// redsync's defaults (redsync.go): 8 s, and 32 tries that wait 50 to 250 ms.
const (
	redsyncTTL  = 8 * time.Second
	redsyncPoll = 250 * time.Millisecond
)

// redsyncClient is redsync on one Redis. It does not renew; its documentation
// leaves that to Extend, which is called here at a third of the lease. Lock
// gives up after 32 tries; it is called again here.
type redsyncClient struct {
	client  *redis.Client
	line    *arena.Line
	sync    *redsync.Redsync
	lease   arena.Lease
	options []redsync.Option
}

func newRedsync(s *Server, settings arena.Settings, l arena.Lease) *redsyncClient {
	line := &arena.Line{}
	client := s.Client(line)
	c := &redsyncClient{client: client, line: line, sync: redsync.New(redsyncredis.NewPool(client)), lease: l}
	if settings == arena.Same {
		c.options = []redsync.Option{redsync.WithExpiry(l.TTL), redsync.WithRetryDelay(l.PollEvery)}
	}
	return c
}

func (c *redsyncClient) Crash() { c.line.Cut() }

func (c *redsyncClient) Close() { _ = c.client.Close() }

func (c *redsyncClient) Acquire(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
	mutex := c.sync.NewMutex("redsync:"+name, c.options...)
	if o.Try {
		err := mutex.TryLockContext(ctx)
		var taken *redsync.ErrTaken
		if errors.As(err, &taken) {
			return nil, &lock.HeldError{Name: name}
		}
		if err != nil {
			return nil, err
		}
		return c.keep(mutex, o), nil
	}
	for {
		err := mutex.LockContext(ctx)
		if err == nil {
			return c.keep(mutex, o), nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var taken *redsync.ErrTaken
		if !errors.As(err, &taken) && !errors.Is(err, redsync.ErrFailed) {
			return nil, err
		}
	}
}

func (c *redsyncClient) keep(mutex *redsync.Mutex, o subjects.Options) *redsyncLease {
	every := c.lease.RenewEvery
	if o.NoRenewal {
		every = 0
	}
	return &redsyncLease{mutex: mutex, until: mutex.Until(), keeper: arena.Keep(c.lease.TTL, every, func(ctx context.Context) (bool, error) {
		extended, err := mutex.ExtendContext(ctx)
		var taken *redsync.ErrTaken
		gone := !extended && (errors.As(err, &taken) || errors.Is(err, redsync.ErrExtendFailed))
		return gone, err
	})}
}

type redsyncLease struct {
	mutex  *redsync.Mutex
	keeper *arena.Keeper
	until  time.Time
}

// Token: redsync has no fencing token; its values are random.
func (l *redsyncLease) Token() uint64 { return 0 }

// ValidUntil is Mutex.Until at the grant: the lease less 1 % for the drift of
// clocks, counted from before the request was sent.
func (l *redsyncLease) ValidUntil() (time.Duration, bool) {
	return lock.SystemRuntime{}.Now() + time.Until(l.until), true
}

func (l *redsyncLease) Lost() context.Context { return l.keeper.Lost() }

func (l *redsyncLease) Release(ctx context.Context) error {
	l.keeper.Stop()
	released, err := l.mutex.UnlockContext(ctx)
	if err == nil && !released {
		return lock.ErrLost
	}
	return err
}
