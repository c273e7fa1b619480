package redispeer

import (
	"context"
	"errors"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// redislockClient is redislock. It has no default lease (Obtain takes one), it
// does not try again unless told how often, and it does not renew: Refresh is
// called here at a third of the lease.
type redislockClient struct {
	client *redis.Client
	line   *arena.Line
	locks  *redislock.Client
	lease  arena.Lease
}

func newRedislock(s *Server, l arena.Lease) *redislockClient {
	line := &arena.Line{}
	client := s.Client(line)
	return &redislockClient{client: client, line: line, locks: redislock.New(client), lease: l}
}

func (c *redislockClient) Crash() { c.line.Cut() }

func (c *redislockClient) Close() { _ = c.client.Close() }

// Acquire calls Obtain, again and again unless only one try is wanted: without
// a deadline in ctx, Obtain gives up after one lease's length.
func (c *redislockClient) Acquire(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
	options := &redislock.Options{RetryStrategy: redislock.LinearBackoff(c.lease.PollEvery)}
	if o.Try {
		options.RetryStrategy = redislock.NoRetry()
	}
	for {
		held, err := c.locks.Obtain(ctx, "redislock:"+name, c.lease.TTL, options)
		switch {
		case err == nil:
			return c.keep(held, o), nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case o.Try && errors.Is(err, redislock.ErrNotObtained):
			return nil, &lock.HeldError{Name: name}
		case !errors.Is(err, redislock.ErrNotObtained) && !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
	}
}

func (c *redislockClient) keep(held *redislock.Lock, o subjects.Options) *redislockLease {
	every := c.lease.RenewEvery
	if o.NoRenewal {
		every = 0
	}
	return &redislockLease{held: held, keeper: arena.Keep(c.lease.TTL, every, func(ctx context.Context) (bool, error) {
		err := held.Refresh(ctx, c.lease.TTL, nil)
		return errors.Is(err, redislock.ErrNotObtained), err
	})}
}

type redislockLease struct {
	held   *redislock.Lock
	keeper *arena.Keeper
}

// Token: redislock's token is a random string that tells holders apart; it does
// not rise and fences nothing.
func (l *redislockLease) Token() uint64 { return 0 }

// ValidUntil: the library gives the holder no such instant but by asking Redis.
func (l *redislockLease) ValidUntil() (time.Duration, bool) { return 0, false }

func (l *redislockLease) Lost() context.Context { return l.keeper.Lost() }

func (l *redislockLease) Release(ctx context.Context) error {
	l.keeper.Stop()
	err := l.held.Release(ctx)
	if errors.Is(err, redislock.ErrLockNotHeld) {
		return lock.ErrLost
	}
	return err
}
