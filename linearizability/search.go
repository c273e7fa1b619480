package linearizability

import (
	"context"
	"fmt"

	"github.com/anishathalye/porcupine"
)

// The bounds of what porcupine may do for one history, the same on every machine.
const (
	// searchSteps is how often it may ask the model.
	searchSteps = 4_000_000
	// pieceSteps is how often it may for one set of operations.
	pieceSteps = 1_000_000
	// pieceBytes is what it may remember of one set: each step that it takes costs
	// it a bit for each operation, and some bytes for the state.
	pieceBytes = 128 << 20
	stateBytes = 256
	// pieceOperations is how many operations it is given at once.
	pieceOperations = 30_000
)

// budget is what is left of those bounds. Nothing in it is measured in seconds: a
// clock would let the verdict depend on the machine. Whoever is out of patience ends
// the context.
type budget struct {
	ctx   context.Context
	steps int
	// bytes is for each set of operations.
	bytes int64
	// why says what was used up, "" if nothing was.
	why string
}

func newBudget(ctx context.Context) *budget {
	return &budget{ctx: ctx, steps: searchSteps, bytes: pieceBytes}
}

// check asks porcupine for an order of steps within the budget.
func (b *budget) check(part *lockPart, steps []step) porcupine.CheckResult {
	b.why = ""
	switch {
	case len(steps) > pieceOperations:
		b.why = fmt.Sprintf("%d operations in one piece are too many to search", len(steps))
	case b.ctx.Err() != nil:
		b.why = "the checker was stopped"
	case b.steps <= 0:
		b.why = "the search took too many steps"
	}
	if b.why != "" {
		return porcupine.Unknown
	}
	result := porcupine.CheckOperationsTimeout(b.limited(lockModel(part, steps), len(steps)), operations(steps), 0)
	if b.why != "" {
		// The model refused every step from then on: that there was no order then says
		// nothing.
		return porcupine.Unknown
	}
	return result
}

// limited is a model that answers no step any more once the budget is used up, so
// that porcupine comes to its end at once. porcupine asks from a single goroutine,
// which it waits for.
func (b *budget) limited(m porcupine.Model, operations int) porcupine.Model {
	steps, bytes := min(b.steps, pieceSteps), b.bytes
	m.StepContext = nil
	inner := m.Step
	m.Step = func(state, input, output any) (bool, any) {
		if b.why != "" {
			return false, state
		}
		states, before := statesIn(state), b.steps
		steps, b.steps = steps-states, b.steps-states
		switch {
		case steps < 0:
			b.why = "the search took too many steps"
		case bytes < 0:
			b.why = "the search took too much memory"
		case before>>10 != b.steps>>10 && b.ctx.Err() != nil:
			b.why = "the checker was stopped"
		}
		if b.why != "" {
			return false, state
		}
		ok, next := inner(state, input, output)
		if ok {
			bytes -= int64(operations/8 + stateBytes*statesIn(next))
		}
		return ok, next
	}
	return m
}

// statesIn is how many states of the lock a state of porcupine's stands for.
func statesIn(state any) int {
	if all, ok := state.([]any); ok {
		return len(all)
	}
	return 1
}

// search asks porcupine, first for what surrounds the fault and then for more and
// more. A part without an order proves that the whole has none; that the whole has
// one is proved by the whole alone.
func (x *index) search(part *lockPart, lock int32, f fault, p *Params, limit *budget) (Status, chosen) {
	for width := 4; ; width *= 4 {
		lo, hi := f.at-width, f.at+width/2+1
		whole := lo <= 0 && hi >= len(part.holds)
		c := part.everything()
		if !whole {
			c = part.around(lo, hi, f)
		}
		switch limit.check(part, x.steps(part, lock, c, p)) {
		case porcupine.Illegal:
			return Violation, c
		case porcupine.Unknown:
			return Unknown, c
		}
		if whole {
			return OK, c
		}
	}
}
