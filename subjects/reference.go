package subjects

import (
	"context"
	"errors"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
)

func reference() Subject {
	return Subject{
		Name:     ReferenceName,
		Summary:  "package lock: a lease lock with fencing tokens over compare-and-swap",
		Source:   "lock/",
		Promises: referencePromises,
		New:      func(env Env) (Locker, error) { return newReference(env, env.Store, env.Runtime, "", plain) },
	}
}

// referencePromises are all that a lock can promise.
func referencePromises(s Settings) linearizability.Promises {
	p := linearizability.LeasePromises(s.TTL, s.MaxClockDriftPPM)
	p.LossNotice, p.Tokens, p.GrantsFree, p.RenewalOff = true, true, true, true
	return p
}

// plain hands a lease on as it is.
func plain(l refLease) Lease { return l }

// newReference makes the reference lock, or with a mutation a mutant of it, on a
// store and a runtime that may be broken too.
func newReference(env Env, store lock.Store, rt lock.Runtime, m lock.Mutation, wrap func(refLease) Lease) (Locker, error) {
	s := env.Settings
	r := &refLocker{wrap: wrap}
	cfg := lock.Config{
		Owner: env.Owner, TTL: s.TTL, RenewEvery: s.RenewEvery, PollEvery: s.PollEvery,
		RequestTimeout: s.RequestTimeout, MaxClockDriftPPM: s.MaxClockDriftPPM,
		Hooks: lock.Hooks{
			RenewStart: func(l *lock.Lease) { env.Observe.RenewInvoked(wrap(refLease{l})) },
			RenewEnd: func(l *lock.Lease, err error) {
				env.Observe.RenewReturned(wrap(refLease{l}), err, shownLost(err))
			},
		},
	}
	var err error
	if m == "" {
		r.client, err = lock.New(store, rt, cfg)
	} else {
		r.client, err = lock.NewMutant(store, rt, cfg, m)
	}
	return r, err
}

// shownLost tells a loss that the store showed from one that only the holder's
// clock did.
func shownLost(err error) bool {
	var lost *lock.LostError
	return errors.As(err, &lost) && lost.Reason != lock.LostExpired
}

type refLocker struct {
	client *lock.Client
	wrap   func(refLease) Lease
}

func (r *refLocker) Acquire(ctx context.Context, name string, o Options) (Lease, error) {
	var options []lock.AcquireOption
	if o.NoRenewal {
		options = append(options, lock.ManualRenewal())
	}
	acquire := r.client.Acquire
	if o.Try {
		acquire = r.client.TryAcquire
	}
	l, err := acquire(ctx, name, options...)
	if err != nil {
		return nil, err
	}
	return r.wrap(refLease{l}), nil
}

type refLease struct{ l *lock.Lease }

func (l refLease) Token() uint64                     { return l.l.Token() }
func (l refLease) ValidUntil() (time.Duration, bool) { return l.l.ValidUntil(), true }
func (l refLease) Lost() context.Context             { return l.l.Context() }
func (l refLease) Release(ctx context.Context) error { return l.l.Release(ctx) }
