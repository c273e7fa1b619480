package lock

import (
	"strconv"
	"time"
)

// decodeFast reads exactly what encode writes for a lock without queue, data
// and attributes, which is nearly every record there is, some ten times
// faster than encoding/json. On anything else it says no, and decodeSlow
// decides. A fuzz test holds the two against each other.
func decodeFast(value []byte) (*state, bool) {
	r := reader{rest: value}
	s := &state{}
	r.literal(`{"v":1,"token":`)
	s.token = r.uint()
	if !r.failed && string(r.rest) == "}" {
		return s, true
	}
	r.literal(`,"mode":"exclusive","holders":[{"id":`)
	var h holder
	h.id = r.text()
	r.literal(`,"owner":`)
	h.owner = r.text()
	r.literal(`,"ttl_ms":`)
	ms := r.uint()
	r.literal(`,"beat":`)
	h.beat = r.uint()
	r.literal(`}]}`)
	if r.failed || len(r.rest) != 0 || ms == 0 || ms > uint64(maxTTL.Milliseconds()) || h.id == "" || s.token == 0 {
		return nil, false
	}
	h.ttl = time.Duration(ms) * time.Millisecond
	s.mode, s.holders = Exclusive, []holder{h}
	return s, true
}

// reader eats a record from the left. After a failure it stays failed.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) literal(want string) {
	if r.failed || len(r.rest) < len(want) || string(r.rest[:len(want)]) != want {
		r.failed = true
		return
	}
	r.rest = r.rest[len(want):]
}

// uint eats a decimal number without leading zeros.
func (r *reader) uint() uint64 {
	n := 0
	for n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	if r.failed || n == 0 || (n > 1 && r.rest[0] == '0') {
		r.failed = true
		return 0
	}
	v, err := strconv.ParseUint(string(r.rest[:n]), 10, 64)
	if err != nil {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// text eats a quoted string of plain ASCII.
func (r *reader) text() string {
	if r.failed || len(r.rest) == 0 || r.rest[0] != '"' {
		r.failed = true
		return ""
	}
	for i := 1; i < len(r.rest); i++ {
		c := r.rest[i]
		if c == '"' {
			s := string(r.rest[1:i])
			r.rest = r.rest[i+1:]
			return s
		}
		if c < 0x20 || c >= 0x7f || c == '\\' {
			break
		}
	}
	r.failed = true
	return ""
}
