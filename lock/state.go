package lock

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"
)

// formatVersion is the record's "v". A change that alters who may hold the lock
// raises it; a client refuses every version but its own.
const formatVersion = 1

// Mode is how a lock is held.
type Mode string

// The modes.
const (
	Exclusive Mode = "exclusive"
	Shared    Mode = "shared"
)

// maxTTL bounds a lease: above it, arithmetic on durations could overflow.
const maxTTL = 366 * 24 * time.Hour

// state is a lock's record, decoded. It is never changed once made.
//
// A free lock has no holders; its token is that of the last grant. Data,
// attributes and the queue outlive the holder and are carried along by every
// write.
type state struct {
	token      uint64
	mode       Mode
	holders    []holder
	queue      []holder
	data       []byte
	attributes map[string]string
}

// holder is one grant (or, in the queue, one waiter). beat rises with each
// renewal, so that an unchanged (id, beat) means: nothing was heard.
type holder struct {
	id    string
	owner string
	ttl   time.Duration
	beat  uint64
}

// find returns the holder with id.
func (s *state) find(id string) (holder, bool) {
	for _, h := range s.holders {
		if h.id == id {
			return h, true
		}
	}
	return holder{}, false
}

// withHolder returns s held exclusively by h under token.
func (s *state) withHolder(h holder, token uint64) *state {
	next := *s
	next.token, next.mode, next.holders = token, Exclusive, []holder{h}
	return &next
}

// withBeat returns s with holder id's beat set.
func (s *state) withBeat(id string, beat uint64) *state {
	next := *s
	next.holders = slices.Clone(s.holders)
	for i := range next.holders {
		if next.holders[i].id == id {
			next.holders[i].beat = beat
		}
	}
	return &next
}

// without returns s without holder id.
func (s *state) without(id string) *state {
	next := *s
	next.holders = nil
	for _, h := range s.holders {
		if h.id != id {
			next.holders = append(next.holders, h)
		}
	}
	return &next
}

// encode writes the record as one line of JSON that an operator can read. It
// is written by hand because a renewal costs little else than this.
func (s *state) encode() []byte {
	b := make([]byte, 0, 160+len(s.data)*4/3)
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, formatVersion, 10)
	b = append(b, `,"token":`...)
	b = strconv.AppendUint(b, s.token, 10)
	if len(s.holders) > 0 {
		b = append(b, `,"mode":"`...)
		b = append(b, s.mode...)
		b = append(b, `","holders":`...)
		b = appendHolders(b, s.holders)
	}
	if len(s.queue) > 0 {
		b = append(b, `,"queue":`...)
		b = appendHolders(b, s.queue)
	}
	if len(s.data) > 0 {
		b = append(b, `,"data":"`...)
		b = base64.StdEncoding.AppendEncode(b, s.data)
		b = append(b, '"')
	}
	if len(s.attributes) > 0 {
		b = append(b, `,"attributes":{`...)
		b = appendAttributes(b, s.attributes)
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendHolders(b []byte, holders []holder) []byte {
	b = append(b, '[')
	for i, h := range holders {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		b = appendString(b, h.id)
		b = append(b, `,"owner":`...)
		b = appendString(b, h.owner)
		b = append(b, `,"ttl_ms":`...)
		b = strconv.AppendInt(b, h.ttl.Milliseconds(), 10)
		b = append(b, `,"beat":`...)
		b = strconv.AppendUint(b, h.beat, 10)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendAttributes(b []byte, attributes map[string]string) []byte {
	keys := make([]string, 0, len(attributes))
	for k := range attributes {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		b = appendString(b, attributes[k])
	}
	return b
}

// appendString quotes s for JSON. Plain ASCII, which ids and owners are, is
// copied; the rest is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// wireRecord is the record as encoding/json reads it.
type wireRecord struct {
	V          int               `json:"v"`
	Token      uint64            `json:"token"`
	Mode       Mode              `json:"mode"`
	Holders    []wireHolder      `json:"holders"`
	Queue      []wireHolder      `json:"queue"`
	Data       []byte            `json:"data"`
	Attributes map[string]string `json:"attributes"`
}

type wireHolder struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	TTLms int64  `json:"ttl_ms"`
	Beat  uint64 `json:"beat"`
}

// decodeState reads a record. It refuses what it does not understand: a lock
// that guesses at a record could take over a live holder.
func decodeState(value []byte) (*state, error) {
	if s, ok := decodeFast(value); ok {
		return s, nil
	}
	return decodeSlow(value)
}

func decodeSlow(value []byte) (*state, error) {
	var version struct {
		V *int `json:"v"`
	}
	if err := json.Unmarshal(value, &version); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if version.V == nil {
		return nil, errors.New(`it has no "v"`)
	}
	if *version.V != formatVersion {
		return nil, fmt.Errorf("it has format version %d", *version.V)
	}
	var w wireRecord
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return nil, err
	}
	return w.state()
}

func (w *wireRecord) state() (*state, error) {
	s := &state{token: w.Token, mode: w.Mode, attributes: w.Attributes}
	if len(w.Data) > 0 {
		s.data = w.Data
	}
	var err error
	if s.holders, err = holdersOf("holders", w.Holders); err != nil {
		return nil, err
	}
	if s.queue, err = holdersOf("queue", w.Queue); err != nil {
		return nil, err
	}
	return s, s.validate()
}

func holdersOf(field string, wire []wireHolder) ([]holder, error) {
	if len(wire) == 0 {
		return nil, nil
	}
	out := make([]holder, 0, len(wire))
	for _, h := range wire {
		if h.TTLms <= 0 || h.TTLms > maxTTL.Milliseconds() {
			return nil, fmt.Errorf("%s: ttl_ms %d is not between 1 and %d", field, h.TTLms, maxTTL.Milliseconds())
		}
		out = append(out, holder{h.ID, h.Owner, time.Duration(h.TTLms) * time.Millisecond, h.Beat})
	}
	return out, nil
}

func (s *state) validate() error {
	switch {
	case len(s.holders) == 0 && s.mode != "":
		return fmt.Errorf("mode %q without holders", s.mode)
	case len(s.holders) > 0 && s.mode != Exclusive && s.mode != Shared:
		return fmt.Errorf("mode %q is neither %q nor %q", s.mode, Exclusive, Shared)
	case len(s.holders) > 1 && s.mode == Exclusive:
		return fmt.Errorf("%d holders of an exclusive lock", len(s.holders))
	case len(s.holders) > 0 && s.token == 0:
		return errors.New("held with token 0")
	}
	for i, h := range s.holders {
		if h.id == "" {
			return errors.New("a holder without an id")
		}
		for _, other := range s.holders[:i] {
			if other.id == h.id {
				return fmt.Errorf("holder %q twice", h.id)
			}
		}
	}
	return nil
}
