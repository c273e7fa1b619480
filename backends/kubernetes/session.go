package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lockproof/lockproof/lock"
)

const (
	// watchFor is how long one watch request lasts. The server ends it then, and
	// the next one goes on where it ended. A connection that is dead without
	// having been closed shows by a watch that does not end in time.
	watchFor = 5 * time.Second
	// silenceLimit is how much later than asked for the end may come.
	silenceLimit = 3 * time.Second
	// retryFirst and retryMost bound the pause after a failure, which doubles.
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second
)

var (
	errSilent  = errors.New("the watch fell silent")
	errVersion = errors.New("it has no resourceVersion")
	errBrief   = errors.New("the watch ended before its time")
)

// session is the life of one list and watch. Its one goroutine, run, is started
// by the hub with the first waiter, stops when the session ends, and is waited
// for by the hub's close.
type session struct {
	hub  *hub
	sync chan struct{} // closed when the first list is there
	// life ends with the session; its cause says why. It is no caller's
	// context: the session outlives the Wait that started it.
	life context.Context
	end  context.CancelCauseFunc // called with hub.mu held

	// Guarded by hub.mu.
	objects map[string]*object
	count   int // waiters
	waiters map[string]map[*waiter]struct{}
	linger  *time.Timer // ends a session without waiters
}

// newSession is called with hub.mu held.
func newSession(h *hub) *session {
	s := &session{hub: h, sync: make(chan struct{}), waiters: make(map[string]map[*waiter]struct{})}
	s.life, s.end = context.WithCancelCause(context.Background())
	s.linger = time.AfterFunc(watchLinger, func() { h.endIdle(s) })
	return s
}

// started waits until there is something to compare with.
func (s *session) started(ctx context.Context) error {
	select {
	case <-s.sync:
		return nil
	case <-s.life.Done():
		return context.Cause(s.life)
	case <-ctx.Done():
		return lock.CauseOf(ctx)
	}
}

// wake is called with hub.mu held.
func (s *session) wake(name string) {
	for w := range s.waiters[name] {
		select {
		case w.news <- struct{}{}:
		default: // it has not looked since the last sign
		}
	}
}

// run lists, watches from there, and lists again when the watch fails. A pause
// comes between, longer each time, unless a watch worked in between.
func (s *session) run() {
	pause := retryFirst
	for {
		version, err := s.list()
		if err == nil && !s.listed() {
			close(s.sync)
		}
		for err == nil {
			var next string
			if next, err = s.watch(version); err == nil || next != version {
				version, pause = next, retryFirst
			}
		}
		switch {
		case s.life.Err() != nil:
			return
		case errors.Is(err, lock.ErrRefused):
			s.hub.end(s, fmt.Errorf("the watch ended; locks need the verbs list and watch: %w", err))
			return
		case gone(err):
			pause = retryFirst // a new list is all it takes
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.life.Done():
			timer.Stop()
			return
		}
		pause = min(2*pause, retryMost)
	}
}

func (s *session) listed() bool {
	select {
	case <-s.sync:
		return true
	default:
		return false
	}
}

// list reads all objects, by a quorum read, and returns the version of the
// collection.
func (s *session) list() (version string, err error) {
	path, selector, value := s.hub.layout.watched()
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []*object `json:"items"`
	}
	r := request{verb: http.MethodGet, path: path, params: map[string]string{selector: value}, accept: acceptList}
	if err := s.hub.api.do(s.life, r, &list); err != nil {
		if code(err) == http.StatusNotFound {
			err = fmt.Errorf("%w: %w", lock.ErrRefused, err)
		}
		return "", err
	}
	objects := make(map[string]*object, len(list.Items))
	for _, o := range list.Items {
		objects[o.Metadata.Name] = o
	}
	s.hub.replace(s, objects)
	return list.Metadata.ResourceVersion, nil
}

// event is one line of a watch.
type event struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// watch follows the changes after a version, and returns the last version that
// it saw. It returns no error if the server ended the watch in its time.
func (s *session) watch(version string) (last string, err error) {
	ctx, cancel := context.WithCancelCause(s.life)
	defer cancel(nil)
	silence := time.AfterFunc(watchFor+silenceLimit, func() { cancel(errSilent) })
	defer silence.Stop()
	begun := time.Now()
	path, selector, value := s.hub.layout.watched()
	body, err := s.hub.api.stream(ctx, request{
		verb: http.MethodGet, path: path,
		params: map[string]string{
			selector: value, "watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version,
			"timeoutSeconds": strconv.Itoa(int(watchFor / time.Second)),
		},
	})
	if err != nil {
		return version, err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var e event
		if err := lines.Decode(&e); err != nil {
			if ctx.Err() != nil {
				return version, context.Cause(ctx)
			}
			if time.Since(begun) < watchFor/2 {
				return version, fmt.Errorf("%w: %w", errBrief, err)
			}
			return version, nil
		}
		if version, err = s.take(e, version); err != nil {
			return version, err
		}
	}
}

// take applies one event.
func (s *session) take(e event, version string) (string, error) {
	if e.Type == "ERROR" {
		var status metav1.Status
		if err := json.Unmarshal(e.Object, &status); err != nil {
			return version, fmt.Errorf("unreadable error in the watch: %w", err)
		}
		return version, &apierrors.StatusError{ErrStatus: status}
	}
	var o object
	err := json.Unmarshal(e.Object, &o)
	if err == nil && o.Metadata.ResourceVersion == "" {
		err = errVersion
	}
	if err != nil {
		return version, fmt.Errorf("unreadable event %q in the watch: %w", e.Type, err)
	}
	switch e.Type {
	case "ADDED", "MODIFIED":
		s.hub.change(s, o.Metadata.Name, &o)
	case "DELETED":
		s.hub.change(s, o.Metadata.Name, nil)
	case "BOOKMARK":
	default:
		return version, fmt.Errorf("unknown event %q in the watch", e.Type)
	}
	return o.Metadata.ResourceVersion, nil
}

// gone reports that the server no longer has the versions after the one to watch
// from.
func gone(err error) bool { return apierrors.IsGone(err) || apierrors.IsResourceExpired(err) }
