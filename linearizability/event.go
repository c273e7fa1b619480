package linearizability

import "fmt"

// Op is what an event is about.
type Op uint8

// The operations of a history.
const (
	OpInvalid Op = iota
	// OpAcquire asks for the lock: invoke, then ok (granted: Token, Grant),
	// fail (certainly not granted; Holder names the client in the way, if the
	// lock said so) or info (maybe granted).
	OpAcquire
	// OpRenew extends grant Grant: invoke, then ok, fail or info.
	OpRenew
	// OpRelease gives grant Grant back: invoke, then ok, fail (it was not ours
	// any more) or info. The client's belief ends at the invoke.
	OpRelease
	// OpExpire (info): the client's own end of validity for Grant was reached.
	OpExpire
	// OpLost (info): the lock told the client that Grant is lost.
	OpLost
	// OpCrash (info): the client died with all its processes; every belief and
	// open operation ends.
	OpCrash
	// OpRead and OpWrite (ok or fail) are accesses to the protected resource, at
	// the instant the resource performed or rejected them. Fenced tells whether
	// the resource compared tokens. Value is what was read or written.
	OpRead
	OpWrite
	// OpResume (info): the client believes in Grant again after its OpExpire: the
	// lease turned out to be unbroken.
	OpResume
	// OpGiveUp (info): the caller of this process's open acquire of Lock ended it:
	// it cancelled the context, its wait limit was over, or it closed the client.
	OpGiveUp
	// OpAsk (ok): the client asked its lease of Grant how long it is valid. Value
	// is the answer in ns of the client's clock; 0 or less: not valid.
	OpAsk
	// OpInspect asks who holds Lock, without asking for it: invoke, then ok (Holder
	// is 1 + the index of the holder, 0 if the lock is said to be free), fail or
	// info.
	OpInspect
	// OpTamper (info): somebody who is no client of the lock changed or removed the
	// record of Lock. What others hold may be gone from here on.
	OpTamper
	// OpClose ends the process's use of the lock: invoke, then ok, fail or info. The
	// caller of every open acquire of the client has given up by it. What it does to
	// the client's grants is recorded as their releases.
	OpClose
)

var opNames = [...]string{"invalid", "acquire", "renew", "release", "expire", "lost", "crash", "read", "write",
	"resume", "give-up", "ask", "inspect", "tamper", "close"}

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Phase is where in its operation an event stands, in Jepsen's words.
type Phase uint8

// The phases.
const (
	PhaseInvalid Phase = iota
	Invoke
	Ok
	Fail
	Info
)

var phaseNames = [...]string{"invalid", "invoke", "ok", "fail", "info"}

func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// Mode is how a lock is held.
type Mode uint8

// The modes. The zero value is exclusive.
const (
	Exclusive Mode = iota
	Shared
)

func (m Mode) String() string {
	if m == Shared {
		return "shared"
	}
	return "exclusive"
}

// History is the events of one run, in the order of true time.
type History []Event

// Event is one line of a history.
type Event struct {
	// At is the true time in nanoseconds since the start of the run.
	At int64
	// Since is optional, on the ok of an acquire or a renew: the true time at
	// which the request that succeeded was sent, if that is known to be later
	// than the invoke (a waiting acquire sends many). The effect was not before
	// it, and the lease counts from it. 0 means the invoke. On the ok of an ask it is
	// when it was asked; 0 means at At. On a loss it is up to when the holder surely
	// was not told, where At is when it surely was; 0 means that it was told at At.
	Since int64
	// Until is optional, on the info of an acquire or a release: the true time
	// by which the write has been applied if it ever is. 0 means unknown: the
	// operation stays open to the end. Negative means that it never will be.
	Until int64
	// Client is the index of the client. Process is a fresh number after each
	// indefinite end or crash: a process does nothing after an info.
	Client  int
	Process int
	Lock    string
	// Token is the fencing token of the grant; 0 where the lock has none.
	Token uint64
	// Grant numbers the successful acquires of a run from 1. On an acquire's
	// invoke and fail it is 0; on everything that follows from a grant it is
	// that grant's number.
	Grant int64
	// Holder is, on a failed acquire and on the ok of an inspect, 1 + the index of
	// the client that the lock named as the holder; 0 if it named none.
	Holder int
	// Value and Fenced belong to OpRead and OpWrite, Value to OpAsk too.
	Value int64
	// Detail is for people. No checker decides by it; some quote it.
	Detail string
	// Requests is, on the return of an acquire, renew or release, how many requests
	// to the store the call sent; 0 where that is not known.
	Requests int32
	// The one-byte fields stand together: a million events are kept in memory.
	Op     Op
	Phase  Phase
	Mode   Mode
	Fenced bool
	// Held, on the fail of an acquire: it was refused because another holds the lock.
	Held bool
	// Refused, on the fail or info of a call: the store refused a request for good, as
	// for want of permission, so that to go on is of no use.
	Refused bool
	// Try, on the invoke of an acquire: it does not wait, so that being refused is an
	// answer.
	Try bool
	// Renews, on the ok of an acquire: the lock renews this grant by itself.
	Renews bool
}

// toldSince is from when on a holder may have known of the loss that e tells of.
func (e *Event) toldSince() int64 {
	if e.Since != 0 {
		return e.Since
	}
	return e.At
}
