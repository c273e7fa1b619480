package sim

import (
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
)

// Tamper is a change of a record by somebody who is no client of the lock.
type Tamper struct {
	At  time.Duration // true time
	Key string
}

// OnTamper makes the world report each such change, as it happens, to the
// observer f.
func (w *World) OnTamper(f func(Tamper)) { w.onTamper = f }

// foreignValue is what no lock takes for its own record.
func foreignValue() []byte { return []byte(`{"kept by":"another program"}`) }

// tampered counts and reports a change of e.
func (s *server) tampered(e *entry) {
	w := s.w
	w.counters.Tampered++
	w.mix(e.hash + s.counter)
	if w.trace != nil {
		w.tracef("tampered with %s", e.key)
	}
	if w.onTamper != nil {
		w.onTamper(Tamper{At: w.now, Key: e.key})
	}
}

// victim chooses one of the keys that exist; nil if none does.
func (s *server) victim() *entry {
	var there []*entry
	for _, e := range s.entries {
		if e.exists {
			there = append(there, e)
		}
	}
	if len(there) == 0 {
		return nil
	}
	return there[s.w.choose(s.w.tampering, uint64(len(there)))]
}

// edit carries out an operator's change of one record. With nothing there to
// change it does nothing.
func (s *server) edit(f fault.Fault) {
	e := s.victim()
	if e == nil {
		return
	}
	if f.Kind == fault.RemoveRecord {
		s.remove(e)
		s.tampered(e)
		return
	}
	if v := e.versionAt(s.w.now - time.Duration(f.Amount)); v.exists && v.record.Revision != e.record.Revision {
		s.write(e, v.record.Value)
		s.tampered(e)
	}
}

// foreign puts a record that is no lock's in the place of one that is (sign +1),
// and undoes that (-1) unless somebody has written there since.
func (s *server) foreign(p *activeFault, sign int64) {
	if sign > 0 {
		if p.key = s.victim(); p.key == nil {
			return
		}
		before := p.key.record.Value
		s.write(p.key, foreignValue())
		p.instead = lock.Record{Value: before, Revision: p.key.record.Revision}
		s.tampered(p.key)
		return
	}
	if e := p.key; e != nil && e.record.Revision == p.instead.Revision {
		s.write(e, p.instead.Value)
		s.tampered(e)
	}
	p.key = nil
}
