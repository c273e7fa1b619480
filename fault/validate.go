package fault

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Limits are what a run allows its plan.
type Limits struct {
	// Clients is the number of clients; a client fault's Target is below it.
	Clients int
	// End is the instant by which every fault has ended.
	End time.Duration
}

// problem is what is wrong with one field of a fault.
type problem struct {
	field string
	text  string
}

func (p *problem) Error() string { return p.field + ": " + p.text }

func problemf(field, format string, args ...any) *problem {
	return &problem{field, fmt.Sprintf(format, args...)}
}

// Validate checks the fault by itself, against the table of kinds. The error
// names the field.
func (f Fault) Validate() error {
	if p := f.check(); p != nil {
		return fmt.Errorf("fault %q: %w", f.String(), p)
	}
	return nil
}

func (f Fault) check() *problem {
	info := Describe(f.Kind)
	if info.Kind == "" {
		return &problem{"Kind", unknownKind(f.Kind).Error()}
	}
	switch {
	case info.OnStore && f.Target != Store:
		return problemf("Target", "%s is a fault of the store, not of %s", f.Kind, targetName(f.Target))
	case !info.OnStore && f.Target == Store:
		return problemf("Target", "%s is a fault of a client, not of the store", f.Kind)
	case !info.OnStore && f.Target < 0:
		return problemf("Target", "%d is not a client's index", f.Target)
	case f.Start < 0:
		return problemf("Start", "%s is before the run", f.Start)
	case f.Duration < 0:
		return problemf("Duration", "%s is negative", f.Duration)
	case info.Duration == Lasting && f.Duration == 0, info.Duration == Instant && f.Duration != 0:
		return problemf("Duration", "%s is refused; %s takes %s", f.Duration, f.Kind, info.Duration)
	case f.Duration > math.MaxInt64-f.Start:
		return problemf("Duration", "%s ends later than time can be counted", f.Duration)
	}
	if p := info.checkAmount(f.Amount); p != nil {
		return p
	}
	return info.checkAim(f.Aim)
}

func (i Info) checkAmount(n int64) *problem {
	if i.Unit == NoUnit {
		if n != 0 {
			return problemf("Amount", "%d is refused; %s takes none", n, i.Kind)
		}
		return nil
	}
	if n == 0 && i.MinAmount != 0 || n < i.MinAmount || n > i.MaxAmount {
		return problemf("Amount", "%s is refused; %s takes %s", i.amount(n), i.Kind, i.amountRange())
	}
	return nil
}

// amountRange names the amounts that the kind takes.
func (i Info) amountRange() string {
	text := i.amount(i.MinAmount) + " to " + i.amount(i.MaxAmount)
	if i.MinAmount < 0 {
		text += ", but not 0"
	}
	return text
}

// Validate checks that the plan can be run within the limits: each fault by
// itself, at a client that exists, ended in time, in the order of starts, and no
// two faults of one kind at one target in force at once. Faults that only touch,
// the one beginning where the other ends, do not overlap; two faults without
// duration do if they begin at the same instant. The error names the fault,
// counted from 1, and the field.
func Validate(plan Plan, l Limits) error {
	for i, f := range plan {
		p := f.check()
		if p == nil {
			p = f.within(l)
		}
		if p == nil && i > 0 && f.Start < plan[i-1].Start {
			p = problemf("Start", "%s is before %s, the start of the fault before it; sort the plan", f.Start, plan[i-1].Start)
		}
		if p != nil {
			return fmt.Errorf("fault %d (%s): %w", i+1, f, p)
		}
	}
	return checkOverlaps(plan)
}

func (f Fault) within(l Limits) *problem {
	if f.Target >= l.Clients {
		if l.Clients <= 0 {
			return problemf("Target", "%s does not exist; there are no clients", targetName(f.Target))
		}
		return problemf("Target", "%s does not exist; the last of %d clients is %s",
			targetName(f.Target), l.Clients, targetName(l.Clients-1))
	}
	if f.Start > l.End {
		return problemf("Start", "%s is after %s, by when every fault has to end", f.Start, l.End)
	}
	if f.End() > l.End {
		return problemf("Duration", "%s ends at %s, after %s, by when every fault has to end", f.Duration, f.End(), l.End)
	}
	return nil
}

// checkOverlaps looks, in a plan that is in the order of starts, for faults of
// one kind at one target that are in force at once. Of each kind and target it
// remembers only the fault before: any other has ended even earlier.
func checkOverlaps(plan Plan) error {
	type place struct {
		kind   Kind
		target int
	}
	last := make(map[place]int)
	for i, f := range plan {
		at := place{f.Kind, f.Target}
		if j, ok := last[at]; ok && overlap(plan[j], f) {
			return fmt.Errorf("fault %d (%s): %w", i+1, f,
				problemf("Start", "%s overlaps fault %d (%s) of the same kind and target", f.Start, j+1, plan[j]))
		}
		last[at] = i
	}
	return nil
}

// overlap says whether two faults are in force at once. A fault without duration
// is in force at its start.
func overlap(a, b Fault) bool {
	if a.Start == b.Start {
		return true
	}
	if a.Start > b.Start {
		a, b = b, a
	}
	return b.Start < a.End()
}

// Sort brings the plan, in place, into the one order that depends on nothing but
// its faults: by start, then by the table of kinds, target, duration, amount and aim.
func Sort(plan Plan) {
	slices.SortStableFunc(plan, func(a, b Fault) int {
		if c := cmp.Compare(a.Start, b.Start); c != 0 {
			return c // what follows takes longer, and is all reckoned out
		}
		return cmp.Or(
			cmp.Compare(rank(a.Kind), rank(b.Kind)),
			cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Target, b.Target),
			cmp.Compare(a.Duration, b.Duration),
			cmp.Compare(a.Amount, b.Amount),
			cmp.Compare(a.Aim.Ops, b.Aim.Ops),
			cmp.Compare(a.Aim.Moment, b.Aim.Moment),
			cmp.Compare(a.Aim.Nth, b.Aim.Nth),
		)
	})
}
