package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

var (
	_ subjects.RawStore = (*Store)(nil)
	_ lock.Watcher      = (*Store)(nil)
	_ lock.Capable      = (*Store)(nil)

	errThrottled = fmt.Errorf("live: throttled: %w", lock.ErrUnavailable)
	errDenied    = fmt.Errorf("live: permission denied: %w", lock.ErrRefused)
	errNoWatch   = fmt.Errorf("live: the store cannot watch: %w", lock.ErrRefused)
)

// twinLimit bounds a duplicate whose call has no deadline.
const twinLimit = 30 * time.Second

// noAnswerError is an indefinite end that this package brought about.
type noAnswerError struct {
	what  string
	cause error
}

func (e *noAnswerError) Error() string { return "live: " + e.what + ": " + e.cause.Error() }

// Unwrap returns the cause, unless it would make the error look definite.
func (e *noAnswerError) Unwrap() error {
	if lock.Definite(e.cause) {
		return nil
	}
	return e.cause
}

// StoreFaults is what goes wrong between one client and the store, call by call,
// through all incarnations of the client. Faults of one kind at the same time
// add up; a probability of 1000 per mille or more is certainty. Its methods may
// be called from any goroutine.
//
// A call meets the faults in this order: throttled, refused, request lost, request
// duplicated, reply lost.
type StoreFaults struct {
	name    string
	choices *Choices

	throttle    atomic.Int64
	refuse      atomic.Int64
	loseRequest atomic.Int64
	loseReply   atomic.Int64
	duplicate   atomic.Int64

	operations       atomic.Uint64
	waits            atomic.Uint64
	indefinite       atomic.Uint64
	indefiniteWrites atomic.Uint64
	throttled        atomic.Uint64
	refused          atomic.Uint64
	lostRequests     atomic.Uint64
	lostReplies      atomic.Uint64
	duplicates       atomic.Uint64
}

// StoreCounts says what a client's calls met so far.
type StoreCounts struct {
	Operations uint64 // calls of all methods but Wait
	Waits      uint64 // calls of Wait
	// Indefinite counts Operations that ended with an indefinite error, and
	// IndefiniteWrites those of them that are not Get.
	Indefinite       uint64
	IndefiniteWrites uint64
	// What was injected, into Wait too.
	Throttled    uint64
	Refused      uint64
	LostRequests uint64
	LostReplies  uint64
	Duplicates   uint64
}

// NewStoreFaults makes the faults of one client, none of them in force. The name
// ("c0") is part of the names of the streams that are drawn from.
func NewStoreFaults(name string, choices *Choices) *StoreFaults {
	return &StoreFaults{name: name, choices: choices}
}

// AddThrottle makes calls fail, unapplied, with a further probability per mille.
// A negative one takes an earlier one back.
func (f *StoreFaults) AddThrottle(perMille int64) { f.throttle.Add(perMille) }

// AddRefuse makes calls fail for good, unapplied, as without a permission, with a
// further probability per mille. A negative one takes an earlier one back.
func (f *StoreFaults) AddRefuse(perMille int64) { f.refuse.Add(perMille) }

// AddLoseRequest makes requests be lost: nothing is sent, and the call blocks
// until its context ends. A negative probability takes an earlier one back.
func (f *StoreFaults) AddLoseRequest(perMille int64) { f.loseRequest.Add(perMille) }

// AddLoseReply makes replies be lost: the request is carried out, and the call
// then blocks until its context ends. A negative probability takes an earlier
// one back.
func (f *StoreFaults) AddLoseReply(perMille int64) { f.loseReply.Add(perMille) }

// AddDuplicate makes requests be sent twice, side by side, as by an SDK that
// tries again: the call returns the answer that comes first, the other is
// dropped. So a write's own success can come back as a conflict. Wait is never
// sent twice. A negative probability takes an earlier one back.
func (f *StoreFaults) AddDuplicate(perMille int64) { f.duplicate.Add(perMille) }

// Counts returns the counts so far.
func (f *StoreFaults) Counts() StoreCounts {
	return StoreCounts{
		Operations:       f.operations.Load(),
		Waits:            f.waits.Load(),
		Indefinite:       f.indefinite.Load(),
		IndefiniteWrites: f.indefiniteWrites.Load(),
		Throttled:        f.throttled.Load(),
		Refused:          f.refused.Load(),
		LostRequests:     f.lostRequests.Load(),
		LostReplies:      f.lostReplies.Load(),
		Duplicates:       f.duplicates.Load(),
	}
}

func (f *StoreFaults) happens(stream string, perMille int64, count *atomic.Uint64) bool {
	if perMille <= 0 || !f.choices.perMille(stream+"/"+f.name, perMille) {
		return false
	}
	count.Add(1)
	return true
}

// Store is what one incarnation of a client sees of a real store: the store
// with the client's faults, until the client is killed. Capabilities are the
// inner store's; Wait is refused where that cannot watch.
//
// A call that is lost blocks until its context ends, so a context without an end
// blocks until Kill.
type Store struct {
	inner   subjects.RawStore
	watcher lock.Watcher // nil where the store cannot watch
	faults  *StoreFaults

	life context.Context // ends with Kill
	kill context.CancelCauseFunc

	twinLife context.Context // ends with Drain's patience
	endTwins context.CancelFunc
	mu       sync.Mutex
	drained  bool           // no twin starts any more
	twins    sync.WaitGroup // goroutines of duplicates; each ends by twinLimit
}

// NewStore wraps inner for an incarnation that has just started.
func NewStore(inner subjects.RawStore, faults *StoreFaults) *Store {
	s := &Store{inner: inner, faults: faults}
	s.watcher, _ = inner.(lock.Watcher)
	s.life, s.kill = context.WithCancelCause(context.Background())
	s.twinLife, s.endTwins = context.WithCancel(context.Background())
	return s
}

// Kill makes every call fail, now and for ever, with an indefinite error that
// carries cause (ErrKilled if it is nil). Calls in flight return as soon as the
// inner store lets go of an ended context; what they sent may land later.
func (s *Store) Kill(cause error) {
	if cause == nil {
		cause = ErrKilled
	}
	s.kill(cause)
}

// Drain waits for the duplicates that are still in flight, cuts them off when ctx
// ends, and allows no more. Call it once the client has ended.
func (s *Store) Drain(ctx context.Context) {
	s.mu.Lock()
	s.drained = true
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.endTwins)
	s.twins.Wait()
	stop()
	s.endTwins()
}

// Capabilities are those of the inner store.
func (s *Store) Capabilities() lock.Capabilities {
	c := lock.CapabilitiesOf(s.inner)
	c.Watch = c.Watch && s.watcher != nil
	return c
}

// Get implements lock.Store.
func (s *Store) Get(ctx context.Context, key string) (lock.Record, error) {
	return do(ctx, s, opGet, func(ctx context.Context) (lock.Record, error) {
		return s.inner.Get(ctx, key)
	})
}

// CompareAndSwap implements lock.Store.
func (s *Store) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	value = bytes.Clone(value) // a duplicate may outlive the call
	return do(ctx, s, opWrite, func(ctx context.Context) (lock.Revision, error) {
		return s.inner.CompareAndSwap(ctx, key, old, value)
	})
}

// Delete implements lock.Store.
func (s *Store) Delete(ctx context.Context, key string, old lock.Revision) error {
	_, err := do(ctx, s, opWrite, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.inner.Delete(ctx, key, old)
	})
	return err
}

// Put implements subjects.RawStore.
func (s *Store) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	value = bytes.Clone(value) // a duplicate may outlive the call
	return do(ctx, s, opWrite, func(ctx context.Context) (lock.Revision, error) {
		return s.inner.Put(ctx, key, value)
	})
}

// Remove implements subjects.RawStore.
func (s *Store) Remove(ctx context.Context, key string) error {
	_, err := do(ctx, s, opWrite, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.inner.Remove(ctx, key)
	})
	return err
}

// Wait implements lock.Watcher.
func (s *Store) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	if s.watcher == nil {
		return lock.Record{}, errNoWatch
	}
	return do(ctx, s, opWait, func(ctx context.Context) (lock.Record, error) {
		return s.watcher.Wait(ctx, key, after)
	})
}

// op is a class of calls that are counted alike.
type op int

const (
	opGet op = iota
	opWrite
	opWait
)

// do performs one call under the faults and counts its end.
func do[T any](ctx context.Context, s *Store, kind op, send func(context.Context) (T, error)) (T, error) {
	f := s.faults
	if kind == opWait {
		f.waits.Add(1)
	} else {
		f.operations.Add(1)
	}
	answer, err := underFaults(ctx, s, kind, send)
	if err != nil && kind != opWait && !lock.Definite(err) {
		f.indefinite.Add(1)
		if kind == opWrite {
			f.indefiniteWrites.Add(1)
		}
	}
	return answer, err
}

func underFaults[T any](ctx context.Context, s *Store, kind op, send func(context.Context) (T, error)) (T, error) {
	var none T
	if s.life.Err() != nil {
		return none, s.dead()
	}
	f := s.faults
	if f.happens("throttle", f.throttle.Load(), &f.throttled) {
		return none, errThrottled
	}
	if f.happens("refuse", f.refuse.Load(), &f.refused) {
		return none, errDenied
	}
	if f.happens("lose-request", f.loseRequest.Load(), &f.lostRequests) {
		return none, s.unanswered(ctx, "the request was lost")
	}
	alive, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })
	defer func() {
		stop()
		cancel(nil)
	}()
	if kind != opWait && f.happens("duplicate-request", f.duplicate.Load(), &f.duplicates) {
		send = twice(s, send)
	}
	answer, err := send(alive)
	if s.life.Err() != nil {
		return none, s.dead()
	}
	if f.happens("lose-reply", f.loseReply.Load(), &f.lostReplies) {
		return none, s.unanswered(ctx, "the reply was lost")
	}
	return answer, err
}

// dead is the end of every call of a killed client.
func (s *Store) dead() error {
	return &noAnswerError{"the client was killed", context.Cause(s.life)}
}

// unanswered blocks until ctx or the client ends.
func (s *Store) unanswered(ctx context.Context, what string) error {
	select {
	case <-ctx.Done():
		return &noAnswerError{what, context.Cause(ctx)}
	case <-s.life.Done():
		return s.dead()
	}
}

var errTwinCut = errors.New("live: the duplicate took too long")

// twice returns a send that does it twice at the same time and returns the first
// answer. The twin is a request on its way: neither the end of the call nor the
// client's death takes it back.
func twice[T any](s *Store, send func(context.Context) (T, error)) func(context.Context) (T, error) {
	type answer struct {
		value T
		err   error
	}
	return func(ctx context.Context) (T, error) {
		s.mu.Lock()
		if s.drained {
			s.mu.Unlock()
			return send(ctx)
		}
		s.twins.Add(2)
		s.mu.Unlock()
		answers := make(chan answer, 2)
		run := func(ctx context.Context) {
			value, err := send(ctx)
			answers <- answer{value, err}
		}
		go func() {
			defer s.twins.Done()
			run(ctx)
		}()
		go func() {
			defer s.twins.Done()
			deadline, ok := ctx.Deadline()
			if !ok {
				deadline = time.Now().Add(twinLimit)
			}
			twin, cancel := context.WithDeadlineCause(context.WithoutCancel(ctx), deadline, errTwinCut)
			defer cancel()
			defer context.AfterFunc(s.twinLife, cancel)()
			run(twin)
		}()
		first := <-answers
		return first.value, first.err
	}
}
