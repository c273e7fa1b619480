package linearizability

import (
	"context"
	"errors"
	"fmt"
)

// Status is what a checker found. The zero value is Unknown, so that a verdict
// that nobody filled in is not a pass.
type Status uint8

// The statuses.
const (
	// Unknown: the checker gave up, or the history cannot tell.
	Unknown Status = iota
	// OK: the property held in this history.
	OK
	// Violation: the property did not hold, with a witness.
	Violation
	// NotApplicable: the history has nothing that the property speaks of.
	NotApplicable
)

var statusNames = [...]string{"unknown", "ok", "violation", "n/a"}

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// MarshalText writes "ok", "violation", "unknown" or "n/a".
func (s Status) MarshalText() ([]byte, error) {
	if int(s) >= len(statusNames) {
		return nil, fmt.Errorf("no such status: %d", uint8(s))
	}
	return []byte(statusNames[s]), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Status) UnmarshalText(b []byte) error {
	for i, name := range statusNames {
		if name == string(b) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("no such status: %q", b)
}

// Worst is the status of a whole with parts a and b: a violation outweighs an
// unknown, that an ok, and that an n/a.
func Worst(a, b Status) Status {
	rank := func(s Status) int {
		switch s {
		case NotApplicable:
			return 0
		case OK:
			return 1
		case Violation:
			return 3
		}
		return 2
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// Class is what kind of question a property answers. Outputs keep them apart: that a
// lock is slow or dear is not that it is unsafe.
type Class string

// The classes.
const (
	Safety Class = "safety"
	// Notice: what a holder is told of its lease.
	Notice Class = "notice"
	// Progress: that what should happen does, in time.
	Progress Class = "liveness"
	Cost     Class = "cost"
)

// The names of the properties, in the order of Verdict.Properties.
const (
	MutualExclusion         = "mutual-exclusion"
	LockLinearizability     = "lock-linearizability"
	ProtectedEffectFenced   = "protected-effect-fenced"
	ProtectedEffectUnfenced = "protected-effect-unfenced"
	TokenOrder              = "token-order"
	LossNotice              = "loss-notice"
	LeaseKept               = "lease-kept"
	EndIsFinal              = "end-is-final"
	ValidAnswers            = "valid-answers"
	Liveness                = "liveness"
	CallReturns             = "call-returns"
	AcquirePersists         = "acquire-persists"
	FreeGranted             = "free-granted"
	Starvation              = "starvation"
	RenewalInterval         = "renewal-interval"
	RequestsBudget          = "request-budget"
)

// properties are all that there are, in the order of Verdict.Properties.
var properties = [...]struct {
	name  string
	class Class
	check func(*Checker, context.Context, *Params) Property
}{
	{MutualExclusion, Safety, (*Checker).mutualExclusion},
	{LockLinearizability, Safety, (*Checker).lockLinearizability},
	{ProtectedEffectFenced, Safety, (*Checker).fencedEffect},
	{ProtectedEffectUnfenced, Safety, (*Checker).unfencedEffect},
	{TokenOrder, Safety, (*Checker).tokenOrder},
	{LossNotice, Notice, (*Checker).lossNotice},
	{LeaseKept, Notice, (*Checker).leaseKept},
	{EndIsFinal, Notice, (*Checker).endIsFinal},
	{ValidAnswers, Notice, (*Checker).validAnswers},
	{Liveness, Progress, (*Checker).liveness},
	{CallReturns, Progress, (*Checker).callReturns},
	{AcquirePersists, Progress, (*Checker).acquirePersists},
	{FreeGranted, Progress, (*Checker).freeGranted},
	{Starvation, Progress, (*Checker).starvation},
	{RenewalInterval, Progress, (*Checker).renewalInterval},
	{RequestsBudget, Cost, (*Checker).requestBudget},
}

const propertyCount = len(properties)

// Property is what one checker found.
type Property struct {
	Name    string `json:"name"`
	Class   Class  `json:"class,omitempty"`
	Verdict Status `json:"verdict"`
	// Informational: the verdict of the history does not depend on this.
	Informational bool `json:"informational,omitempty"`
	// Detail is one sentence: who, when and by how much, or why not.
	Detail string `json:"detail"`
	// Lock and At (true time, ns) are where the witness was found.
	Lock string `json:"lock,omitempty"`
	At   int64  `json:"at,omitempty"`
	// Count is how many witnesses there are where the checker counts them all.
	Count int `json:"count,omitempty"`
	// Size is how long the overlap, the lateness or the stall was, in ns.
	Size int64 `json:"size_ns,omitempty"`
	// Events are the witness: positions in the history, rising.
	Events []int `json:"events,omitempty"`
}

// Verdict is what all checkers found. It is Unknown as long as one that is not
// informational is, and Violation as soon as one is.
type Verdict struct {
	Verdict Status `json:"verdict"`
	// Malformed says why the history could not be judged.
	Malformed string `json:"malformed,omitempty"`
	// StoreContractBroken: the run broke the store's contract, so that a
	// violation accuses the store and not the lock.
	StoreContractBroken bool `json:"store_contract_broken,omitempty"`
	// Properties are always all, in the order of the package comment.
	Properties []Property `json:"properties"`
}

// Property returns the property of that name.
func (v *Verdict) Property(name string) (Property, bool) {
	for _, p := range v.Properties {
		if p.Name == name {
			return p, true
		}
	}
	return Property{}, false
}

// Checker judges histories one after the other and keeps its memory in between.
// It is for one goroutine at a time. Its zero value works.
type Checker struct {
	index     index
	lin       linearizer
	stretches []stretch
	ends      []int64
	way       inTheWay
	order     []int32
}

// Check judges h. When ctx ends, what is not judged by then is Unknown.
func Check(ctx context.Context, p Params, h History) Verdict {
	var c Checker
	return c.Check(ctx, p, h)
}

// Check judges h. When ctx ends, what is not judged by then is Unknown.
func (c *Checker) Check(ctx context.Context, p Params, h History) Verdict {
	v := Verdict{StoreContractBroken: p.StoreContractBroken, Properties: make([]Property, 0, propertyCount)}
	if err := c.load(&p, h); err != nil {
		v.Malformed = err.Error()
		for _, property := range properties {
			v.add(Property{Name: property.name, Class: property.class, Detail: "malformed history: " + err.Error()})
		}
		return v
	}
	for _, of := range properties {
		property := Property{Detail: "not judged: out of time"}
		if ctx.Err() == nil {
			property = of.check(c, ctx, &p)
		}
		property.Name, property.Class = of.name, of.class
		v.add(property)
	}
	return v
}

func (c *Checker) load(p *Params, h History) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("params: %w", err)
	}
	if len(h) > maxEvents {
		return errors.New("too many events")
	}
	return c.index.build(p, h)
}

// maxEvents is what the positions of an index can count.
const maxEvents = 1<<31 - 1

func (v *Verdict) add(p Property) {
	p.Informational = p.Name == ProtectedEffectUnfenced
	if len(v.Properties) == 0 {
		v.Verdict = NotApplicable
	}
	v.Properties = append(v.Properties, p)
	if !p.Informational {
		v.Verdict = Worst(v.Verdict, p.Verdict)
	}
}
