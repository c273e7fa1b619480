package fault

import "time"

// Kind names one way in which the world goes wrong.
type Kind string

// The kinds. Amount's meaning and unit are given for each; where none is
// given, Amount must be 0.
const (
	// ClockOffset sets the target's wall clock wrong by Amount nanoseconds.
	ClockOffset Kind = "clock-offset"
	// ClockRate makes all of the target's clocks run fast (Amount > 0) or slow
	// by Amount parts per million.
	ClockRate Kind = "clock-rate"
	// ClockJump steps the target's wall clock by Amount nanoseconds, for good.
	// Its Duration is 0.
	ClockJump Kind = "clock-jump"
	// ClockStop makes all of the target's clocks stand still, and go on from
	// where they stood. No lock can measure a lease with such a clock.
	ClockStop Kind = "clock-stop"
	// ClockBack steps all of the target's clocks back by Amount nanoseconds, the
	// monotonic ones too. Its Duration is 0.
	ClockBack Kind = "clock-back"

	// Latency adds Amount nanoseconds each way between target and store.
	Latency Kind = "latency"
	// Jitter adds up to Amount nanoseconds, drawn per message, each way.
	Jitter Kind = "jitter"
	// Partition cuts both ways: what is sent meanwhile is lost.
	Partition Kind = "partition"
	// PartitionRequests cuts only what the target sends.
	PartitionRequests Kind = "partition-requests"
	// PartitionReplies cuts only what the target would receive.
	PartitionReplies Kind = "partition-replies"
	// Hold keeps every message of both ways back and releases them, in order,
	// when it ends.
	Hold Kind = "hold"
	// LoseRequest loses a request with a probability of Amount per mille.
	LoseRequest Kind = "lose-request"
	// LoseReply loses a reply with a probability of Amount per mille.
	LoseReply Kind = "lose-reply"
	// DuplicateRequest delivers a request twice with a probability of Amount
	// per mille.
	DuplicateRequest Kind = "duplicate-request"

	// Pause makes the target's process stand still while its clocks run.
	Pause Kind = "pause"
	// Suspend makes the target's machine sleep: the process stands still and
	// CLOCK_MONOTONIC with it; the wall clock and CLOCK_BOOTTIME run on.
	Suspend Kind = "suspend"
	// Crash kills the target's process at Start; it restarts, remembering
	// nothing, after Duration.
	Crash Kind = "crash"

	// StoreDown makes the store answer nothing; what reaches it is lost.
	StoreDown Kind = "store-down"
	// StoreRestart stops the store at Start and starts it after Duration with
	// all that it acknowledged; requests in it are lost, connections refused.
	StoreRestart Kind = "store-restart"
	// StoreFailover moves the store to a replica that has everything that was
	// acknowledged; requests in it may or may not have been applied.
	StoreFailover Kind = "store-failover"
	// Throttle makes the store refuse a request, unapplied, with a probability
	// of Amount per mille.
	Throttle Kind = "throttle"
	// Refuse makes the store refuse a request for good, unapplied, with a
	// probability of Amount per mille: its permission was taken away.
	Refuse Kind = "refuse"

	// StaleRead lets reads be answered with a state up to Amount nanoseconds
	// old. It breaks the store's contract for Get.
	StaleRead Kind = "stale-read"
	// LostWrite makes the store forget, at Start, the writes that it
	// acknowledged in the last Amount nanoseconds. It breaks the store's
	// contract. Its Duration is 0.
	LostWrite Kind = "lost-write"
	// ForeignRecord puts something that is no lock's record under a key, and
	// puts back what had been there when it ends, if nobody has meanwhile.
	ForeignRecord Kind = "foreign-record"
	// RemoveRecord removes a record. Its Duration is 0.
	RemoveRecord Kind = "remove-record"
	// RestoreRecord writes a record back as it was Amount nanoseconds ago, as
	// an operator does who restores a backup. Its Duration is 0.
	RestoreRecord Kind = "restore-record"

	// The aimed kinds strike once, at a moment of one request rather than of
	// time: see [Aim]. AimedPause makes the target's process stand still while
	// its clocks run.
	AimedPause Kind = "aimed-pause"
	// AimedCrash kills the target's process; it restarts after Duration.
	AimedCrash Kind = "aimed-crash"
	// AimedPartition cuts both ways between target and store.
	AimedPartition Kind = "aimed-partition"
	// AimedDelay keeps the one message back for Duration: the request if it
	// strikes when that is sent, the reply if it strikes when it is applied.
	AimedDelay Kind = "aimed-delay"
	// AimedLoseRequest loses the one request.
	AimedLoseRequest Kind = "aimed-lose-request"
	// AimedLoseReply loses the reply of the one request, which was applied.
	AimedLoseReply Kind = "aimed-lose-reply"
)

// Store is the Target of a fault of the store itself. Every other fault's
// Target is a client's index, 0 or more.
const Store = -1

// Fault is one thing that goes wrong, from Start for Duration (both since the
// start of the run, in true time), at one target.
type Fault struct {
	Kind     Kind
	Target   int
	Start    time.Duration
	Duration time.Duration
	Amount   int64
	Aim      Aim
}

// End returns the instant at which the fault has ended, in true time since the
// start of the run. It is meaningful only for a fault that is valid.
func (f Fault) End() time.Duration { return f.Start + f.Duration }

// Plan is a list of faults in the order of their starts.
type Plan []Fault
