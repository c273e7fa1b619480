package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// plain is a lease lock that is not ours: one record that names its holder, taken
// over when it was seen unchanged for a lease. What it does differently from the
// reference lock is what its fields say; each has a right way and a wrong one.
type plain struct {
	// wholeSeconds: a lease ends up to a second early, as where a server rounds
	// its end down; its holder believes in what is left for sure.
	wholeSeconds bool
	// deaf: the holder believes in the whole of it all the same (wrong).
	deaf bool
	// stable: a client has one name, and is granted its own lease again.
	stable bool
	// paired: two clients have one name (wrong with stable).
	paired bool
	// silent: the release of a lease that is gone returns nil.
	silent bool
	// blindRelease: a release frees whatever there is (wrong).
	blindRelease bool
	// resumes: a holder whose lease ran out goes on if its record is unchanged.
	resumes bool
	// blindRenewal: a renewal writes whatever there is (wrong).
	blindRenewal bool
	// endless: the holder has no end of its own, and goes on until it is told.
	endless bool
}

type plainRecord struct {
	ID   string `json:"id"`
	Beat uint64 `json:"beat"`
}

// subject is the lock with promises.
func (p plain) subject(promised linearizability.Promises) subjects.Subject {
	return subjects.Subject{
		Name: "plain", Raw: true, Interruptible: true,
		Promises: func(subjects.Settings) linearizability.Promises { return promised },
		New: func(env subjects.Env) (subjects.Locker, error) {
			return &plainLocker{plain: p, env: env, boot: env.Runtime.Uint64(), seen: map[string]seenRecord{}}, nil
		},
	}
}

type seenRecord struct {
	rev lock.Revision
	at  time.Duration
}

type plainLocker struct {
	plain
	env  subjects.Env
	boot uint64

	mu       sync.Mutex
	attempts int
	seen     map[string]seenRecord
}

func (p *plainLocker) id() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts++
	switch {
	case p.paired:
		return fmt.Sprint("pair-", p.env.Client/2)
	case p.stable:
		return p.env.Owner
	}
	return fmt.Sprint(p.env.Owner, "-", p.boot, "-", p.attempts)
}

// limited gives a request the time of a request.
func (p *plainLocker) limited(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	join := p.env.Runtime.Go(func() {
		if p.env.Runtime.Sleep(ctx, p.env.Settings.RequestTimeout) == nil {
			cancel()
		}
	})
	return ctx, func() {
		cancel()
		join()
	}
}

func (p *plainLocker) get(ctx context.Context, key string) (plainRecord, lock.Revision, error) {
	ctx, stop := p.limited(ctx)
	defer stop()
	rec, err := p.env.Store.Get(ctx, key)
	if errors.Is(err, lock.ErrNotFound) {
		return plainRecord{}, "", nil
	}
	var r plainRecord
	if err == nil {
		err = json.Unmarshal(rec.Value, &r)
	}
	return r, rec.Revision, err
}

func (p *plainLocker) swap(ctx context.Context, key string, old lock.Revision, r plainRecord) (lock.Revision, error) {
	ctx, stop := p.limited(ctx)
	defer stop()
	b, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	return p.env.Store.CompareAndSwap(ctx, key, old, b)
}

// lease is how long a holder believes after it asked, and after how long without a
// change a contender that saw the record at a time takes over.
func (p *plainLocker) lease() time.Duration {
	ttl := p.env.Settings.TTL
	if p.wholeSeconds && !p.deaf {
		ttl -= time.Second
	}
	return ttl - ttl*time.Duration(p.env.Settings.MaxClockDriftPPM)/1e6
}

func (p *plainLocker) takeover(seenAt time.Duration) time.Duration {
	ttl := p.env.Settings.TTL
	if p.wholeSeconds {
		ttl -= seenAt % time.Second
	}
	return ttl + ttl*time.Duration(p.env.Settings.MaxClockDriftPPM)/1e6 + time.Microsecond
}

// Acquire implements subjects.Locker.
func (p *plainLocker) Acquire(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
	id := p.id()
	open := time.Duration(-1) // when the first write without an answer was sent
	for ctx.Err() == nil {
		r, rev, err := p.get(ctx, name)
		now := p.env.Runtime.Now()
		switch {
		case err != nil:
		case r.ID == id && !p.stable && !p.paired && open >= 0:
			return p.granted(name, r, rev, open, o), nil
		case p.takeable(name, r, rev, id, now):
			sent := p.env.Runtime.Now()
			next := plainRecord{ID: id, Beat: r.Beat + 1}
			got, err := p.swap(ctx, name, rev, next)
			if err == nil {
				return p.granted(name, next, got, sent, o), nil
			}
			if !lock.Definite(err) && open < 0 {
				open = sent
			}
		case o.Try && open < 0:
			return nil, &lock.HeldError{Name: name, Owner: p.owner(r.ID)}
		}
		if o.Try && (open >= 0 || err != nil) {
			return nil, errors.New("may have been granted")
		}
		if p.env.Runtime.Sleep(ctx, p.env.Settings.PollEvery) != nil {
			break
		}
	}
	return nil, errors.New("gave up; may have been granted")
}

// owner names a client where an id tells it.
func (p *plainLocker) owner(id string) string {
	var client int
	if _, err := fmt.Sscanf(id, "c%d", &client); err != nil {
		return ""
	}
	return ownerName(client)
}

func (p *plainLocker) takeable(name string, r plainRecord, rev lock.Revision, id string, now time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.ID == "" || r.ID == id {
		return true
	}
	if p.seen[name].rev != rev {
		p.seen[name] = seenRecord{rev, now}
		return false
	}
	return now >= p.seen[name].at+p.takeover(p.seen[name].at)
}

func (p *plainLocker) granted(name string, r plainRecord, rev lock.Revision, sent time.Duration, o subjects.Options) *plainLease {
	l := &plainLease{p: p, name: name, r: r, rev: rev, end: sent + p.lease()}
	l.lost, l.lose = context.WithCancelCause(context.Background())
	l.work, l.stop = context.WithCancel(context.Background())
	if !o.NoRenewal {
		l.joins = append(l.joins, p.env.Runtime.Go(l.renewing))
	}
	if !p.resumes && !p.endless {
		l.joins = append(l.joins, p.env.Runtime.Go(l.ending))
	}
	return l
}

type plainLease struct {
	p     *plainLocker
	name  string
	lost  context.Context
	lose  context.CancelCauseFunc
	work  context.Context
	stop  context.CancelFunc
	joins []func()

	mu  sync.Mutex
	r   plainRecord
	rev lock.Revision
	end time.Duration
}

func (l *plainLease) Token() uint64         { return 0 }
func (l *plainLease) Lost() context.Context { return l.lost }

func (l *plainLease) ValidUntil() (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end, !l.p.endless
}

func (l *plainLease) gone() { l.lose(lock.ErrLost) }

func (l *plainLease) ending() {
	rt := l.p.env.Runtime
	for {
		end, _ := l.ValidUntil()
		if rt.Now() >= end {
			l.gone()
			l.stop()
			return
		}
		if rt.Sleep(l.work, end-rt.Now()) != nil {
			return
		}
	}
}

func (l *plainLease) renewing() {
	env := l.p.env
	for env.Runtime.Sleep(l.work, env.Settings.RenewEvery) == nil {
		env.Observe.RenewInvoked(l)
		err := l.renew()
		lost := errors.Is(err, lock.ErrLost)
		env.Observe.RenewReturned(l, err, lost)
		if lost {
			l.gone()
			l.stop()
			return
		}
	}
}

// renew returns ErrLost if the record names somebody else.
func (l *plainLease) renew() error {
	p := l.p
	l.mu.Lock()
	next, old := plainRecord{l.r.ID, l.r.Beat + 1}, l.rev
	l.mu.Unlock()
	sent := p.env.Runtime.Now()
	rev, err := p.write(l.work, l.name, old, next)
	now := p.env.Runtime.Now() // no mutex is held: it may interrupt
	switch {
	case err == nil:
		l.mu.Lock()
		defer l.mu.Unlock()
		if p.resumes || p.endless || now < l.end {
			l.r, l.rev, l.end = next, rev, max(l.end, sent+p.lease())
		}
		return nil
	case !errors.Is(err, lock.ErrConflict):
		return err
	}
	r, rev, err := p.get(l.work, l.name)
	switch {
	case err != nil:
		return err
	case r.ID != next.ID || r.Beat > next.Beat:
		return lock.ErrLost
	}
	l.mu.Lock() // an earlier renewal came through
	l.r, l.rev = r, rev
	l.mu.Unlock()
	return errors.New("renewed by an earlier request")
}

func (p *plainLocker) write(ctx context.Context, name string, old lock.Revision, next plainRecord) (lock.Revision, error) {
	if !p.blindRenewal {
		return p.swap(ctx, name, old, next)
	}
	ctx, stop := p.limited(ctx)
	defer stop()
	b, _ := json.Marshal(next)
	return p.env.Store.Put(ctx, name, b)
}

// Release implements subjects.Lease.
func (l *plainLease) Release(ctx context.Context) error {
	p := l.p
	l.stop()
	for _, join := range l.joins {
		join()
	}
	if p.blindRelease {
		ctx, stop := p.limited(ctx)
		defer stop()
		return p.env.Store.Remove(ctx, l.name)
	}
	if p.silent && l.lost.Err() != nil {
		return nil
	}
	for range 3 {
		_, err := p.swap(ctx, l.name, l.rev, plainRecord{Beat: l.r.Beat + 1})
		if !errors.Is(err, lock.ErrConflict) {
			return err
		}
		r, rev, err := p.get(ctx, l.name)
		switch {
		case err != nil:
			return err
		case r.ID != l.r.ID && p.silent:
			return nil
		case r.ID != l.r.ID:
			return lock.ErrLost
		}
		l.r, l.rev = r, rev
	}
	return errors.New("may have been released")
}
