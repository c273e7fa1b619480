package mongodb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/lock"
)

const (
	// watchLinger is how long the change stream stays after its last waiter left.
	// A client that waits again and again then opens it once, not each time.
	watchLinger = 5 * time.Second
	// pollEvery is how often a wait looks where there are no change streams.
	pollEvery = 100 * time.Millisecond
)

var (
	errClosed = errors.New("the store was closed")
	errIdle   = errors.New("nobody waited any more")
)

// Wait returns as soon as key's revision differs from after, with a record that
// was current then, or with lock.ErrNotFound if after is not empty and the key
// does not exist. If ctx ends first the error is its cause.
//
// All waits of a Store share one change stream of the collection. The driver
// resumes it where it broke off; where that fails, or the server falls silent,
// all waits end with lock.ErrUnavailable: the caller should look at the record
// itself and wait again. After Close, waits fail with lock.ErrRefused.
//
// Where there are no change streams, Wait reads the document ten times a second,
// and the Store does not declare that it can watch.
func (s *Store) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	v, err := s.wait(ctx, key, after)
	if err == nil && !v.exists() {
		err = lock.ErrNotFound
	}
	if err != nil {
		return lock.Record{}, s.fail("wait", key, err)
	}
	return v.record(), nil
}

// wait registers first and reads then, so that no change falls in between:
//
//	stream is open --- waiter registered --- read --- later changes
//	                   \_ a change from here on reaches the waiter _/
//
// The stream may be behind the read. A change that is known to be older, being
// one of the same life of the document, is passed over; of any other the
// document itself is asked.
func (s *Store) wait(ctx context.Context, key string, after lock.Revision) (version, error) {
	if after != "" {
		if _, err := parseRevision(string(after)); err != nil {
			return version{}, err
		}
	}
	if err := checkKey(key); err != nil {
		return version{}, err
	}
	if s.watch == nil {
		return s.poll(ctx, key, after)
	}
	w, err := s.watch.join(key)
	if err != nil {
		return version{}, err
	}
	defer s.watch.leave(w)
	if err := w.session.started(ctx); err != nil {
		return version{}, err
	}
	current, err := w.session.read(ctx, key)
	for err == nil && current.name() == after {
		select {
		case news := <-w.news:
			switch newer, known := news.revision.supersedes(current.revision); {
			case !known:
				current, err = w.session.read(ctx, key)
			case newer:
				current = news
			}
		case <-w.session.life.Done():
			return version{}, context.Cause(w.session.life)
		case <-ctx.Done():
			return version{}, lock.CauseOf(ctx)
		}
	}
	return current, err
}

// poll is a wait without a change stream.
func (s *Store) poll(ctx context.Context, key string, after lock.Revision) (version, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		current, err := s.read(ctx, key)
		if errors.Is(err, lock.ErrNotFound) {
			err = nil
		}
		if err != nil || current.name() != after {
			return current, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return version{}, lock.CauseOf(ctx)
		}
	}
}

// waiter is one Wait. Its session never changes.
type waiter struct {
	key     string
	session *session
	// news holds the newest version not yet looked at; the zero version says
	// only that something happened.
	news chan version
}

// hub shares one session among the waiters of a Store. It starts a session with
// the first waiter; the session ends by itself when it fails, after a while
// without waiters, and on close.
type hub struct {
	store *Store

	mu       sync.Mutex
	closed   bool
	current  *session // nil, or a session that has not ended
	sessions sync.WaitGroup
}

func newHub(s *Store) *hub { return &hub{store: s} }

// join registers a waiter for key. The caller must give it to leave.
func (h *hub) join(key string) (*waiter, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("%w: %w", lock.ErrRefused, errClosed)
	}
	if h.current == nil {
		h.current = newSession(h)
		h.sessions.Go(h.current.run)
	}
	s := h.current
	w := &waiter{key: key, session: s, news: make(chan version, 1)}
	if s.waiters[key] == nil {
		s.waiters[key] = make(map[*waiter]struct{})
	}
	s.waiters[key][w] = struct{}{}
	s.count++
	s.linger.Stop()
	return w, nil
}

func (h *hub) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := w.session
	delete(s.waiters[w.key], w)
	if len(s.waiters[w.key]) == 0 {
		delete(s.waiters, w.key)
	}
	if s.count--; s.count == 0 && s.life.Err() == nil {
		s.linger.Reset(watchLinger)
	}
}

// deliver hands a version to the waiters for key. It takes the place of one that
// was not looked at yet: of both, no more can be learned than from the later.
func (h *hub) deliver(s *session, key string, v version) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range s.waiters[key] {
		select {
		case <-w.news:
		default:
		}
		w.news <- v
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
	if h.current == s {
		h.current = nil
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

// close ends the session and waits until its goroutine is gone.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	if h.current != nil {
		h.endLocked(h.current, fmt.Errorf("%w: %w", lock.ErrRefused, errClosed))
	}
	h.mu.Unlock()
	h.sessions.Wait()
}
