package fault

import (
	"fmt"
	"strconv"
	"strings"
)

// Aim narrows a fault down: to the requests of one sort, or to one moment of one
// request. Its zero value is every request and no moment.
//
// A fault of an aimed kind ([Info.Moments]) is armed at its Start and strikes
// once: at the Nth time from then on that a request of the target, of those Ops,
// comes to the Moment. With an Amount it strikes so long after the Nth or a later
// one, provided that none has followed meanwhile: just before a lease ends is a
// lease's length after a renewal that was the last. From the strike on it lasts
// for its Duration, or until the faults of the run are healed. It may never
// strike.
//
//	Start                  #1          #2              strike       ends
//	  |--------------------s-----------s---------------|============|
//	                        Nth 1       no other since: Amount       Duration
type Aim struct {
	// Ops are the requests that the fault concerns.
	Ops Ops
	// Moment and Nth, from 1, are where an aimed fault strikes.
	Moment Moment
	Nth    int
}

// Ops names a sort of requests to the store.
type Ops string

// The sorts of requests.
const (
	AllOps Ops = ""
	// Reads are reads of a record; a wait for its change is none.
	Reads Ops = "reads"
	// Writes are all that changes a record, or would.
	Writes Ops = "writes"
	// Waits are waits for a change of a record.
	Waits Ops = "waits"
)

// Moment is a place in the life of a request.
//
//	call ---- before | sent ---------> applied ---------> answered | task goes on
//	         process                    store              process
type Moment string

// The moments.
const (
	// Before: the process has decided to send the request and has not.
	Before Moment = "before"
	// Sent: the request has just left its process.
	Sent Moment = "sent"
	// Applied: the store has carried it out, and the answer has not left.
	Applied Moment = "applied"
	// Answered: the answer has come, and the process has not looked at it.
	Answered Moment = "answered"
)

// maxNth bounds Nth; a fault that waits for longer has no moment.
const maxNth = 1_000_000

// someOps returns the sorts of requests that have a name.
func someOps() []Ops { return []Ops{Reads, Writes, Waits} }

// everyMoment returns all moments.
func everyMoment() []Moment { return []Moment{Before, Sent, Applied, Answered} }

// Has says whether a request of the sort one is among those meant by o.
func (o Ops) Has(one Ops) bool { return o == AllOps || o == one }

// checkAim looks whether the kind can be aimed so.
func (i Info) checkAim(a Aim) *problem {
	switch {
	case a.Ops != AllOps && !i.ByOps:
		return problemf("Ops", "%q is refused; %s concerns every request", a.Ops, i.Kind)
	case a.Ops != AllOps && !isOneOf(a.Ops, someOps()):
		return problemf("Ops", "%q is none of %s", a.Ops, list(someOps()))
	case len(i.Moments) == 0 && (a.Moment != "" || a.Nth != 0):
		return problemf("Moment", "%s is refused; %s begins at its start", a.moment(), i.Kind)
	case len(i.Moments) == 0:
		return nil
	case a.Moment == "":
		return problemf("Moment", "missing; %s takes %s, as in %s:1", i.Kind, list(i.Moments), i.Moments[0])
	case !isOneOf(a.Moment, i.Moments):
		return problemf("Moment", "%q is refused; %s takes %s", a.Moment, i.Kind, list(i.Moments))
	case a.Nth < 1 || a.Nth > maxNth:
		return problemf("Nth", "%d is refused; it must be from 1 to %d", a.Nth, maxNth)
	}
	return nil
}

func (a Aim) moment() string { return string(a.Moment) + ":" + strconv.Itoa(a.Nth) }

// String returns the aim as it stands in a fault's line: "writes sent:2"; nothing
// for a fault of every request.
func (a Aim) String() string { return strings.TrimPrefix(a.words(), " ") }

func (a Aim) words() string {
	var b strings.Builder
	if a.Ops != AllOps {
		b.WriteString(" " + string(a.Ops))
	}
	if a.Moment != "" || a.Nth != 0 {
		b.WriteString(" " + a.moment())
	}
	return b.String()
}

// parseAim takes the words of an aim off the end of a fault's words.
func parseAim(words []string) (a Aim, rest []string, err error) {
	if n := len(words); n > 0 {
		if moment, nth, ok := strings.Cut(words[n-1], ":"); ok {
			if !isOneOf(Moment(moment), everyMoment()) {
				return a, nil, fmt.Errorf("Moment: %q is none of %s", moment, list(everyMoment()))
			}
			count, err := strconv.ParseUint(nth, 10, 31)
			if err != nil || count == 0 {
				return a, nil, fmt.Errorf("Nth: %q is not a number from 1 on", nth)
			}
			a.Moment, a.Nth = Moment(moment), int(count)
			words = words[:n-1]
		}
	}
	if n := len(words); n > 0 && isOneOf(Ops(words[n-1]), someOps()) {
		a.Ops = Ops(words[n-1])
		words = words[:n-1]
	}
	return a, words, nil
}

func isOneOf[T comparable](one T, all []T) bool {
	for _, x := range all {
		if x == one {
			return true
		}
	}
	return false
}

// list joins words as people read them: "sent, applied or answered".
func list[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}
