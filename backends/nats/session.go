package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/lockproof/lockproof/lock"
)

const (
	// heartbeatEvery is how often the server tells of an idle consumer.
	heartbeatEvery = time.Second
	// silenceLimit is how long nothing may come before the consumer is given
	// up: two heartbeats may be late by a half.
	silenceLimit = 5 * heartbeatEvery / 2
	// tidyTimeout bounds the removal of the consumer, a courtesy.
	tidyTimeout = time.Second
	// headerLastConsumer is in a heartbeat: how many messages were sent.
	headerLastConsumer = "Nats-Last-Consumer"
)

var (
	errSilent  = errors.New("the server's consumer fell silent")
	errSkipped = errors.New("the server's consumer skipped a message")
)

// session is the life of one consumer on the server. The library's own ordered
// consumers start anew behind the caller's back, and one that has not received
// anything yet starts from "now", past what it missed. A session does not start
// anew: whatever goes wrong ends it, and its waiters with it, so that none
// sleeps through a change.
//
// Its one goroutine, run, is started by the hub with the first waiter, stops
// when the session ends, and is waited for by the hub's close. Messages arrive
// on the goroutine of the library's subscription, which unsubscribing stops.
type session struct {
	hub    *hub
	filter string        // the name that it is about, or everyKey
	ready  chan struct{} // closed when the consumer exists
	// life ends with the session; its cause says why. It is no caller's
	// context: the session outlives the Wait that started it.
	life context.Context
	end  context.CancelCauseFunc // called with hub.mu held

	// Guarded by hub.mu.
	count   int // waiters
	waiters map[string]map[*waiter]struct{}
	linger  *time.Timer // ends a session without waiters

	silence  *time.Timer // ends a session that hears nothing
	received uint64      // consumer sequence; used by the subscription alone
}

// newSession is called with hub.mu held.
func newSession(h *hub, filter string) *session {
	s := &session{hub: h, filter: filter, ready: make(chan struct{}), waiters: make(map[string]map[*waiter]struct{})}
	s.life, s.end = context.WithCancelCause(context.Background())
	s.linger = time.AfterFunc(watchLinger, func() { h.endIdle(s) })
	s.silence = time.AfterFunc(silenceLimit+requestTimeout, func() { s.fail(errSilent) })
	return s
}

// started waits until the consumer exists.
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

// read reads the last message of name, for no longer than the session lives: a
// connection that breaks takes the answer with it.
func (s *session) read(ctx context.Context, name string) (entry, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })
	defer stop()
	e, err := s.hub.store.last(ctx, name)
	if err != nil && s.life.Err() != nil {
		return entry{}, context.Cause(s.life)
	}
	return e, err
}

func (s *session) run() {
	store := s.hub.store
	status := store.conn.StatusChanged(natsgo.RECONNECTING, natsgo.DISCONNECTED, natsgo.DRAINING_SUBS, natsgo.CLOSED)
	defer store.conn.RemoveStatusListener(status)
	if err := store.connected(); err != nil { // it may have broken before we listened
		s.fail(err)
		return
	}
	tidy, err := s.consume()
	if err != nil {
		s.fail(err)
		return
	}
	defer tidy()
	s.silence.Reset(silenceLimit) // from now on the server has to be heard
	close(s.ready)
	select {
	case now := <-status:
		s.fail(fmt.Errorf("the connection is %s", now))
	case <-s.life.Done():
	}
}

// consume subscribes and has the server create the consumer. What is written
// after that arrives at s.receive.
func (s *session) consume() (tidy func(), err error) {
	store := s.hub.store
	ctx, cancel := bounded(s.life)
	defer cancel()
	deliver := store.conn.NewInbox()
	subscription, err := store.conn.Subscribe(deliver, s.receive)
	if err != nil {
		return nil, err
	}
	// Nothing may be dropped on this side: what is not read in time is kept.
	if err := subscription.SetPendingLimits(-1, -1); err != nil {
		return nil, errors.Join(err, subscription.Unsubscribe())
	}
	consumer, err := store.js.CreatePushConsumer(ctx, store.stream, consumerConfig(store.stored+s.filter, deliver))
	if err != nil {
		// The consumer may exist all the same; without its subscription the
		// server removes it.
		return nil, errors.Join(causeOf(ctx, err), subscription.Unsubscribe())
	}
	name := consumer.CachedInfo().Name
	return func() { s.tidy(subscription, name) }, nil
}

// tidy leaves nothing behind, as far as the connection allows. Its errors are
// of no use to anybody: the server removes an unused consumer by itself.
func (s *session) tidy(subscription *natsgo.Subscription, consumer string) {
	store := s.hub.store
	_ = subscription.Unsubscribe()
	if store.connected() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tidyTimeout)
	defer cancel()
	_ = store.js.DeleteConsumer(ctx, store.stream, consumer)
}

// receive takes what the consumer sends: messages and heartbeats. Both carry
// the consumer's count of messages, so that a gap shows, at the latest with the
// next heartbeat.
func (s *session) receive(m *natsgo.Msg) {
	s.silence.Reset(silenceLimit)
	if m.Reply == "" {
		s.heartbeat(m)
		return
	}
	meta, err := m.Metadata()
	if err != nil {
		s.fail(fmt.Errorf("unreadable message: %w", err))
		return
	}
	if s.received++; meta.Sequence.Consumer != s.received {
		s.fail(errSkipped)
		return
	}
	name := strings.TrimPrefix(m.Subject, s.hub.store.stored)
	s.hub.deliver(s, name, entry{
		sequence: meta.Sequence.Stream,
		deleted:  marksDeletion(m.Header),
		value:    m.Data,
	})
}

func (s *session) heartbeat(m *natsgo.Msg) {
	if status := m.Header.Get("Status"); status != "100" {
		s.fail(fmt.Errorf("status %s %s", status, m.Header.Get("Description")))
		return
	}
	last := m.Header.Get(headerLastConsumer)
	if sent, err := strconv.ParseUint(last, 10, 64); err == nil && sent != s.received {
		s.fail(errSkipped)
	}
}
