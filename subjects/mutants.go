package subjects

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// mutants are the reference lock with one rule broken each. Some rules are
// broken inside (lock.NewMutant), some in the clock or the store that the lock
// is given.
func mutants() []Subject {
	inside := func(m lock.Mutation, summary, breaks string) Subject {
		return mutant(string(m), summary, breaks, func(env Env) (Locker, error) {
			return newReference(env, env.Store, env.Runtime, m, plain)
		})
	}
	clocked := func(name, summary string, now func(Env) func() time.Duration) Subject {
		return mutant(name, summary, "mutual-exclusion", func(env Env) (Locker, error) {
			clock := now(env)
			rt := otherClock{env.Runtime, clock}
			return newReference(env, env.Store, rt, "", func(l refLease) Lease {
				return clockedLease{l, env.Runtime, &clock}
			})
		})
	}
	stored := func(name, summary, breaks string, when func(next record) bool) Subject {
		s := mutant(name, summary, breaks, func(env Env) (Locker, error) {
			return newReference(env, blindStore(env.Store, when), env.Runtime, "", plain)
		})
		s.Raw = true
		return s
	}
	return []Subject{
		inside(lock.LeaseFromReply, "counts its lease from when the reply came", "mutual-exclusion"),
		inside(lock.NoLocalEnd, "believes until the store says otherwise", "mutual-exclusion"),
		inside(lock.NoDriftMargin, "trusts clocks to run at one rate", "mutual-exclusion"),
		inside(lock.EarlyTakeover, "takes over after half a lease", "mutual-exclusion"),
		inside(lock.BeatIgnored, "does not see that a holder renews", "mutual-exclusion"),
		inside(lock.TokenNotRaised, "takes over with the old token", "token-order"),
		inside(lock.UnansweredIsFailure, "takes a lost reply for a failure", "lock-linearizability"),
		inside(lock.UnansweredIsSuccess, "takes a lost reply for a success", "mutual-exclusion"),
		inside(lock.HeartbeatNotJoined, "releases while its heartbeat goes on", "lock-linearizability"),
		clocked("wall-clock", "measures leases with the wall clock",
			func(env Env) func() time.Duration { return env.Wall }),
		clocked("clock-stops-in-suspend", "measures leases with a clock that stands still in a suspend",
			func(env Env) func() time.Duration { return env.Monotonic }),
		stored("takeover-blind", "takes over whatever the record is by now", "mutual-exclusion",
			func(next record) bool { return len(next.Holders) > 0 && next.Holders[0].Beat == 0 }),
		stored("renew-blind", "renews whatever the record is by now", "mutual-exclusion",
			func(next record) bool { return len(next.Holders) > 0 && next.Holders[0].Beat > 0 }),
		stored("release-blind", "releases whoever holds the lock by now", "mutual-exclusion",
			func(next record) bool { return len(next.Holders) == 0 }),
	}
}

func mutant(name, summary, breaks string, build func(Env) (Locker, error)) Subject {
	return Subject{
		Name: name, Summary: "mutant: " + summary, Source: "lock/, with one rule broken",
		Mutant: true, Breaks: breaks, Promises: referencePromises, Interruptible: true, New: build,
	}
}

// otherClock is a runtime whose clock is another one.
type otherClock struct {
	lock.Runtime
	now func() time.Duration
}

func (c otherClock) Now() time.Duration { return c.now() }

// clockedLease translates the end of a lease from the other clock to the
// runtime's own, on which ValidUntil is defined.
type clockedLease struct {
	refLease
	runtime lock.Runtime
	other   *func() time.Duration
}

func (l clockedLease) ValidUntil() (time.Duration, bool) {
	until, _ := l.refLease.ValidUntil()
	return l.runtime.Now() + until - (*l.other)(), true
}

// record is what the store mutants need to know of a lock record.
type record struct {
	Holders []struct {
		Beat uint64 `json:"beat"`
	} `json:"holders"`
}

// blind turns a compare-and-swap into an unconditional write where when says so.
type blind struct {
	RawStore
	when func(next record) bool
}

type blindWatcher struct {
	blind
	lock.Watcher
}

func blindStore(store RawStore, when func(next record) bool) lock.Store {
	b := blind{store, when}
	if w, ok := store.(lock.Watcher); ok {
		return blindWatcher{b, w}
	}
	return b
}

func (b blind) Capabilities() lock.Capabilities { return lock.CapabilitiesOf(b.RawStore) }

func (b blind) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	var next record
	if err := json.Unmarshal(value, &next); err == nil && old != "" && b.when(next) {
		return b.Put(ctx, key, value)
	}
	return b.RawStore.CompareAndSwap(ctx, key, old, value)
}
