package lock

import "time"

// The rules: every decision of the lock, each a pure function of a record, what
// was seen when, the reading of the local clock, and the settings. Read them
// aloud; the rest of the package only carries them out.
//
// They are reached through a table so that package subjects can break one at a
// time (NewMutant) and see the harness notice.
type rules struct {
	leaseEnd      func(sentAt, repliedAt, ttl time.Duration, driftPPM int64) time.Duration
	takeoverAt    func(seenAt, ttl time.Duration, driftPPM int64) time.Duration
	unheard       func(then, now holder) bool
	grantToken    func(s *state) uint64
	unansweredIs  answer
	joinHeartbeat bool
}

// answer is what a write without an answer is taken for.
type answer int

const (
	unknown answer = iota
	failure
	success
)

func soundRules() rules {
	return rules{
		leaseEnd:      leaseEnd,
		takeoverAt:    takeoverAt,
		unheard:       unheard,
		grantToken:    grantToken,
		unansweredIs:  unknown,
		joinHeartbeat: true,
	}
}

// driftOver is how far two clocks that differ by driftPPM part in d, rounded
// up.
func driftOver(d time.Duration, driftPPM int64) time.Duration {
	const million = 1_000_000
	whole, rest := int64(d)/million, int64(d)%million
	return time.Duration(whole*driftPPM + (rest*driftPPM+million-1)/million)
}

// leaseEnd: when does the holder stop believing? A lease counts from when the
// request that earned it was sent, for the store cannot have applied it before;
// and it ends early by the drift, for the holder's clock may be slow.
func leaseEnd(sentAt, _, ttl time.Duration, driftPPM int64) time.Duration {
	return sentAt + ttl - driftOver(ttl, driftPPM)
}

// takeoverAt: when may a contender take the lock from a holder it has not heard
// of since seenAt? After the whole lease, and the drift on top, for the
// contender's clock may be fast. seenAt is the reading when the reply was in
// hand, for the holder cannot have renewed later without changing its beat.
func takeoverAt(seenAt, ttl time.Duration, driftPPM int64) time.Duration {
	return seenAt + ttl + driftOver(ttl, driftPPM)
}

// unheard: is this the same sign of life as then?
func unheard(then, now holder) bool { return then.id == now.id && then.beat == now.beat }

// grantToken: which token does the next grant carry? One that no earlier grant
// had, whether that one was given back, ran out or was never heard of again.
func grantToken(s *state) uint64 { return s.token + 1 }

// availableAt: when could a contender have the lock? Zero time if it is free:
// else when the last of its holders may be taken over from.
func (r *rules) availableAt(v *view, driftPPM int64) (at time.Duration, free bool) {
	if len(v.state.holders) == 0 {
		return 0, true
	}
	for i, h := range v.state.holders {
		if t := r.takeoverAt(v.seenAt[i], h.ttl, driftPPM); i == 0 || t > at {
			at = t
		}
	}
	return at, false
}

// observe: what is known after reading s at readAt, having known before? A sign
// of life keeps the time at which it was first seen.
func (r *rules) observe(before *view, rev Revision, s *state, readAt time.Duration) *view {
	v := &view{rev: rev, state: s}
	if len(s.holders) == 0 {
		return v
	}
	v.seenAt = make([]time.Duration, len(s.holders))
	for i, h := range s.holders {
		v.seenAt[i] = readAt
		if before == nil {
			continue
		}
		for j, known := range before.state.holders {
			if r.unheard(known, h) {
				v.seenAt[i] = before.seenAt[j]
			}
		}
	}
	return v
}

// standing is what a record says of a grant.
type standing int

const (
	standingMine     standing = iota // the grant is among the holders
	standingOld                      // the record is older than the grant: a stale read
	standingFreed                    // nobody holds it and nobody did since, or it was removed
	standingReplaced                 // somebody was granted it since
)

// standingOf: whose is this? Tokens order the grants, so a record with a
// smaller one was written before ours, however late it was read. Token 0 is no
// record at all: somebody removed it.
func standingOf(s *state, id string, token uint64) standing {
	if _, ok := s.find(id); ok {
		return standingMine
	}
	switch {
	case s.token == 0, s.token == token:
		return standingFreed
	case s.token < token:
		return standingOld
	default:
		return standingReplaced
	}
}

// renewAt: when is the next renewal due?
func renewAt(sentAt, renewEvery time.Duration) time.Duration { return sentAt + renewEvery }

// between returns d times something between 3/4 and 5/4, drawn by r, so that
// contenders that met once do not meet for ever.
func between(d time.Duration, r uint64) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/4 + time.Duration(r%uint64(d/2+1))
}

// view is a record as this client last saw it, and since when each holder has
// shown the sign of life it shows now. It is never changed once made.
type view struct {
	rev    Revision
	state  *state
	seenAt []time.Duration
}
