package subjects

import (
	"context"
	"errors"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
)

// Reference is package lock under test.
func Reference() Subject {
	return Subject{
		Name:     ReferenceName,
		Summary:  "package lock: a lease lock with fencing tokens over compare-and-swap",
		Source:   "lock/",
		Promises: referencePromises, Interruptible: true,
		New: func(env Env) (Locker, error) { return newReference(env, env.Store, env.Runtime, "", plain) },
	}
}

// referencePromises are all that a lock can promise, but for fairness: it has no
// queue.
func referencePromises(s Settings) linearizability.Promises {
	p := linearizability.LeasePromises(s.TTL, s.MaxClockDriftPPM)
	margin := 2 * (p.ShortestLease - p.ShortestBelief) // of a clock that runs slow
	// A release and a renewal go on for as long as the lease may last, and then have a
	// request under way, and what a request that has no answer needs to be looked at.
	p.CallLimit = s.TTL + margin + 4*s.RequestTimeout + 2*s.PollEvery
	// Of two renewals of one lease at once, the later request counts.
	p.RenewEvery = s.RenewEvery + margin + s.RequestTimeout
	// The first write may name a revision that is old: then the record is read, and
	// written once more.
	p.Requests = linearizability.RequestBudget{Acquire: 3, Renew: 1, Release: 1, Wait: 4}
	p.LossNotice, p.Tokens, p.KeepsTrying, p.GrantsFree, p.RenewalOff = true, true, true, true, true
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

func options(o Options) []lock.AcquireOption {
	var options []lock.AcquireOption
	if o.NoRenewal {
		options = append(options, lock.ManualRenewal())
	}
	if o.WaitLimit > 0 {
		options = append(options, lock.WaitLimit(o.WaitLimit))
	}
	return options
}

func (r *refLocker) Acquire(ctx context.Context, name string, o Options) (Lease, error) {
	acquire := r.client.Acquire
	if o.Try {
		acquire = r.client.TryAcquire
	}
	l, err := acquire(ctx, name, options(o)...)
	if err != nil {
		return nil, err
	}
	return r.wrap(refLease{l}), nil
}

// Do implements Doer.
func (r *refLocker) Do(ctx context.Context, name string, o Options, f func(context.Context, Lease) error) error {
	return r.client.Do(ctx, name, func(ctx context.Context, l *lock.Lease) error {
		return f(ctx, r.wrap(refLease{l}))
	}, options(o)...)
}

// Close implements Closer.
func (r *refLocker) Close(ctx context.Context) error { return r.client.Close(ctx) }

// Inspect implements Inspector.
func (r *refLocker) Inspect(ctx context.Context, name string) (owner string, err error) {
	info, err := r.client.Inspect(ctx, name)
	if err != nil || !info.Held() {
		return "", err
	}
	return info.Holders[0].Owner, nil
}

type refLease struct{ l *lock.Lease }

var (
	_ Doer      = (*refLocker)(nil)
	_ Closer    = (*refLocker)(nil)
	_ Inspector = (*refLocker)(nil)
	_ Renewer   = refLease{}
	_ Asker     = refLease{}
)

func (l refLease) Token() uint64                     { return l.l.Token() }
func (l refLease) ValidUntil() (time.Duration, bool) { return l.l.ValidUntil(), true }
func (l refLease) Lost() context.Context             { return l.l.Context() }
func (l refLease) Release(ctx context.Context) error { return l.l.Release(ctx) }
func (l refLease) Renew(ctx context.Context) error   { return l.l.Renew(ctx) }
func (l refLease) Valid() bool                       { return l.l.Valid() }
func (l refLease) Remaining() time.Duration          { return l.l.Remaining() }
