package lock

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mutation names a rule to break. A lock with a broken rule is for showing that
// a test notices; it is of no other use.
type Mutation string

// The mutations.
const (
	// LeaseFromReply counts a lease from when the reply arrived.
	LeaseFromReply Mutation = "lease-from-reply"
	// NoLocalEnd lets a holder believe until the store tells it otherwise.
	NoLocalEnd Mutation = "no-local-end"
	// NoDriftMargin counts on clocks that agree exactly.
	NoDriftMargin Mutation = "no-drift-margin"
	// EarlyTakeover takes over after half a lease.
	EarlyTakeover Mutation = "early-takeover"
	// BeatIgnored takes a holder that renews for one that was not heard of.
	BeatIgnored Mutation = "beat-ignored"
	// TokenNotRaised gives a takeover the token of the holder before it.
	TokenNotRaised Mutation = "token-not-raised"
	// UnansweredIsFailure takes a write without an answer for one that failed.
	UnansweredIsFailure Mutation = "unanswered-is-failure"
	// UnansweredIsSuccess takes a write without an answer for one that worked.
	UnansweredIsSuccess Mutation = "unanswered-is-success"
	// HeartbeatNotJoined releases without stopping the heartbeat.
	HeartbeatNotJoined Mutation = "heartbeat-not-joined"
)

// Mutations lists them all.
func Mutations() []Mutation {
	return []Mutation{
		LeaseFromReply, NoLocalEnd, NoDriftMargin, EarlyTakeover, BeatIgnored,
		TokenNotRaised, UnansweredIsFailure, UnansweredIsSuccess, HeartbeatNotJoined,
	}
}

// NewMutant is New with one rule broken.
func NewMutant(store Store, rt Runtime, cfg Config, m Mutation) (*Client, error) {
	r := soundRules()
	switch m {
	case LeaseFromReply:
		r.leaseEnd = func(_, repliedAt, ttl time.Duration, driftPPM int64) time.Duration {
			return leaseEnd(repliedAt, repliedAt, ttl, driftPPM)
		}
	case NoLocalEnd:
		r.leaseEnd = func(sentAt, _, _ time.Duration, _ int64) time.Duration { return sentAt + maxTTL }
	case NoDriftMargin:
		r.leaseEnd = func(sentAt, _, ttl time.Duration, _ int64) time.Duration { return sentAt + ttl }
		r.takeoverAt = func(seenAt, ttl time.Duration, _ int64) time.Duration { return seenAt + ttl }
	case EarlyTakeover:
		r.takeoverAt = func(seenAt, ttl time.Duration, _ int64) time.Duration { return seenAt + ttl/2 }
	case BeatIgnored:
		r.unheard = func(then, now holder) bool { return then.id == now.id }
	case TokenNotRaised:
		r.grantToken = func(s *state) uint64 {
			if len(s.holders) > 0 {
				return s.token
			}
			return s.token + 1
		}
	case UnansweredIsFailure:
		r.unansweredIs = failure
	case UnansweredIsSuccess:
		r.unansweredIs = success
	case HeartbeatNotJoined:
		r.joinHeartbeat = false
	default:
		return nil, fmt.Errorf("lock: no mutation %q; there are %s", m, strings.Trim(fmt.Sprint(slices.Clone(Mutations())), "[]"))
	}
	return newClient(store, rt, cfg, r)
}
