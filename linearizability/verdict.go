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

// The names of the properties, in the order of Verdict.Properties.
const (
	MutualExclusion         = "mutual-exclusion"
	LockLinearizability     = "lock-linearizability"
	ProtectedEffectFenced   = "protected-effect-fenced"
	ProtectedEffectUnfenced = "protected-effect-unfenced"
	TokenOrder              = "token-order"
	LossNotice              = "loss-notice"
	Liveness                = "liveness"
)

const propertyCount = 7

var propertyNames = [propertyCount]string{MutualExclusion, LockLinearizability, ProtectedEffectFenced,
	ProtectedEffectUnfenced, TokenOrder, LossNotice, Liveness}

// Property is what one checker found.
type Property struct {
	Name    string `json:"name"`
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
		for _, name := range propertyNames {
			v.add(Property{Name: name, Detail: "malformed history: " + err.Error()})
		}
		return v
	}
	checks := [propertyCount]func(context.Context, *Params) Property{
		c.mutualExclusion,
		c.lockLinearizability,
		c.fencedEffect,
		c.unfencedEffect,
		c.tokenOrder,
		c.lossNotice,
		c.liveness,
	}
	for i, check := range checks {
		property := Property{Detail: "not judged: out of time"}
		if ctx.Err() == nil {
			property = check(ctx, &p)
		}
		property.Name = propertyNames[i]
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
