package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
)

var (
	errThrottled = fmt.Errorf("sim: throttled: %w", lock.ErrUnavailable)
	errDenied    = fmt.Errorf("sim: permission denied: %w", lock.ErrRefused)
	errRestart   = fmt.Errorf("sim: connection refused, the store is starting: %w", lock.ErrUnavailable)
	errReset     = errors.New("sim: connection reset by the store")
)

// admit decides what faults of the store do to an arriving request. It returns
// false if the request is dealt with.
//
// What was on its way when the store went down for a restart or failover is
// lost, whenever it arrives: its connection is gone.
func (s *server) admit(ev *event) bool {
	w, c := s.w, ev.call
	switch {
	case s.down > 0 || c.departedAt < s.brokenAt:
		w.lose(ev, &w.counters.LostRequests)
		return false
	case s.restarting > 0:
		w.counters.Refused++
		s.answer(ev, lock.Record{}, errRestart)
		return false
	case s.failing > 0:
		s.inFailover(ev)
		return false
	case w.perMille(w.throttle, s.throttle[c.kind.class()]):
		w.counters.Throttled++
		s.answer(ev, lock.Record{}, errThrottled)
		return false
	case c.answered && errors.Is(c.err, errDenied):
		// A permission that is not there is there for no copy of the request.
		w.lose(ev, &w.counters.LostRequests)
		return false
	case w.perMille(w.refusal, s.refuse[c.kind.class()]):
		w.counters.Denied++
		s.answer(ev, lock.Record{}, errDenied)
		return false
	}
	return true
}

// inFailover applies a request or does not, and never answers: the old leader
// may have passed it on before it died.
func (s *server) inFailover(ev *event) {
	w, c := s.w, ev.call
	if w.choose(w.failover, 2) == 0 {
		w.lose(ev, &w.counters.LostRequests)
		return
	}
	if c.kind != opWait && c.kind != opGet {
		e := s.entry(c.key)
		_, _ = s.apply(c, e) // its answer is what a failover loses
		w.mix(e.hash + s.counter)
	}
	w.lose(ev, &w.counters.LostReplies)
}

// breakConnections ends every Wait, with an error that tells nothing.
func (s *server) breakConnections() {
	for _, e := range s.entries {
		waiters := e.waiters
		e.waiters = nil
		for _, c := range waiters {
			if c.wait != e {
				continue // dropped meanwhile, by a fault that was aimed at an answer
			}
			s.answerWait(c, lock.Record{}, errReset)
		}
	}
}

// back tells those who wait what they missed while the store was down.
func (s *server) back() {
	for _, e := range s.entries {
		s.tell(e)
	}
}

// rememberFor makes the store keep versions for as long as f may ask for them.
func (s *server) rememberFor(f fault.Fault) {
	switch f.Kind {
	case fault.StaleRead, fault.LostWrite, fault.RestoreRecord:
		s.remember = max(s.remember, time.Duration(f.Amount))
	}
}

// keep remembers the present version of e, and forgets those too old to matter.
func (s *server) keep(e *entry) {
	now := s.w.now
	e.versions = append(e.versions, version{
		at: now, exists: e.exists, record: e.record, writtenAt: e.writtenAt, counter: s.counter, writes: e.writes,
	})
	if len(e.versions)%64 != 0 {
		return
	}
	old := 0
	for old+1 < len(e.versions) && e.versions[old+1].at <= now-s.remember {
		old++
	}
	e.versions = slices.Delete(e.versions, 0, old)
}

// versionAt returns what e was at true time at.
func (e *entry) versionAt(at time.Duration) version {
	for i := len(e.versions) - 1; i >= 0; i-- {
		if e.versions[i].at <= at {
			return e.versions[i]
		}
	}
	return version{}
}

// read is a Get: linearizable, or with fault.StaleRead as of some moment of the
// fault's last Amount nanoseconds.
func (s *server) read(e *entry) (lock.Record, error) {
	if len(s.stale) == 0 {
		return e.read()
	}
	w := s.w
	age := time.Duration(w.choose(w.stale, uint64(slices.Max(s.stale))+1))
	v := e.versionAt(w.now - age)
	if v.record.Revision != e.record.Revision {
		w.counters.StaleReads++
	}
	if !v.exists {
		return lock.Record{}, lock.ErrNotFound
	}
	return v.record, nil
}

// rollBack makes the store forget what was written in the last ago, as a
// failover to a replica that lagged behind does. The counter goes back too, as
// it does in a real one: revisions are given out again, to other versions.
func (s *server) rollBack(ago time.Duration) {
	at := s.w.now - ago
	s.counter = 0
	for _, e := range s.entries {
		s.counter = max(s.counter, e.versionAt(at).counter)
	}
	for _, e := range s.entries {
		v := e.versionAt(at)
		e.versions = slices.DeleteFunc(e.versions, func(x version) bool { return x.at > at })
		if v.exists == e.exists && v.record.Revision == e.record.Revision {
			continue
		}
		s.w.counters.LostWrites++
		e.writes = v.writes
		e.exists, e.record, e.writtenAt = v.exists, v.record, v.writtenAt
		s.changed(e)
		if e.exists {
			s.restoreExpiry(e)
		}
	}
	s.w.mix(s.counter)
}

// restoreExpiry aims the bucket TTL of a key that was rolled back.
func (s *server) restoreExpiry(e *entry) {
	s.setExpiry(e)
	if e.expiry != nil {
		s.w.queue.move(e.expiry, max(s.w.now, e.writtenAt+s.w.config.Store.BucketTTL))
	}
}

// without returns list less one x.
func without(list []time.Duration, x time.Duration) []time.Duration {
	if i := slices.Index(list, x); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
