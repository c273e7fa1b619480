package fault

import (
	"errors"
	"fmt"
)

// World is where a run takes place.
type World string

// The worlds.
const (
	// Sim is the deterministic simulator.
	Sim World = "sim"
	// LiveOneProcess is a real server with all clients in the harness's process.
	LiveOneProcess World = "live-one-process"
	// LiveProcesses is a real server with each client in a process of its own.
	LiveProcesses World = "live-processes"
)

// Worlds returns every world, always in the same order.
func Worlds() []World { return []World{Sim, LiveOneProcess, LiveProcesses} }

// Injectable says whether a world can inject faults of a kind, and if not, why
// not, in words for the person who asked for it.
func Injectable(k Kind, w World) (ok bool, reason string) {
	if Describe(k).Kind == "" {
		return false, fmt.Sprintf("there is no fault %q", k)
	}
	switch w {
	case Sim:
		return true, ""
	case LiveOneProcess, LiveProcesses:
	default:
		return false, fmt.Sprintf("there is no world %q", w)
	}
	if len(Describe(k).Moments) > 0 {
		return false, "a request to a real server cannot be stopped at a moment of its life; only the simulator can"
	}
	switch k {
	case ClockStop, ClockBack:
		return false, "timers of a real process go by a clock that nobody stops or sets back; only the simulator can"
	case ForeignRecord, RemoveRecord, RestoreRecord:
		return false, "a live run has no connection of its own by which to change records; only the simulator can"
	case Suspend:
		return false, "a real machine cannot be put to sleep for one client alone; only the simulator can"
	case LostWrite:
		return false, "a real server cannot be told to forget an acknowledged write; only the simulator can"
	}
	if w == LiveProcesses {
		return true, ""
	}
	switch k {
	case Pause:
		return false, "clients that share the harness's process cannot be stopped one by one; run each in a process of its own"
	case StaleRead:
		return false, "clients that share the harness's process read from the leader; run each in a process of its own, reading from a follower"
	}
	return true, ""
}

// CheckInjectable returns nil if a world can inject all of the kinds, and else
// an error that names each kind that it cannot inject, with the reason.
func CheckInjectable(kinds []Kind, w World) error {
	var refused []error
	for _, k := range kinds {
		if ok, reason := Injectable(k, w); !ok {
			refused = append(refused, fmt.Errorf("fault %s cannot be injected in world %s: %s", k, w, reason))
		}
	}
	return errors.Join(refused...)
}

// Kinds returns the kinds that occur in the plan, once each, in the order of the
// table of kinds. A kind that does not exist is not among them.
func (p Plan) Kinds() []Kind {
	var found []Kind
	for _, k := range Kinds() {
		for _, f := range p {
			if f.Kind == k {
				found = append(found, k)
				break
			}
		}
	}
	return found
}
