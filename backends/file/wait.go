package file

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/lockproof/lockproof/lock"
)

// Wait returns as soon as key's revision differs from after, with a record that
// was current then, or with lock.ErrNotFound if after is not empty and the key
// does not exist. If ctx ends first the error is its cause.
//
// All waits of a Store share one watcher of the directory, which tells whose
// file has changed. Where there is none, because the machine has run out of
// watchers or Config says so, each wait looks at its file every
// Config.PollEvery.
func (s *Store) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	record, err := s.wait(ctx, key, after)
	if err != nil {
		return lock.Record{}, s.fail("wait", key, err)
	}
	return record, nil
}

// wait registers first and reads then, so that no change falls in between.
func (s *Store) wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	if err := check(ctx, key, nil); err != nil {
		return lock.Record{}, err
	}
	if err := s.begin(); err != nil {
		return lock.Record{}, err
	}
	defer s.running.Done()
	w := s.watch.join(fileName(key))
	defer s.watch.leave(w)
	for {
		record, err := s.read(key)
		switch {
		case err != nil:
			return lock.Record{}, err
		case record.Revision == after:
		case record.Revision == "":
			return lock.Record{}, lock.ErrNotFound
		default:
			return record, nil
		}
		var poll <-chan time.Time // never, where the watcher tells
		if !s.watch.live() {
			poll = time.After(s.config.PollEvery)
		}
		select {
		case <-w.changed:
		case <-poll:
		case <-s.closing:
			return lock.Record{}, errClosed
		case <-ctx.Done():
			return lock.Record{}, lock.CauseOf(ctx)
		}
	}
}

// waiter is one Wait.
type waiter struct {
	name    string
	changed chan struct{} // holds one token if there is something to look at
}

// hub shares one watcher of the directory among the waiters of a Store. Its
// goroutine is started by newHub and ends by close, which waits for it.
type hub struct {
	path     string
	watcher  *fsnotify.Watcher // nil if there is none
	finished chan struct{}     // closed by the goroutine as it ends

	mu      sync.Mutex
	blind   bool // changes are not told of: waiters must poll
	waiting map[string]map[*waiter]struct{}
}

// newHub never fails: what cannot be watched is polled.
func newHub(path string, blind bool) *hub {
	h := &hub{path: path, blind: true, waiting: make(map[string]map[*waiter]struct{}), finished: make(chan struct{})}
	if !blind {
		h.watcher = watchDir(path)
	}
	if h.watcher == nil {
		close(h.finished)
		return h
	}
	h.blind = false
	go h.follow()
	return h
}

// watchDir returns nil if the system has no watcher left, or none at all.
func watchDir(path string) *fsnotify.Watcher {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil
	}
	if err := watcher.Add(path); err != nil {
		_ = watcher.Close()
		return nil
	}
	return watcher
}

func (h *hub) close() error {
	if h.watcher == nil {
		return nil
	}
	err := h.watcher.Close()
	<-h.finished
	if err != nil {
		return fmt.Errorf("watcher: %w", err)
	}
	return nil
}

// live reports whether changes are told of.
func (h *hub) live() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.blind
}

// follow wakes waiters until the watcher is closed.
func (h *hub) follow() {
	defer close(h.finished)
	for {
		select {
		case event, ok := <-h.watcher.Events:
			switch {
			case !ok:
				h.wakeAll(goesBlind)
				return
			case filepath.Clean(event.Name) == h.path && event.Has(fsnotify.Remove|fsnotify.Rename):
				h.wakeAll(goesBlind) // the directory itself has gone
			default:
				h.wake(filepath.Base(event.Name))
			}
		case _, ok := <-h.watcher.Errors:
			if !ok {
				h.wakeAll(goesBlind)
				return
			}
			h.wakeAll(seesOn) // events were lost: too many at once, mostly
		}
	}
}

// sight is what becomes of a hub after all were woken.
type sight bool

const (
	goesBlind sight = false
	seesOn    sight = true
)

func (h *hub) join(name string) *waiter {
	w := &waiter{name: name, changed: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[name] == nil {
		h.waiting[name] = make(map[*waiter]struct{})
	}
	h.waiting[name][w] = struct{}{}
	return w
}

func (h *hub) leave(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting[w.name], w)
	if len(h.waiting[w.name]) == 0 {
		delete(h.waiting, w.name)
	}
}

func (h *hub) wake(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakeLocked(name)
}

func (h *hub) wakeAll(then sight) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if then == goesBlind {
		h.blind = true
	}
	for name := range h.waiting {
		h.wakeLocked(name)
	}
}

// wakeLocked is called with h.mu held.
func (h *hub) wakeLocked(name string) {
	for w := range h.waiting[name] {
		select {
		case w.changed <- struct{}{}:
		default: // it has a token already, and has not looked since
		}
	}
}
