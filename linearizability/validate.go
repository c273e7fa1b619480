package linearizability

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// What a sane history stays under. They keep arithmetic far from overflow and a
// damaged file from asking for the machine's memory.
const (
	maxClients = 1 << 20
	maxLockLen = 1 << 10
)

// Validate says what keeps h from being a history, or nil. Checkers judge only
// what passes: to them a malformed history would look like a broken lock.
//
//   - Times never decrease. Phases fit their operation.
//   - Each ok, fail and info follows its invoke. A process has at most one open
//     acquire per lock, and one open renew and release per grant; while an
//     acquire of a lock is open it does not release that lock.
//   - Grants are numbered uniquely; events on a grant are of a known one, and of
//     its client and lock.
//   - A process belongs to one client. It invokes no acquire after an acquire or
//     a release that ended info, and nothing at all happens to it after a crash,
//     other than that the resource performs what was under way.
func Validate(h History) error {
	var x index
	return x.build(&Params{}, h)
}

// check is Validate for one event alone.
func (e *Event) check() error {
	switch {
	case e.At < 0 || e.At > maxTime:
		return fmt.Errorf("time %d is out of range", e.At)
	case e.Client < 0 || e.Client >= maxClients:
		return fmt.Errorf("client %d is out of range", e.Client)
	case e.Process < 0 || e.Process > math.MaxInt32:
		return fmt.Errorf("process %d is out of range", e.Process)
	case e.Grant < 0 || e.Grant > math.MaxInt32:
		return fmt.Errorf("grant %d is out of range", e.Grant)
	case e.Holder < 0 || e.Holder > maxClients:
		return fmt.Errorf("holder %d is out of range", e.Holder)
	case e.Token > math.MaxInt64:
		return fmt.Errorf("token %d is out of range", e.Token)
	case e.Value < -maxTime || e.Value > maxTime:
		return fmt.Errorf("value %d is out of range", e.Value)
	case e.Mode > Shared:
		return fmt.Errorf("mode %d is unknown", e.Mode)
	case e.Lock == "" && e.Op != OpCrash && e.Op != OpClose:
		return errors.New("no lock is named")
	case len(e.Lock) > maxLockLen:
		return fmt.Errorf("the lock's name is longer than %d bytes", maxLockLen)
	case !utf8.ValidString(e.Lock):
		return errors.New("the lock's name is not UTF-8")
	}
	if err := e.checkPhase(); err != nil {
		return err
	}
	return e.checkBounds()
}

func (e *Event) checkPhase() error {
	if e.Phase <= PhaseInvalid || e.Phase > Info {
		return fmt.Errorf("unknown phase %d", e.Phase)
	}
	granted := e.Grant > 0
	switch e.Op {
	case OpAcquire:
		if granted != (e.Phase == Ok) {
			return fmt.Errorf("acquire %v with grant %d: the ok has a grant and only the ok", e.Phase, e.Grant)
		}
		return nil
	case OpRenew, OpRelease:
	case OpExpire, OpLost, OpResume:
		if e.Phase != Info {
			return fmt.Errorf("%v %v: it can only be info", e.Op, e.Phase)
		}
	case OpCrash, OpGiveUp, OpTamper:
		if e.Phase != Info {
			return fmt.Errorf("%v %v: it can only be info", e.Op, e.Phase)
		}
		return e.checkGrantless()
	case OpInspect, OpClose:
		return e.checkGrantless()
	case OpAsk:
		if e.Phase != Ok {
			return fmt.Errorf("ask %v: it can only be ok", e.Phase)
		}
	case OpRead, OpWrite:
		if e.Phase != Ok && e.Phase != Fail {
			return fmt.Errorf("%v %v: it can only be ok or fail", e.Op, e.Phase)
		}
	default:
		return fmt.Errorf("unknown op %d", e.Op)
	}
	if !granted {
		return fmt.Errorf("%v without a grant", e.Op)
	}
	return nil
}

// checkBounds looks at the fields that only some events have.
func (e *Event) checkBounds() error {
	if e.Holder != 0 && (e.Op != OpAcquire || e.Phase != Fail) && (e.Op != OpInspect || e.Phase != Ok) {
		return fmt.Errorf("%v %v names a holder: only a failed acquire and the ok of an inspect can", e.Op, e.Phase)
	}
	if e.Since != 0 && e.Op != OpLost && (e.Phase != Ok || e.Op != OpAcquire && e.Op != OpRenew && e.Op != OpAsk) {
		return fmt.Errorf("%v %v has since: only the ok of an acquire, a renew or an ask, and a loss can", e.Op, e.Phase)
	}
	if e.Since < 0 || e.Since > e.At {
		return fmt.Errorf("since %d is not between 0 and the event's own time", e.Since)
	}
	if e.Until != 0 && (e.Phase != Info || e.Op != OpAcquire && e.Op != OpRelease && e.Op != OpRenew) {
		return fmt.Errorf("%v %v has until: only the info of an operation can", e.Op, e.Phase)
	}
	if e.Until > maxTime || e.Until < -1 {
		return fmt.Errorf("until %d is out of range", e.Until)
	}
	access := e.Op == OpRead || e.Op == OpWrite
	if e.Fenced && !access || e.Value != 0 && !access && e.Op != OpAsk {
		return fmt.Errorf("%v has fenced or a value: only accesses can", e.Op)
	}
	call := e.Op == OpAcquire || e.Op == OpRenew || e.Op == OpRelease || e.Op == OpInspect || e.Op == OpClose
	switch {
	case e.Requests < 0 || e.Requests != 0 && (!call || e.Phase == Invoke):
		return fmt.Errorf("%v %v has %d requests: only the return of a call can", e.Op, e.Phase, e.Requests)
	case e.Held && (e.Op != OpAcquire || e.Phase != Fail):
		return fmt.Errorf("%v %v is held: only a failed acquire can be", e.Op, e.Phase)
	case e.Refused && (!call || e.Phase != Fail && e.Phase != Info):
		return fmt.Errorf("%v %v is refused: only the fail or info of a call can be", e.Op, e.Phase)
	case e.Try && (e.Op != OpAcquire || e.Phase != Invoke):
		return fmt.Errorf("%v %v is a try: only the invoke of an acquire can be", e.Op, e.Phase)
	case e.Renews && (e.Op != OpAcquire || e.Phase != Ok):
		return fmt.Errorf("%v %v renews: only the ok of an acquire can", e.Op, e.Phase)
	}
	return nil
}

// checkGrantless refuses a grant on an event that is of none.
func (e *Event) checkGrantless() error {
	if e.Grant > 0 && e.Op != OpCrash {
		return fmt.Errorf("%v %v with grant %d: it is of no grant", e.Op, e.Phase, e.Grant)
	}
	return nil
}

// malformed says where a history stops being one.
func malformed(i int, e *Event, format string, args ...any) error {
	return fmt.Errorf("event %d (line %d of its file: %s c%d %v %v): %s", i, i+2, exactly(e.At), e.Client, e.Op, e.Phase, fmt.Sprintf(format, args...))
}
