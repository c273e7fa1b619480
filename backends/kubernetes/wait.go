package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockproof/lockproof/lock"
)

// watchLinger is how long the watch stays after its last waiter left. A client
// that waits again and again then starts it once, not each time.
const watchLinger = 5 * time.Second

var (
	errClosed = errors.New("the store was closed")
	errIdle   = errors.New("nobody waited any more")
)

// Wait returns as soon as key's revision differs from after, with a record that
// was current then, or with lock.ErrNotFound if after is not empty and the
// record does not exist. If ctx ends first the error is its cause.
//
// All waits of a Store share one list and watch. When the connection breaks, or
// the server no longer has the versions that were missed (status 410), it lists
// again and the waits go on; what changed meanwhile ends them. A watch that
// falls silent is noticed within 8 seconds. A wait fails with lock.ErrRefused
// if the server forbids to list or watch, and after Close.
func (s *Store) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	err := checkKey(key)
	if err == nil && after != "" {
		err = s.layout.check(after)
	}
	var record lock.Record
	if err == nil {
		record, err = s.wait(ctx, key, after)
	}
	if err != nil {
		return lock.Record{}, s.fail("wait", key, err)
	}
	return record, nil
}

// wait compares after with what the session has seen. The session may be behind
// the caller: what it shows then differs from after because it is older, not
// newer. It is past doubt once it has shown after itself, since all that comes
// later is newer; until then the server is asked.
func (s *Store) wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	if ctx.Err() != nil {
		return lock.Record{}, lock.CauseOf(ctx)
	}
	w, err := s.watch.join(s.layout.holder(key))
	if err != nil {
		return lock.Record{}, err
	}
	defer s.watch.leave(w)
	if err := w.session.started(ctx); err != nil {
		return lock.Record{}, err
	}
	abreast := false
	for {
		record, err := s.layout.read(s.watch.look(w), key)
		if !ends(record, err, after) {
			abreast = true
		} else if abreast {
			return record, err
		} else if record, err = s.layout.get(ctx, key); ends(record, err, after) {
			return record, err
		}
		select {
		case <-w.news:
		case <-w.session.life.Done():
			return lock.Record{}, context.Cause(w.session.life)
		case <-ctx.Done():
			return lock.Record{}, lock.CauseOf(ctx)
		}
	}
}

// ends reports whether an outcome ends a wait beyond revision after.
func ends(record lock.Record, err error, after lock.Revision) bool {
	if errors.Is(err, lock.ErrNotFound) {
		return after != ""
	}
	return err != nil || record.Revision != after
}

// waiter is one Wait. Its session never changes.
type waiter struct {
	name    string // of the object
	session *session
	news    chan struct{} // holds a sign that the object may have changed
}

// hub shares one session among the waiters of a Store. It starts a session with
// the first waiter; the session ends by itself when the server forbids it, after
// a while without waiters, and on close.
type hub struct {
	api    *api
	layout layout

	mu       sync.Mutex
	closed   bool
	current  *session // nil, or a session that has not ended
	sessions sync.WaitGroup
}

func newHub(a *api, l layout) *hub { return &hub{api: a, layout: l} }

// join registers a waiter for an object. The caller must give it to leave.
func (h *hub) join(name string) (*waiter, error) {
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
	w := &waiter{name: name, session: s, news: make(chan struct{}, 1)}
	if s.waiters[name] == nil {
		s.waiters[name] = make(map[*waiter]struct{})
	}
	s.waiters[name][w] = struct{}{}
	s.count++
	s.linger.Stop()
	return w, nil
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

// look returns the waiter's object as the session last saw it. Nobody changes an
// object once it is there.
func (h *hub) look(w *waiter) *object {
	h.mu.Lock()
	defer h.mu.Unlock()
	return w.session.objects[w.name]
}

// replace takes a whole list and wakes everybody.
func (h *hub) replace(s *session, objects map[string]*object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.objects = objects
	for name := range s.waiters {
		s.wake(name)
	}
}

// change takes one object, nil if it is gone, and wakes its waiters.
func (h *hub) change(s *session, name string, o *object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if o == nil {
		delete(s.objects, name)
	} else {
		s.objects[name] = o
	}
	s.wake(name)
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
