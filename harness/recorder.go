package harness

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/lockproof/lockproof/linearizability"
)

// recorder collects the history of a run. In the live world many goroutines
// write to it; the time of an event is read under its lock, so that events
// stand in the order of their times.
type recorder struct {
	mu        sync.Mutex
	now       func() time.Duration
	history   linearizability.History
	grants    int64
	processes int
	closed    bool
	// cutAt is the end of the history, once it is known: what happened later is
	// not recorded, what happened earlier may still be.
	cutAt time.Duration
}

// add records e, now, and returns the time.
func (r *recorder) add(e linearizability.Event) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if !r.closed && r.cutAt == 0 {
		e.At = int64(now)
		r.history = append(r.history, e)
	}
	return now
}

// addAt records e at a time that may already have passed. The history is put in
// order when it is closed.
func (r *recorder) addAt(at time.Duration, e linearizability.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.cutAt != 0 && at > r.cutAt {
		return
	}
	e.At = int64(at)
	r.history = append(r.history, e)
}

// newGrant returns the next grant's number.
func (r *recorder) newGrant() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grants++
	return r.grants
}

// newProcess returns a process number that nobody had.
func (r *recorder) newProcess() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes++
	return r.processes - 1
}

// resource is what the lock protects: one counter for each lock that compares
// fencing tokens and one that does not. Its methods are called at the instant
// an access arrives.
type resource struct {
	mu       sync.Mutex
	rec      *recorder
	fenced   []guarded
	unfenced []int64
}

// guarded is a counter that refuses a token smaller than one it has seen, for
// reads and for writes: a guard on writes alone would still let an old holder
// write between a new holder's read and write.
type guarded struct {
	value int64
	token uint64
}

func newResource(locks int, rec *recorder) *resource {
	return &resource{rec: rec, fenced: make([]guarded, locks), unfenced: make([]int64, locks)}
}

// base is what a holder read: what its writes build on.
type base struct {
	unfenced int64
	fenced   int64
	admitted bool // the fenced read was not refused
}

// read serves a read of both counters by the grant in e.
func (r *resource) read(lockIndex int, e linearizability.Event) base {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Op, e.Phase, e.Fenced, e.Value = linearizability.OpRead, linearizability.Ok, false, r.unfenced[lockIndex]
	r.rec.add(e)
	b := base{unfenced: r.unfenced[lockIndex]}
	if e.Token == 0 {
		return b
	}
	g := &r.fenced[lockIndex]
	e.Fenced, e.Value = true, g.value
	if b.admitted = e.Token >= g.token; b.admitted {
		g.token, b.fenced = e.Token, g.value
	} else {
		e.Phase = linearizability.Fail
	}
	r.rec.add(e)
	return b
}

// write serves a write of both counters, each one more than was read.
func (r *resource) write(lockIndex int, e linearizability.Event, b base) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Op, e.Phase, e.Fenced, e.Value = linearizability.OpWrite, linearizability.Ok, false, b.unfenced+1
	r.unfenced[lockIndex] = e.Value
	r.rec.add(e)
	if e.Token == 0 || !b.admitted {
		return
	}
	g := &r.fenced[lockIndex]
	e.Fenced, e.Value = true, b.fenced+1
	if e.Token >= g.token {
		g.token, g.value = e.Token, e.Value
	} else {
		e.Phase = linearizability.Fail
	}
	r.rec.add(e)
}

// cut ends the history now, and returns when that is. What is known to have come
// earlier is still taken until close.
func (r *recorder) cut() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cutAt = r.now()
	return r.cutAt
}

// close ends the recording and puts the history in order.
func (r *recorder) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	inTime := func(a, b linearizability.Event) int { return cmp.Compare(a.At, b.At) }
	if !slices.IsSortedFunc(r.history, inTime) {
		slices.SortStableFunc(r.history, inTime)
	}
}
