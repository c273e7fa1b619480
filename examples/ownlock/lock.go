// Package ownlock is somebody's own lock, in a repository of its own: a lease with
// a time of expiry by the wall clock in the record, which is taken over once that
// has passed. lock_test.go puts it under test.
package ownlock

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// Subject is the lock as locktest takes it.
func Subject() subjects.Subject {
	return subjects.Subject{
		Name: "ownlock",
		// A lease keeps others out for its ttl less what the wall clocks differ, which
		// is nothing where there are no clock faults.
		Promises: func(s subjects.Settings) linearizability.Promises {
			return linearizability.Promises{ShortestLease: s.TTL - s.RequestTimeout, Release: linearizability.ReleaseProvesGone, EndIsFinal: true}
		},
		New: func(env subjects.Env) (subjects.Locker, error) { return locker{env}, nil },
	}
}

// record says who holds the lock until when, by the wall clock.
type record struct {
	Owner string        `json:"owner"`
	Until time.Duration `json:"until"`
}

type locker struct{ env subjects.Env }

// Acquire writes itself into the record if that is missing or has run out.
func (l locker) Acquire(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
	for {
		old, free, err := l.read(ctx, name)
		if err == nil && free {
			var held *lease
			if held, err = l.take(ctx, name, old); err == nil {
				return held, nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case o.Try && err != nil:
			return nil, err
		case o.Try:
			return nil, &lock.HeldError{Name: name}
		}
		if err := l.env.Runtime.Sleep(ctx, l.env.Settings.PollEvery); err != nil {
			return nil, err
		}
	}
}

func (l locker) read(ctx context.Context, name string) (rev lock.Revision, free bool, err error) {
	ctx, stop := subjects.WithLimit(ctx, l.env.Runtime, l.env.Settings.RequestTimeout)
	defer stop()
	rec, err := l.env.Store.Get(ctx, name)
	if errors.Is(err, lock.ErrNotFound) {
		return "", true, nil
	}
	if err != nil {
		return "", false, err
	}
	var r record
	err = json.Unmarshal(rec.Value, &r)
	return rec.Revision, l.env.Wall() >= r.Until, err
}

// take writes the record with a new time of expiry. The holder believes in it for a
// request timeout less: so long may the write have been on its way.
func (l locker) take(ctx context.Context, name string, old lock.Revision) (*lease, error) {
	ctx, stop := subjects.WithLimit(ctx, l.env.Runtime, l.env.Settings.RequestTimeout)
	defer stop()
	end := l.env.Runtime.Now() + l.env.Settings.TTL - l.env.Settings.RequestTimeout
	value, err := json.Marshal(record{l.env.Owner, l.env.Wall() + l.env.Settings.TTL})
	if err != nil {
		return nil, err
	}
	rev, err := l.env.Store.CompareAndSwap(ctx, name, old, value)
	if err != nil {
		return nil, err
	}
	h := &lease{l: l, name: name, rev: rev, end: end}
	h.lost, h.lose = context.WithCancelCause(context.Background())
	return h, nil
}

type lease struct {
	l    locker
	name string
	rev  lock.Revision
	end  time.Duration
	lost context.Context
	lose context.CancelCauseFunc
}

func (h *lease) Token() uint64                     { return 0 }
func (h *lease) ValidUntil() (time.Duration, bool) { return h.end, true }
func (h *lease) Lost() context.Context             { return h.lost }

// Release removes the record, if it is still the one that was written.
func (h *lease) Release(ctx context.Context) error {
	h.lose(lock.ErrReleased)
	ctx, stop := subjects.WithLimit(ctx, h.l.env.Runtime, h.l.env.Settings.RequestTimeout)
	defer stop()
	return h.remove(ctx)
}
