package linearizability

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// stepKind is what an operation does to a lock in the model.
type stepKind uint8

const (
	// stepTake: the lock is free for the mode; the grant holds it from here on.
	stepTake stepKind = iota
	// stepMaybe: stepTake, or nothing.
	stepMaybe
	// stepRelease: the grant holds the lock; it leaves it.
	stepRelease
	// stepEnd: the grant leaves the lock if it holds it. It is the end of a lease,
	// or a release of which nobody knows whether it did anything.
	stepEnd
	// stepMaybeEnd: stepEnd, or nothing: a release that comes by then if it ever does.
	stepMaybeEnd
	// stepHeld: the grant holds the lock.
	stepHeld
	// stepGone: the grant does not hold the lock.
	stepGone
	// stepNamed: the client holds the lock.
	stepNamed
)

// step is one operation of the model, with the interval in which it took effect.
type step struct {
	kind      stepKind
	mode      Mode
	client    int32
	holder    holderID
	token     uint64
	call, ret int64
	again     bool  // of a take: it may be the lease that the client had already
	event     int32 // of its return, or of its invoke where it has none; -1 for the end of a lease
}

// holderID names a grant, or a maybe, within one part: what the model compares.
type holderID int32

// lockState is the state of the model; == compares it. Readers are few, and a
// string of them is the one set that == can compare.
type lockState struct {
	writer       holderID // -1: none
	writerClient int32
	tokens       tokens
	readers      string // 8 bytes each, sorted: holder, client
}

// lockModel is porcupine's model of one lock. A maybe has two outcomes, for which
// the nondeterministic kind of model is needed; without one the other is faster.
func lockModel(part *lockPart, steps []step) porcupine.Model {
	maybes := slices.ContainsFunc(steps, func(s step) bool { return s.kind == stepMaybe || s.kind == stepMaybeEnd })
	initial := lockState{writer: -1, tokens: part.before}
	checked := part.tokens
	if !maybes {
		return porcupine.Model{
			Init: func() any { return initial },
			Step: func(state, input, _ any) (bool, any) {
				next, ok := state.(lockState).apply(input.(*step), checked)
				return ok, next
			},
			DescribeOperation: func(input, _ any) string { return input.(*step).String() },
			DescribeState:     func(state any) string { return state.(lockState).String() },
		}
	}
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{initial} },
		Step: func(state, input, _ any) []any {
			s, in := state.(lockState), input.(*step)
			next, ok := s.apply(in, checked)
			switch {
			case (in.kind == stepMaybe || in.kind == stepMaybeEnd) && ok && next != s:
				return []any{s, next}
			case in.kind == stepMaybe:
				return []any{s}
			case ok:
				return []any{next}
			}
			return nil
		},
		DescribeOperation: func(input, _ any) string { return input.(*step).String() },
		DescribeState:     func(state any) string { return state.(lockState).String() },
	}
	return model.ToModel()
}

// apply performs one step. ok is false where the lock cannot have answered so.
func (s lockState) apply(in *step, checkTokens bool) (next lockState, ok bool) {
	switch in.kind {
	case stepTake, stepMaybe:
		return s.taken(in, checkTokens)
	case stepRelease:
		return s.without(in.holder), s.heldBy(in.holder)
	case stepEnd, stepMaybeEnd:
		return s.without(in.holder), true
	case stepHeld:
		return s, s.heldBy(in.holder)
	case stepGone:
		return s, !s.heldBy(in.holder)
	case stepNamed:
		return s, s.heldByClient(in.client)
	}
	return s, false
}

func (s lockState) taken(in *step, checkTokens bool) (lockState, bool) {
	if s.writer >= 0 || in.mode == Exclusive && s.readers != "" {
		return s, false
	}
	if checkTokens {
		var ok bool
		if s.tokens, ok = s.tokens.next(in.token, in.mode, in.again); !ok {
			return s, false
		}
	}
	if in.mode == Exclusive {
		s.writer, s.writerClient = in.holder, in.client
		return s, true
	}
	all := append(splitReaders(s.readers), readerKey(in.holder, in.client))
	slices.Sort(all)
	s.readers = strings.Join(all, "")
	return s, true
}

func (s lockState) heldBy(h holderID) bool {
	return s.writer == h || s.reader(h) >= 0
}

func (s lockState) heldByClient(client int32) bool {
	if s.writer >= 0 && s.writerClient == client {
		return true
	}
	for i := 0; i < len(s.readers); i += 8 {
		if decode32(s.readers[i+4:]) == client {
			return true
		}
	}
	return false
}

func (s lockState) without(h holderID) lockState {
	if s.writer == h {
		s.writer, s.writerClient = -1, 0
	} else if i := s.reader(h); i >= 0 {
		s.readers = s.readers[:i] + s.readers[i+8:]
	}
	return s
}

// reader returns where h stands in readers, or -1.
func (s lockState) reader(h holderID) int {
	for i := 0; i < len(s.readers); i += 8 {
		if decode32(s.readers[i:]) == int32(h) {
			return i
		}
	}
	return -1
}

func readerKey(h holderID, client int32) string {
	var b [8]byte
	for i := range 4 {
		b[i] = byte(uint32(h) >> (24 - 8*i))
		b[4+i] = byte(uint32(client) >> (24 - 8*i))
	}
	return string(b[:])
}

func decode32(s string) int32 {
	return int32(uint32(s[0])<<24 | uint32(s[1])<<16 | uint32(s[2])<<8 | uint32(s[3]))
}

func splitReaders(s string) []string {
	all := make([]string, 0, len(s)/8+1)
	for i := 0; i < len(s); i += 8 {
		all = append(all, s[i:i+8])
	}
	return all
}

func (s lockState) String() string {
	switch {
	case s.writer >= 0:
		return fmt.Sprintf("held by c%d, token %d", s.writerClient, s.tokens.any)
	case s.readers == "":
		return fmt.Sprintf("free, token %d", s.tokens.any)
	}
	var names []string
	for i := 0; i < len(s.readers); i += 8 {
		names = append(names, fmt.Sprintf("c%d", decode32(s.readers[i+4:])))
	}
	return fmt.Sprintf("read by %s, token %d", strings.Join(names, " "), s.tokens.any)
}

func (s *step) String() string {
	verb := [...]string{"acquire", "acquire?", "release", "may end", "may end", "renew", "is gone", "is in the way"}[s.kind]
	if s.kind == stepTake && s.token != 0 {
		verb = fmt.Sprintf("%s -> token %d", verb, s.token)
	}
	return fmt.Sprintf("c%d%s %s", s.client, modeNote(s.mode), verb)
}
