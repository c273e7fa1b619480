package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/lockproof/lockproof/lock"
)

const (
	// awaitAtServer is how long the server may wait for a change before it
	// answers that there is none.
	awaitAtServer = time.Second
	// silenceLimit is how long it may take with that answer.
	silenceLimit = awaitAtServer + 5*time.Second/2
	// askEvery paces the questions to a server that does not wait.
	askEvery = 2 * time.Millisecond
	// tidyTimeout bounds the closing of the stream, a courtesy.
	tidyTimeout = time.Second
)

var errStreamClosed = errors.New("the server closed the change stream: the collection was dropped or renamed")

// session is the life of one change stream. Whatever goes wrong with it, beyond
// what the driver can resume, ends the session, and its waiters with it, so that
// none sleeps through a change.
//
// Its one goroutine, run, is started by the hub with the first waiter, stops
// when the session ends, and is waited for by the hub's close.
type session struct {
	hub   *hub
	ready chan struct{} // closed when the stream is open
	// life ends with the session; its cause says why. It is no caller's
	// context: the session outlives the Wait that started it.
	life context.Context
	end  context.CancelCauseFunc // called with hub.mu held

	// Guarded by hub.mu.
	count   int // waiters
	waiters map[string]map[*waiter]struct{}
	linger  *time.Timer // ends a session without waiters
}

// newSession is called with hub.mu held.
func newSession(h *hub) *session {
	s := &session{hub: h, ready: make(chan struct{}), waiters: make(map[string]map[*waiter]struct{})}
	s.life, s.end = context.WithCancelCause(context.Background())
	s.linger = time.AfterFunc(watchLinger, func() { h.endIdle(s) })
	return s
}

// started waits until the stream is open.
func (s *session) started(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-s.life.Done():
		return context.Cause(s.life)
	case <-ctx.Done():
		return lock.CauseOf(ctx)
	}
}

// fail ends the session for a reason that may pass.
func (s *session) fail(why error) {
	s.hub.end(s, fmt.Errorf("%w: the watch ended: %w", lock.ErrUnavailable, why))
}

// read reads the document, for no longer than the session lives. The zero
// version says that there is none.
func (s *session) read(ctx context.Context, key string) (version, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })
	defer stop()
	v, err := s.hub.store.read(ctx, key)
	switch {
	case errors.Is(err, lock.ErrNotFound):
		return version{}, nil
	case err != nil && s.life.Err() != nil:
		return version{}, context.Cause(s.life)
	}
	return v, err
}

// openStream opens a change stream of all that happens from now on. Replaced and
// inserted documents come with it; those that somebody else updated in part are
// looked up by the server.
func (s *Store) openStream(ctx context.Context) (*mongo.ChangeStream, error) {
	// Change streams know no other read concern than majority.
	concerns := options.Collection().SetReadConcern(readconcern.Majority()).SetReadPreference(readpref.Primary())
	return s.collection.Clone(concerns).Watch(mongo.NewSessionContext(ctx, nil), mongo.Pipeline{},
		options.ChangeStream().SetFullDocument(options.UpdateLookup).SetMaxAwaitTime(awaitAtServer))
}

func (s *session) run() {
	opening, cancel := bounded(s.life)
	defer cancel()
	stream, err := s.hub.store.openStream(opening)
	if err != nil {
		s.fail(withCause(opening, err))
		return
	}
	defer tidy(stream)
	close(s.ready)
	for s.life.Err() == nil {
		if err := s.step(stream); err != nil {
			s.fail(err)
		}
	}
}

func tidy(stream *mongo.ChangeStream) {
	ctx, cancel := context.WithTimeout(context.Background(), tidyTimeout)
	defer cancel()
	_ = stream.Close(ctx)
}

// step waits for the next change and delivers it.
func (s *session) step(stream *mongo.ChangeStream) error {
	ctx, cancel := context.WithTimeoutCause(s.life, silenceLimit, fmt.Errorf("no answer within %v", silenceLimit))
	defer cancel()
	asked := time.Now()
	if stream.TryNext(ctx) {
		s.hub.receive(s, stream.Current)
		return nil
	}
	switch {
	case stream.Err() != nil:
		return withCause(ctx, stream.Err())
	case stream.ID() == 0:
		return errStreamClosed
	}
	// MongoDB has waited. Servers that only speak its protocol may not have.
	if rest := askEvery - time.Since(asked); rest > 0 {
		pause := time.NewTimer(rest)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-s.life.Done():
		}
	}
	return nil
}

// receive delivers a change. What it cannot read still wakes: of an event that
// names no key, everybody.
func (h *hub) receive(s *session, event bson.Raw) {
	key, ok := event.Lookup("documentKey", fieldID).StringValueOK()
	if !ok {
		h.deliverAll(s)
		return
	}
	var v version
	if document, ok := event.Lookup("fullDocument").DocumentOK(); ok {
		v, _ = decode(document) // of a foreign document the waiter's read tells
	}
	h.deliver(s, key, v)
}

// deliverAll has all waiters look for themselves.
func (h *hub) deliverAll(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, waiters := range s.waiters {
		for w := range waiters {
			select {
			case <-w.news:
			default:
			}
			w.news <- version{}
		}
	}
}
