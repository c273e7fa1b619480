package subjects

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
)

// NATSLock is a model of the protocol of natslock.
func NATSLock() Subject {
	return Subject{
		Name:      "natslock",
		Summary:   "natslock: Get, then Put, in a NATS key-value bucket",
		Source:    "a model of the protocol of natslock v0.1.1, from its description; not the library itself",
		Breaks:    "mutual-exclusion",
		BucketTTL: true,
		Raw:       true,
		Promises:  natslockPromises,
		New:       func(env Env) (Locker, error) { return newNATSLock(env), nil },
	}
}

// natslockPromises is what the description of the protocol says, and no more: one
// leads at a time. A lead may end at any time, as another's Put may come between; it
// is asked for again and again, so that a lead that was lost may come back; and
// after a Purge nobody leads.
func natslockPromises(Settings) linearizability.Promises {
	return linearizability.Promises{Release: linearizability.ReleaseProvesGone}
}

// natsLocker performs AcquireLead and ReleaseLead step by step. A user calls
// AcquireLead in a loop: to get the lead, and to keep it.
//
//	AcquireLead    Get: not found or no id     Put(id), no revision     lead
//	               Get: another's id                                    no lead
//	               Get: own id                 Put(id), no revision     lead
//	ReleaseLead    Get: own id                 Purge, no revision
//
// Between Get and Put anything may happen: two that both found nothing both
// Put, and both lead until the one that was overwritten asks again.
type natsLocker struct {
	env Env
	id  string
}

func newNATSLock(env Env) *natsLocker {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], env.Runtime.Uint64())
	binary.BigEndian.PutUint64(b[8:], env.Runtime.Uint64())
	return &natsLocker{env: env, id: hex.EncodeToString(b[:])}
}

// acquireLead is AcquireLead. It has no time limit of its own, so that a caller
// gives each call one, as the client library does with its request timeout.
func (n *natsLocker) acquireLead(ctx context.Context, key string) (bool, error) {
	ctx, stop := WithLimit(ctx, n.env.Runtime, n.env.Settings.RequestTimeout)
	defer stop()
	rec, err := n.env.Store.Get(ctx, key)
	if errors.Is(err, lock.ErrNotFound) {
		_, _ = n.env.Store.Put(ctx, key, []byte(n.id)) // an error is still a success to it
		return true, nil
	}
	if err != nil {
		return false, err
	}
	holder := string(rec.Value)
	switch {
	case !isID(holder):
		_, err := n.env.Store.Put(ctx, key, []byte(n.id))
		return err == nil, err
	case holder != n.id:
		return false, nil
	default:
		_, _ = n.env.Store.Put(ctx, key, []byte(n.id)) // an error is only logged
		return true, nil
	}
}

func (n *natsLocker) releaseLead(ctx context.Context, key string) error {
	ctx, stop := WithLimit(ctx, n.env.Runtime, n.env.Settings.RequestTimeout)
	defer stop()
	rec, err := n.env.Store.Get(ctx, key)
	if errors.Is(err, lock.ErrNotFound) {
		return lock.ErrLost
	}
	if err != nil {
		return err
	}
	if string(rec.Value) != n.id {
		return lock.ErrLost
	}
	return n.env.Store.Remove(ctx, key)
}

// isID tells an id of this model from anything else, as the library does with a
// UUID.
func isID(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 32
}

// Acquire is the user's loop around AcquireLead.
func (n *natsLocker) Acquire(ctx context.Context, name string, o Options) (Lease, error) {
	for {
		lead, err := n.acquireLead(ctx, name)
		switch {
		case lead:
			return n.lead(name, o), nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case o.Try && err != nil:
			return nil, err
		case o.Try:
			return nil, &lock.HeldError{Name: name}
		}
		if err := n.env.Runtime.Sleep(ctx, n.env.Settings.PollEvery); err != nil {
			return nil, err
		}
	}
}

// lead starts the loop that keeps asking whether this is still the lead.
func (n *natsLocker) lead(name string, o Options) *natsLease {
	l := &natsLease{n: n, name: name}
	l.lost, l.lose = context.WithCancelCause(context.Background())
	l.work, l.stop = context.WithCancel(context.Background())
	if !o.NoRenewal {
		l.join = n.env.Runtime.Go(l.keep)
	}
	return l
}

type natsLease struct {
	n    *natsLocker
	name string
	lost context.Context
	lose context.CancelCauseFunc
	work context.Context
	stop context.CancelFunc
	join func()
	once sync.Once
}

func (l *natsLease) keep() {
	for l.n.env.Runtime.Sleep(l.work, l.n.env.Settings.RenewEvery) == nil {
		l.n.env.Observe.RenewInvoked(l)
		lead, err := l.n.acquireLead(l.work, l.name)
		switch {
		case lead:
			l.n.env.Observe.RenewReturned(l, nil, false)
		case err != nil:
			l.n.env.Observe.RenewReturned(l, err, false)
		default:
			l.n.env.Observe.RenewReturned(l, lock.ErrLost, true)
			l.lose(lock.ErrLost)
			return
		}
	}
}

func (l *natsLease) Token() uint64                     { return 0 }
func (l *natsLease) ValidUntil() (time.Duration, bool) { return 0, false }
func (l *natsLease) Lost() context.Context             { return l.lost }

func (l *natsLease) Release(ctx context.Context) error {
	var err error
	l.once.Do(func() {
		l.stop()
		if l.join != nil {
			l.join()
		}
		err = l.n.releaseLead(ctx, l.name)
	})
	return err
}
