package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/lock"
)

const (
	// watchLinger is how long a consumer stays after its last waiter left. A
	// client that waits again and again then creates it once, not each time.
	watchLinger = 5 * time.Second
	// maxKeyConsumers is for how many keys a Store has a consumer each. Each has
	// a heartbeat every second, so that at some point it is cheaper to be sent
	// every write. The number is a guess; nothing depends on it but load.
	maxKeyConsumers = 64
	// everyKey filters nothing out.
	everyKey = ">"
)

var (
	errClosed = errors.New("the store was closed")
	errIdle   = errors.New("nobody waited any more")
)

// Wait returns as soon as key's revision differs from after, with a record that
// was current then, or with lock.ErrNotFound if after is not empty and the key
// does not exist. If ctx ends first the error is its cause.
//
// All waits of a Store for one key share a consumer on the server, which is sent
// the writes of that key alone. Waits for more than 64 keys at once share one
// that is sent every write to the bucket. When the connection breaks, or the
// consumer is lost or skips a message, its waits end with lock.ErrUnavailable:
// the caller should look at the record itself and wait again. A silent loss is
// noticed within 2.5 seconds. After Close, waits fail with lock.ErrRefused.
func (s *Store) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	record, err := s.wait(ctx, key, after)
	if err != nil {
		return lock.Record{}, s.fail("wait", key, err)
	}
	return record, nil
}

// wait registers first and reads then, so that no change falls in between:
//
//	consumer exists --- waiter registered --- read: sequence f --- messages > f
//	                    \_ a change from here on reaches the waiter _/
func (s *Store) wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	name, err := s.prepare(ctx, key)
	if err != nil {
		return lock.Record{}, err
	}
	if after != "" {
		if _, err := parseRevision(after); err != nil {
			return lock.Record{}, err
		}
	}
	w, err := s.watch.join(name)
	if err != nil {
		return lock.Record{}, err
	}
	defer s.watch.leave(w)
	if err := w.session.started(ctx); err != nil {
		return lock.Record{}, err
	}
	e, err := w.session.read(ctx, name)
	if err != nil {
		return lock.Record{}, err
	}
	for floor := e.sequence; ; {
		if e.answers(after) {
			return e.outcome()
		}
		select {
		case next := <-w.news:
			if next.sequence > floor { // else the consumer is behind the read
				e, floor = next, next.sequence
			}
		case <-w.session.life.Done():
			return lock.Record{}, context.Cause(w.session.life)
		case <-ctx.Done():
			return lock.Record{}, lock.CauseOf(ctx)
		}
	}
}

// answers reports whether e ends a wait beyond revision after.
func (e entry) answers(after lock.Revision) bool {
	if e.deleted {
		return after != ""
	}
	return formatRevision(e.sequence) != after
}

func (e entry) outcome() (lock.Record, error) {
	if e.deleted {
		return lock.Record{}, lock.ErrNotFound
	}
	return e.record(), nil
}

// waiter is one Wait. Its session never changes.
type waiter struct {
	name    string
	session *session
	news    chan entry // holds the newest entry not yet looked at
}

// hub shares sessions among the waiters of a Store. It starts a session with
// its first waiter; a session ends by itself when it fails, after a while without
// waiters, and on close.
type hub struct {
	store *Store

	mu       sync.Mutex
	closed   bool
	current  map[string]*session // those that have not ended, by filter
	sessions sync.WaitGroup
}

func newHub(s *Store) *hub { return &hub{store: s, current: make(map[string]*session)} }

// join registers a waiter for name. The caller must give it to leave.
func (h *hub) join(name string) (*waiter, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("%w: %w", lock.ErrRefused, errClosed)
	}
	s := h.sessionFor(name)
	w := &waiter{name: name, session: s, news: make(chan entry, 1)}
	if s.waiters[name] == nil {
		s.waiters[name] = make(map[*waiter]struct{})
	}
	s.waiters[name][w] = struct{}{}
	s.count++
	s.linger.Stop()
	return w, nil
}

// sessionFor returns the session that a new waiter for name joins. It is called
// with h.mu held.
func (h *hub) sessionFor(name string) *session {
	if s := h.current[name]; s != nil {
		return s
	}
	filter, others := name, len(h.current)
	if h.current[everyKey] != nil {
		others--
	}
	if others >= maxKeyConsumers {
		filter = everyKey
	}
	s := h.current[filter]
	if s == nil {
		s = newSession(h, filter)
		h.current[filter] = s
		h.sessions.Go(s.run)
	}
	return s
}

func (h *hub) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := w.session
	delete(s.waiters[w.name], w)
	if len(s.waiters[w.name]) == 0 {
		delete(s.waiters, w.name)
	}
	if s.count--; s.count == 0 && s.life.Err() == nil {
		s.linger.Reset(watchLinger)
	}
}

// deliver hands e to the waiters for name. Each gets a copy of the value.
func (h *hub) deliver(s *session, name string, e entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range s.waiters[name] {
		select {
		case <-w.news: // an older one that was not looked at yet
		default:
		}
		w.news <- entry{sequence: e.sequence, deleted: e.deleted, value: bytes.Clone(e.value)}
	}
}

// end ends a session for good; only the first reason counts.
func (h *hub) end(s *session, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endLocked(s, why)
}

func (h *hub) endLocked(s *session, why error) {
	s.end(why)
	s.linger.Stop()
	s.silence.Stop()
	if h.current[s.filter] == s {
		delete(h.current, s.filter)
	}
}

// endIdle ends a session that still has no waiters.
func (h *hub) endIdle(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.count == 0 {
		h.endLocked(s, errIdle)
	}
}

// close ends the sessions and waits until their goroutines are gone.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	for _, s := range h.current {
		h.endLocked(s, fmt.Errorf("%w: %w", lock.ErrRefused, errClosed))
	}
	h.mu.Unlock()
	h.sessions.Wait()
}

// consumerConfig is an ephemeral push consumer of the writes of subject from now
// on. The server removes it when its subscription has been gone for a while.
func consumerConfig(subject, deliver string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Description:       "waiters for locks",
		DeliverSubject:    deliver,
		DeliverPolicy:     jetstream.DeliverNewPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		MaxDeliver:        1,
		FilterSubject:     subject,
		IdleHeartbeat:     heartbeatEvery,
		InactiveThreshold: time.Minute,
		MemoryStorage:     true,
		Replicas:          1,
	}
}
