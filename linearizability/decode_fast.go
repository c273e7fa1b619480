package linearizability

import "math"

// fastEvent reads a line in the plain form that Write gives it: known keys, no
// spaces, no escapes, each key once. Anything else is left to encoding/json, so
// that this needs no errors of its own: a long history is read ten times faster.
func (d *decoder) fastEvent(line []byte) (Event, bool) {
	var e Event
	s := scanner{b: line}
	if !s.skip('{') {
		return e, false
	}
	var seen uint32
	for {
		key, ok := s.text()
		if !ok || !s.skip(':') {
			return e, false
		}
		bit, ok := d.field(&e, &s, key)
		if !ok || seen&bit != 0 {
			return e, false
		}
		seen |= bit
		if s.skip(',') {
			continue
		}
		const needed = 1<<5 - 1
		return e, s.skip('}') && s.at == len(line) && seen&needed == needed
	}
}

// field reads the value of key into e and returns the key's bit.
func (d *decoder) field(e *Event, s *scanner, key []byte) (uint32, bool) {
	var n int64
	var ok bool
	switch string(key) {
	case "at":
		e.At, ok = s.number()
		return 1 << 0, ok
	case "client":
		n, ok = s.number()
		e.Client = int(n)
		return 1 << 1, ok
	case "process":
		n, ok = s.number()
		e.Process = int(n)
		return 1 << 2, ok
	case "op":
		text, _ := s.text()
		e.Op, ok = opNamed(string(text))
		return 1 << 3, ok
	case "phase":
		text, _ := s.text()
		e.Phase, ok = phaseNamed(string(text))
		return 1 << 4, ok
	case "lock":
		text, ok := s.text()
		if known, found := d.names[string(text)]; found {
			e.Lock = known
		} else if ok {
			e.Lock = d.intern(string(text))
		}
		return 1 << 5, ok
	case "grant":
		e.Grant, ok = s.number()
		return 1 << 6, ok
	case "holder":
		n, ok = s.number()
		e.Holder = int(n)
		return 1 << 7, ok
	case "token":
		n, ok = s.number()
		e.Token = uint64(n)
		return 1 << 8, ok && n >= 0
	case "value":
		e.Value, ok = s.number()
		return 1 << 9, ok
	case "fenced":
		ok = s.word("true")
		e.Fenced = true
		return 1 << 10, ok
	case "requests":
		n, ok = s.number()
		e.Requests = int32(n)
		return 1 << 11, ok && n >= math.MinInt32 && n <= math.MaxInt32
	case "refused":
		e.Refused = true
		return 1 << 15, s.word("true")
	case "held":
		e.Held = true
		return 1 << 14, s.word("true")
	case "try":
		e.Try = true
		return 1 << 12, s.word("true")
	case "renews":
		e.Renews = true
		return 1 << 13, s.word("true")
	}
	return 0, false
}

// scanner walks over one line.
type scanner struct {
	b  []byte
	at int
}

func (s *scanner) skip(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.at >= len(w) && string(s.b[s.at:s.at+len(w)]) == w {
		s.at += len(w)
		return true
	}
	return false
}

// text reads a string of printable ASCII without escapes.
func (s *scanner) text() ([]byte, bool) {
	if !s.skip('"') {
		return nil, false
	}
	for i := s.at; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			text := s.b[s.at:i]
			s.at = i + 1
			return text, true
		case c == '\\' || c < ' ' || c >= 0x7f:
			return nil, false
		}
	}
	return nil, false
}

// number reads an integer of at most 18 digits, as JSON spells it.
func (s *scanner) number() (int64, bool) {
	negative := s.skip('-')
	start := s.at
	var n int64
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
		n = n*10 + int64(s.b[s.at]-'0')
		s.at++
		if s.at-start > 18 {
			return 0, false
		}
	}
	digits := s.at - start
	if digits == 0 || digits > 1 && s.b[start] == '0' || negative && n == 0 {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}
