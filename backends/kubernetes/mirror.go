package kubernetes

import (
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"
)

// microTime is the format of times in a Lease.
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// mirror writes what a lock's record says into the fields of a Lease, for
// people. It remembers under which token this process wrote each lock that is
// held, to tell an acquire, which sets acquireTime, from a renewal.
type mirror struct {
	mu     sync.Mutex
	tokens map[string]uint64
}

func newMirror() *mirror { return &mirror{tokens: make(map[string]uint64)} }

// shown is the part of a record that is mirrored.
type shown struct {
	V       int    `json:"v"`
	Token   uint64 `json:"token"`
	Holders []struct {
		ID    string `json:"id"`
		Owner string `json:"owner"`
		TTLms int64  `json:"ttl_ms"`
	} `json:"holders"`
}

// spec returns the fields to set, or with nil to remove, and what to call once
// they are written. A record that cannot be read shows as held by nobody.
func (m *mirror) spec(key string, value []byte) (spec map[string]any, written func()) {
	now := time.Now().UTC().Format(microTime)
	spec = map[string]any{"holderIdentity": nil, "leaseDurationSeconds": nil, "renewTime": nil, "leaseTransitions": nil, "acquireTime": nil}
	var record shown
	if err := json.Unmarshal(value, &record); err != nil || record.V != 1 {
		return spec, func() { m.forget(key) }
	}
	spec["renewTime"], spec["leaseTransitions"] = now, min(record.Token, math.MaxInt32)
	if len(record.Holders) == 0 {
		return spec, func() { m.forget(key) }
	}
	spec["holderIdentity"], spec["leaseDurationSeconds"] = record.holder(), record.seconds()
	if m.known(key, record.Token) {
		delete(spec, "acquireTime")
	} else {
		spec["acquireTime"] = now
	}
	return spec, func() { m.remember(key, record.Token) }
}

// holder names the first holder, and how many share the lock with it.
func (s *shown) holder() string {
	first := s.Holders[0]
	name := first.Owner
	if name == "" {
		name = first.ID
	}
	if more := len(s.Holders) - 1; more > 0 {
		return fmt.Sprintf("%s and %d more", name, more)
	}
	return name
}

// seconds is the longest lease, rounded up, as the field takes whole seconds
// from 1.
func (s *shown) seconds() int64 {
	longest := int64(1)
	for _, h := range s.Holders {
		longest = max(longest, h.TTLms)
	}
	seconds := longest / 1000
	if longest%1000 > 0 {
		seconds++
	}
	return min(seconds, math.MaxInt32)
}

func (m *mirror) known(key string, token uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.tokens[key]
	return ok && known == token
}

func (m *mirror) remember(key string, token uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens[key] = token
}

func (m *mirror) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tokens, key)
}
