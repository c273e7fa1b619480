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
)

// Groups returns every group, always in the same order.
func Groups() []Group { return []Group{Clock, Network, Process, StoreSide} }

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
	MinAmount int64
	MaxAmount int64
	Duration  DurationRule
	// OnStore says that the fault's Target is [Store]; otherwise it is a client.
	OnStore bool
	// Covered says that a lock's promises hold under this kind. A clock rate is
	// covered up to the lock's MaxClockDrift only: see [Fault.Covered].
	Covered bool
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

// table lists every kind in the order of Kinds. A new kind goes to the end of
// its group; the order decides between faults that begin at the same instant.
func table() [21]Info {
	return [...]Info{
		{ClockOffset, Clock, "the wall clock is wrong by a constant, then right again", Nanoseconds, -maxShift, maxShift, Lasting, false, true},
		{ClockRate, Clock, "all clocks run fast or slow", PartsPerMillion, minRate, maxRate, Lasting, false, true},
		{ClockJump, Clock, "the wall clock steps, for good", Nanoseconds, -maxShift, maxShift, Instant, false, true},

		{Latency, Network, "every message takes longer, each way", Nanoseconds, 1, maxDelay, Lasting, false, true},
		{Jitter, Network, "every message takes longer by a random time, each way", Nanoseconds, 1, maxDelay, Lasting, false, true},
		{Partition, Network, "nothing arrives, either way", NoUnit, 0, 0, Lasting, false, true},
		{PartitionRequests, Network, "nothing that the client sends arrives", NoUnit, 0, 0, Lasting, false, true},
		{PartitionReplies, Network, "nothing that the store answers arrives", NoUnit, 0, 0, Lasting, false, true},
		{Hold, Network, "messages are kept back, then released in order", NoUnit, 0, 0, Lasting, false, true},
		{LoseRequest, Network, "a request may get lost", PerMille, 1, certain, Lasting, false, true},
		{LoseReply, Network, "a reply may get lost, after the request was applied", PerMille, 1, certain, Lasting, false, true},
		{DuplicateRequest, Network, "a request may arrive twice", PerMille, 1, certain, Lasting, false, true},

		{Pause, Process, "the process stands still while its clocks run", NoUnit, 0, 0, Lasting, false, true},
		{Suspend, Process, "the machine sleeps: process and monotonic clock stand still", NoUnit, 0, 0, Lasting, false, true},
		{Crash, Process, "the process dies and restarts, remembering nothing", NoUnit, 0, 0, Outage, false, true},

		{StoreDown, StoreSide, "the store answers nothing", NoUnit, 0, 0, Lasting, true, true},
		{StoreRestart, StoreSide, "the store stops and starts again, with all that it acknowledged", NoUnit, 0, 0, Outage, true, true},
		{StoreFailover, StoreSide, "the store moves to a replica that has all that was acknowledged", NoUnit, 0, 0, Outage, true, true},
		{Throttle, StoreSide, "the store may refuse a request, unapplied", PerMille, 1, certain, Lasting, true, true},

		// These two break the store's own contract: no lock can promise anything
		// under LostWrite, and under StaleRead a lock may promise only what it
		// does not ask of Get. They are therefore never part of a group.
		{StaleRead, StoreSide, "a read may be answered with an old state (breaks the store's contract)", Nanoseconds, 1, maxDelay, Lasting, true, false},
		{LostWrite, StoreSide, "the store forgets writes that it acknowledged (breaks the store's contract)", Nanoseconds, 1, maxDelay, Instant, true, false},
	}
}

// Kinds returns every kind, always in the same order.
func Kinds() []Kind {
	var kinds []Kind
	for _, info := range table() {
		kinds = append(kinds, info.Kind)
	}
	return kinds
}

// Describe returns what there is to know about a kind, and the zero Info for a
// kind that does not exist.
func Describe(k Kind) Info {
	for _, info := range table() {
		if info.Kind == k {
			return info
		}
	}
	return Info{}
}

// rank returns the kind's place in the table, and a place after all others for a
// kind that does not exist.
func rank(k Kind) int {
	infos := table()
	for i, info := range infos {
		if info.Kind == k {
			return i
		}
	}
	return len(infos)
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
