package sim

import (
	"bytes"
	"strconv"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
)

// server is the one store: a map of keys whose revisions are the values of one
// counter, or of a counter for each key (StoreConfig.RevisionsPerKey). It serves a request in the instant it arrives, one at a time, so the
// order of arrival is the order of linearization.
//
// A stored value is never changed in place, so versions may share it; a client
// gets a copy.
type server struct {
	w       *World
	keys    map[string]*entry // looked up, never ranged over
	entries []*entry          // in the order of their first use
	counter uint64            // revision of the last write

	faulty     bool // any of what follows is not zero
	down       int
	restarting int
	failing    int // in failover
	throttle   [classes]int64
	refuse     [classes]int64
	stale      []time.Duration
	brokenAt   time.Duration // what departed before is lost; -1: none
	remember   time.Duration // how long old versions are kept
	telling    []*call       // scratch
}

// entry is one key. It stays when the key is deleted.
type entry struct {
	key       string
	hash      uint64
	exists    bool
	record    lock.Record
	writtenAt time.Duration
	writes    uint64 // its own counter; a deletion leaves it alone
	waiters   []*call
	expiry    *event    // set if the bucket has a TTL and the key exists
	versions  []version // oldest first, if the plan needs them
}

// version is what an entry was from a moment on.
type version struct {
	at        time.Duration
	exists    bool
	record    lock.Record
	writtenAt time.Duration
	counter   uint64 // the store's, and
	writes    uint64 // the key's own
}

func newServer(w *World) *server {
	s := &server{w: w, keys: make(map[string]*entry), brokenAt: -1, remember: w.config.Store.WatchLag}
	for _, f := range w.config.Plan {
		s.rememberFor(f)
	}
	return s
}

func (s *server) entry(key string) *entry {
	e, ok := s.keys[key]
	if !ok {
		e = &entry{key: key, hash: hashName(key)}
		s.keys[key] = e
		s.entries = append(s.entries, e)
	}
	return e
}

// arrive serves the request of ev, which becomes its reply.
func (s *server) arrive(ev *event) {
	c := ev.call
	if s.faulty && !s.admit(ev) {
		return
	}
	e := s.entry(c.key)
	if c.kind == opWait && e.record.Revision == c.old {
		s.register(ev, e)
		return
	}
	record, err := s.apply(c, e)
	s.w.mix(e.hash + s.counter)
	if !c.answered {
		c.node.reach(c, fault.Applied)
	}
	s.answer(ev, record, err)
}

// answer fixes the call's answer and sends it. A duplicate changes nothing.
func (s *server) answer(ev *event, record lock.Record, err error) {
	c := ev.call
	if c.answered {
		s.w.freeEvent(ev)
		s.w.release(c)
		return
	}
	c.answered, c.record, c.err = true, record, err
	ev.node.link.reply(ev)
}

// apply carries out a request.
func (s *server) apply(c *call, e *entry) (lock.Record, error) {
	switch c.kind {
	case opGet:
		return s.read(e)
	case opWait:
		return s.readCached(c, e)
	case opPut:
		return s.serve(c, e), nil
	case opRemove:
		if e.exists {
			s.remove(e)
			s.wrote(c)
		}
		return lock.Record{}, nil
	case opCAS:
		if e.record.Revision != c.old {
			return lock.Record{}, s.conflict(e)
		}
		return s.serve(c, e), nil
	default: // opDelete
		if !e.exists {
			return lock.Record{}, lock.ErrNotFound
		}
		if e.record.Revision != c.old {
			return lock.Record{}, s.conflict(e)
		}
		s.remove(e)
		s.wrote(c)
		return lock.Record{}, nil
	}
}

func (e *entry) read() (lock.Record, error) {
	if !e.exists {
		return lock.Record{}, lock.ErrNotFound
	}
	return e.record, nil
}

func (s *server) conflict(e *entry) error {
	if !s.w.config.Store.ConflictReturnsCurrent {
		return &lock.ConflictError{}
	}
	r := lock.Record{Value: bytes.Clone(e.record.Value), Revision: e.record.Revision}
	return &lock.ConflictError{Current: r, Known: true}
}

// serve writes the call's value, and returns the new record without the value.
func (s *server) serve(c *call, e *entry) lock.Record {
	s.write(e, c.value)
	s.wrote(c)
	return lock.Record{Revision: e.record.Revision}
}

// write gives e a value under a new revision. A value is never changed in place.
func (s *server) write(e *entry, value []byte) {
	s.counter++
	e.writes++
	e.exists = true
	e.record = lock.Record{Value: value, Revision: s.revision(e)}
	e.writtenAt = s.w.now
	s.setExpiry(e)
	s.changed(e)
}

// revision returns the revision of the write that e is having.
func (s *server) revision(e *entry) lock.Revision {
	n := s.counter
	if s.w.config.Store.RevisionsPerKey {
		n = e.writes
	}
	return lock.Revision(strconv.FormatUint(n, 10))
}

func (s *server) remove(e *entry) {
	e.exists, e.record = false, lock.Record{}
	s.changed(e)
}

// wrote counts and reports a write.
func (s *server) wrote(c *call) {
	late := c.task == nil
	if late {
		s.w.counters.LateWrites++
	}
	if s.w.onWrite != nil {
		s.w.onWrite(Write{At: s.w.now, Client: c.node.index, Key: c.key, Late: late})
	}
}

// changed follows every change of e: the version is kept if it may be needed,
// and who waits for a change is told.
func (s *server) changed(e *entry) {
	if s.remember > 0 {
		s.keep(e)
	}
	if len(e.waiters) > 0 {
		s.tell(e)
	}
}

// register keeps a Wait until its key changes. The message's reference to the
// call becomes the registration's.
func (s *server) register(ev *event, e *entry) {
	c := ev.call
	s.w.freeEvent(ev)
	if c.wait != nil || c.answered || c.task == nil {
		s.w.release(c) // a duplicate, or nobody waits any more
		return
	}
	c.wait = e
	e.waiters = append(e.waiters, c)
}

// forget drops the registration of a Wait whose caller is gone.
func (s *server) forget(c *call) {
	e := c.wait
	for i, x := range e.waiters {
		if x == c {
			e.waiters = append(e.waiters[:i], e.waiters[i+1:]...)
			break
		}
	}
	c.wait = nil
	s.w.release(c)
}

// tell answers the Waits for which e has changed, unless the store is down.
func (s *server) tell(e *entry) {
	if s.down > 0 || s.restarting > 0 {
		return
	}
	// A fault that is aimed at an answer may kill a node, whose other Waits are
	// then taken off the entry.
	s.telling, e.waiters = append(s.telling[:0], e.waiters...), e.waiters[:0]
	for _, c := range s.telling {
		switch {
		case c.wait != e: // dropped meanwhile
		case e.record.Revision == c.old:
			e.waiters = append(e.waiters, c)
		default:
			record, err := e.read()
			s.answerWait(c, record, err)
		}
	}
	clear(s.telling)
	clear(e.waiters[len(e.waiters):cap(e.waiters)])
}

// answerWait answers a registered Wait, which the caller takes off its entry.
func (s *server) answerWait(c *call, record lock.Record, err error) {
	c.wait = nil
	ev := s.w.newEvent(evReply, c.node)
	ev.call = c
	if lag := s.w.config.Store.WatchLag; lag > 0 {
		c.kept += time.Duration(s.w.choose(s.w.watching, uint64(lag)+1))
	}
	c.node.reach(c, fault.Applied)
	s.answer(ev, record, err)
}

// readCached answers a Wait whose key differs from what it names already. With
// StoreConfig.WatchLag that may be an older version, if it differs too: it comes
// from a cache that follows behind.
func (s *server) readCached(c *call, e *entry) (lock.Record, error) {
	lag := s.w.config.Store.WatchLag
	if lag == 0 || s.w.choose(s.w.watching, 2) == 0 {
		return e.read()
	}
	v := e.versionAt(s.w.now - time.Duration(s.w.choose(s.w.watching, uint64(lag)+1)))
	if v.record.Revision == c.old || v.record.Revision == e.record.Revision {
		return e.read()
	}
	s.w.counters.StaleWaits++
	if !v.exists {
		return lock.Record{}, lock.ErrNotFound
	}
	return v.record, nil
}

// setExpiry follows a write: there is one event per key, which on its turn looks
// how long it really has.
func (s *server) setExpiry(e *entry) {
	ttl := s.w.config.Store.BucketTTL
	if ttl == 0 || e.expiry != nil {
		return
	}
	e.expiry = s.w.newEvent(evExpire, nil)
	e.expiry.entry = e
	s.w.queue.push(s.w.now+ttl, e.expiry)
}

// expire removes e if its last write is as old as the bucket's TTL.
func (s *server) expire(e *entry) {
	ev := e.expiry
	due := e.writtenAt + s.w.config.Store.BucketTTL
	if e.exists && due > s.w.now {
		s.w.queue.push(due, ev)
		return
	}
	e.expiry = nil
	s.w.freeEvent(ev)
	if e.exists {
		s.w.counters.Expired++
		s.remove(e)
	}
}

// Peek returns what the store holds under key, as an observer: no message, no
// time. The caller must not change the value.
func (w *World) Peek(key string) (lock.Record, bool) {
	e, ok := w.store.keys[key]
	if !ok || !e.exists {
		return lock.Record{}, false
	}
	return e.record, true
}
