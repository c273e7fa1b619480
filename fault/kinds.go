package fault

import "time"

// Group is a family of kinds, named after what it happens to.
type Group string

// The groups, in the order of [Groups].
const (
	Clock     Group = "clock"
	Network   Group = "network"
	Process   Group = "process"
	StoreSide Group = "store"
	Aimed     Group = "aimed"
)

// Groups returns every group, always in the same order.
func Groups() []Group { return []Group{Clock, Network, Process, StoreSide, Aimed} }

// Unit is what a fault's Amount counts, spelled as it is printed.
type Unit string

// The units. An amount of nanoseconds is printed as a duration ("80ms").
const (
	NoUnit          Unit = ""
	Nanoseconds     Unit = "ns"
	PartsPerMillion Unit = "ppm"
	PerMille        Unit = "permille"
)

// DurationRule is what a kind asks of a fault's Duration.
type DurationRule int

const (
	// Lasting asks for a Duration above 0: without one nothing would happen.
	Lasting DurationRule = iota
	// Instant asks for a Duration of 0: the fault is a step and has no end.
	Instant
	// Outage allows any Duration from 0: the fault does its harm at Start, and
	// Duration is how long it takes to come back.
	Outage
)

// String returns the rule in words.
func (r DurationRule) String() string {
	switch r {
	case Lasting:
		return "more than 0"
	case Instant:
		return "0"
	case Outage:
		return "0 or more"
	}
	return "unknown"
}

// Info is what there is to know about a kind.
type Info struct {
	Kind    Kind
	Group   Group
	Summary string // One line, without a full stop.
	Unit    Unit   // What Amount counts; NoUnit if Amount must be 0.
	// MinAmount and MaxAmount bound Amount, both inclusive. Where MinAmount is
	// negative, the amount has a direction and 0 is refused: it would do nothing.
	// Where MinAmount is 0, the amount may be left out.
	MinAmount int64
	MaxAmount int64
	Duration  DurationRule
	// OnStore says that the fault's Target is [Store]; otherwise it is a client.
	OnStore bool
	// Covered says that a lock's promises hold under this kind. A clock rate is
	// covered up to the lock's MaxClockDrift only: see [Fault.Covered].
	Covered bool
	// ByOps: the fault can be narrowed down to some requests (Aim.Ops).
	ByOps bool
	// Moments are where the fault can strike; none if it begins at its Start.
	Moments []Moment
}

// The bounds of amounts.
const (
	// maxShift bounds offsets and jumps. It is ten years, so that a run's worth
	// of jumps adds up without overflowing a count of nanoseconds.
	maxShift = 10 * 365 * 24 * int64(time.Hour)
	// maxDelay bounds delays and ages.
	maxDelay = 24 * int64(time.Hour)
	// A clock may run at a hundredth of true time or at eleven times its pace.
	// It may not stand still or run backwards: that is not a rate any more.
	minRate = -990_000
	maxRate = 10_000_000
	// certain is a probability of one.
	certain = 1000
)

// The trailing fields of a row in the table.
const (
	client, store    = false, true // OnStore
	covered, beyond  = true, false // Covered
	whole, selective = false, true // ByOps
)

// table lists every kind in the order of Kinds. A new kind goes to the end of
// its group; the order decides between faults that begin at the same instant. It
// is never written.
var table = [...]Info{
	{ClockOffset, Clock, "the wall clock is wrong by a constant, then right again", Nanoseconds, -maxShift, maxShift, Lasting, client, covered, whole, nil},
	{ClockRate, Clock, "all clocks run fast or slow", PartsPerMillion, minRate, maxRate, Lasting, client, covered, whole, nil},
	{ClockJump, Clock, "the wall clock steps, for good", Nanoseconds, -maxShift, maxShift, Instant, client, covered, whole, nil},
	// No lease can be measured with these two.
	{ClockStop, Clock, "all clocks stand still, then go on", NoUnit, 0, 0, Lasting, client, beyond, whole, nil},
	{ClockBack, Clock, "all clocks step back, the monotonic ones too", Nanoseconds, 1, maxDelay, Instant, client, beyond, whole, nil},

	{Latency, Network, "every message takes longer, each way", Nanoseconds, 1, maxDelay, Lasting, client, covered, selective, nil},
	{Jitter, Network, "every message takes longer by a random time, each way", Nanoseconds, 1, maxDelay, Lasting, client, covered, selective, nil},
	{Partition, Network, "nothing arrives, either way", NoUnit, 0, 0, Lasting, client, covered, whole, nil},
	{PartitionRequests, Network, "nothing that the client sends arrives", NoUnit, 0, 0, Lasting, client, covered, whole, nil},
	{PartitionReplies, Network, "nothing that the store answers arrives", NoUnit, 0, 0, Lasting, client, covered, whole, nil},
	{Hold, Network, "messages are kept back, then released in order", NoUnit, 0, 0, Lasting, client, covered, whole, nil},
	{LoseRequest, Network, "a request may get lost", PerMille, 1, certain, Lasting, client, covered, selective, nil},
	{LoseReply, Network, "a reply may get lost, after the request was applied", PerMille, 1, certain, Lasting, client, covered, selective, nil},
	{DuplicateRequest, Network, "a request may arrive twice", PerMille, 1, certain, Lasting, client, covered, selective, nil},

	{Pause, Process, "the process stands still while its clocks run", NoUnit, 0, 0, Lasting, client, covered, whole, nil},
	{Suspend, Process, "the machine sleeps: process and monotonic clock stand still", NoUnit, 0, 0, Lasting, client, covered, whole, nil},
	{Crash, Process, "the process dies and restarts, remembering nothing", NoUnit, 0, 0, Outage, client, covered, whole, nil},

	{StoreDown, StoreSide, "the store answers nothing", NoUnit, 0, 0, Lasting, store, covered, whole, nil},
	{StoreRestart, StoreSide, "the store stops and starts again, with all that it acknowledged", NoUnit, 0, 0, Outage, store, covered, whole, nil},
	{StoreFailover, StoreSide, "the store moves to a replica that has all that was acknowledged", NoUnit, 0, 0, Outage, store, covered, whole, nil},
	{Throttle, StoreSide, "the store may put a request off, unapplied", PerMille, 1, certain, Lasting, store, covered, selective, nil},
	{Refuse, StoreSide, "the store may refuse a request for good, unapplied", PerMille, 1, certain, Lasting, store, covered, selective, nil},

	// These break the store's own contract, or are the work of somebody who is
	// no client of the lock. No lock can promise anything under LostWrite, and
	// under StaleRead a lock may promise only what it does not ask of Get. They
	// are therefore never part of a group.
	{StaleRead, StoreSide, "a read may be answered with an old state (breaks the store's contract)", Nanoseconds, 1, maxDelay, Lasting, store, beyond, whole, nil},
	{LostWrite, StoreSide, "the store forgets writes that it acknowledged (breaks the store's contract)", Nanoseconds, 1, maxDelay, Instant, store, beyond, whole, nil},
	{ForeignRecord, StoreSide, "something that is no lock stands under a key", NoUnit, 0, 0, Lasting, store, beyond, whole, nil},
	{RemoveRecord, StoreSide, "an operator removes a record", NoUnit, 0, 0, Instant, store, beyond, whole, nil},
	{RestoreRecord, StoreSide, "an operator writes a record back as it was", Nanoseconds, 1, maxDelay, Instant, store, beyond, whole, nil},

	{AimedPause, Aimed, "the process stands still at a moment of one request", Nanoseconds, 0, maxDelay, Lasting, client, covered, selective, []Moment{Before, Sent, Applied, Answered}},
	{AimedCrash, Aimed, "the process dies at a moment of one request", Nanoseconds, 0, maxDelay, Outage, client, covered, selective, []Moment{Before, Sent, Applied, Answered}},
	{AimedPartition, Aimed, "nothing arrives, from a moment of one request on", Nanoseconds, 0, maxDelay, Lasting, client, covered, selective, []Moment{Before, Sent, Applied, Answered}},
	{AimedDelay, Aimed, "one request, or its reply, is kept back", NoUnit, 0, 0, Lasting, client, covered, selective, []Moment{Sent, Applied}},
	{AimedLoseRequest, Aimed, "one request gets lost", NoUnit, 0, 0, Instant, client, covered, selective, []Moment{Sent}},
	{AimedLoseReply, Aimed, "one reply gets lost, after its request was applied", NoUnit, 0, 0, Instant, client, covered, selective, []Moment{Applied}},
}

// Kinds returns every kind, always in the same order.
func Kinds() []Kind {
	kinds := make([]Kind, 0, len(table))
	for i := range table {
		kinds = append(kinds, table[i].Kind)
	}
	return kinds
}

// Describe returns what there is to know about a kind, and the zero Info for a
// kind that does not exist. Its Moments are not to be changed.
func Describe(k Kind) Info {
	if i := rank(k); i < len(table) {
		return table[i]
	}
	return Info{}
}

// rank returns the kind's place in the table, and a place after all others for a
// kind that does not exist.
func rank(k Kind) int {
	for i := range table {
		if table[i].Kind == k {
			return i
		}
	}
	return len(table)
}

// Covered says whether a lock that allows for clocks which are wrong by up to
// maxClockDriftPPM parts per million keeps its promises under the fault.
func (f Fault) Covered(maxClockDriftPPM int64) bool {
	if !Describe(f.Kind).Covered {
		return false
	}
	if f.Kind != ClockRate {
		return true
	}
	return -maxClockDriftPPM <= f.Amount && f.Amount <= maxClockDriftPPM
}

// Uncovered returns the faults of the plan that lie beyond a lock's promises, in
// the order of the plan: see [Fault.Covered]. It is empty for a plan under which
// a violation is the lock's own.
func (p Plan) Uncovered(maxClockDriftPPM int64) Plan {
	var beyond Plan
	for _, f := range p {
		if !f.Covered(maxClockDriftPPM) {
			beyond = append(beyond, f)
		}
	}
	return beyond
}
