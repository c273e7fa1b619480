package harness

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// mostSteps bounds how many operations on the store an explanation tells of.
const mostSteps = 12

// Explain simulates a scenario once more and tells what its clients asked of the
// store around the violation that counts.
func Explain(ctx context.Context, subject subjects.Subject, s Scenario) (*Shown, error) {
	if err := s.ValidateFor(subject); err != nil {
		return nil, err
	}
	r, ops, err := new(scratch).simulate(ctx, subject, s, nil, true)
	if err != nil {
		return nil, err
	}
	return &Shown{Result: r, Steps: interleaving(r, ops)}, nil
}

// interleaving tells what the clients of a violation asked of the store and what
// they were told, in the order of the answers, and where the events that the
// property names stand among these. It is nil where nothing was violated.
func interleaving(r *Result, ops []StoreOp) []string {
	property := violated(r)
	if property == nil {
		return nil
	}
	type step struct {
		at   int64
		text string
	}
	var told []step
	involved := map[int]bool{}
	from := int64(-1)
	for _, i := range property.Events {
		involved[r.History[i].Client] = true
		if began := invokeOf(r.History, i); from < 0 || began < from {
			from = began
		}
	}
	// What is asked once the harm is done explains nothing, and may be much.
	for _, op := range ops {
		if involved[op.Client] && int64(op.To) >= from && int64(op.From) <= property.At {
			told = append(told, step{int64(op.To), fmt.Sprintf("c%d  %s %s -> %s", op.Client, op.What, op.Key, op.Outcome)})
		}
	}
	if len(told) > mostSteps {
		told = told[len(told)-mostSteps:]
	}
	for _, i := range property.Events {
		e := &r.History[i]
		told = append(told, step{e.At, fmt.Sprintf("c%d  %s", e.Client, eventWords(e))})
	}
	slices.SortStableFunc(told, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	steps := make([]string, len(told))
	for i, s := range told {
		steps[i] = fmt.Sprintf("%12.6fs  %s", time.Duration(s.at).Seconds(), s.text)
	}
	return steps
}

// violated is the first property that counts and can show events, or nil.
func violated(r *Result) *linearizability.Property {
	for i := range r.Verdict.Properties {
		p := &r.Verdict.Properties[i]
		if p.Verdict == linearizability.Violation && !p.Informational && len(p.Events) > 0 {
			return p
		}
	}
	return nil
}

func eventWords(e *linearizability.Event) string {
	if e.Op == linearizability.OpAcquire && e.Phase == linearizability.Ok {
		return fmt.Sprintf("believes that it holds %s (grant %d)", e.Lock, e.Grant)
	}
	text := fmt.Sprintf("%v %v %s", e.Op, e.Phase, e.Lock)
	if e.Grant > 0 {
		text += fmt.Sprintf(" (grant %d)", e.Grant)
	}
	return text
}

// invokeOf returns the time of the invoke of the acquire that ended at i, or of the
// event itself.
func invokeOf(h linearizability.History, i int) int64 {
	if h[i].Op != linearizability.OpAcquire {
		return h[i].At
	}
	for j := i; j >= 0; j-- {
		if h[j].Process == h[i].Process && h[j].Op == linearizability.OpAcquire && h[j].Phase == linearizability.Invoke {
			return h[j].At
		}
	}
	return h[i].At
}
