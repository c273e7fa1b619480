package linearizability

import (
	"context"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// wholeLock returns all steps of the only lock of a history.
func wholeLock(t *testing.T, file string) (*lockPart, []step) {
	t.Helper()
	p, h := readTestdata(t, file)
	var c Checker
	if err := c.load(&p, h); err != nil {
		t.Fatal(err)
	}
	c.index.searchPartOf(&c.lin.part, 0, &p)
	return &c.lin.part, c.index.steps(&c.lin.part, 0, c.lin.part.everything(), &p)
}

func TestSearchGivesUpAtTheSameStepEverywhere(t *testing.T) {
	part, steps := wholeLock(t, "testdata/good-maybes-each-seen.jsonl")
	left := map[int]bool{}
	for range 3 {
		b := newBudget(context.Background())
		b.steps = 50_000
		if got := b.check(part, steps); got != porcupine.Unknown || b.why != "the search took too many steps" {
			t.Errorf("%v, %q", got, b.why)
		}
		left[b.steps] = true
		if got := b.check(part, steps); got != porcupine.Unknown || b.why == "" {
			t.Errorf("with nothing left: %v, %q", got, b.why)
		}
	}
	if len(left) != 1 {
		t.Errorf("the steps that were left differ: %v", left)
	}
	b := newBudget(context.Background())
	b.bytes = 1 << 20
	if got := b.check(part, steps); got != porcupine.Unknown || b.why != "the search took too much memory" {
		t.Errorf("%v, %q", got, b.why)
	}
	if used := searchSteps - b.steps; used > 100_000 {
		t.Errorf("%d steps in a megabyte", used)
	}
	if got := newBudget(context.Background()).check(part, make([]step, pieceOperations+1)); got != porcupine.Unknown {
		t.Errorf("too many operations: %v", got)
	}
}

func TestSearchEndsWithItsContext(t *testing.T) {
	part, steps := wholeLock(t, "testdata/good-maybes-each-seen.jsonl")
	ctx, cancel := context.WithCancel(context.Background())
	b := newBudget(ctx)
	m := lockModel(part, steps)
	inner := m.Step
	asked := 0
	m.Step = func(state, input, output any) (bool, any) {
		if asked++; asked == 10_000 {
			cancel()
		}
		return inner(state, input, output)
	}
	porcupine.CheckOperationsTimeout(b.limited(m, len(steps)), operations(steps), 0)
	if b.why != "the checker was stopped" || asked > 12_000 {
		t.Errorf("%q after %d steps", b.why, asked)
	}
}

// TestSearchThatGivesUpAccusesNobody cuts the search short at every length.
func TestSearchThatGivesUpAccusesNobody(t *testing.T) {
	for name, file := range testdataNamed(t, "*") {
		if !strings.HasPrefix(name, "good-") && !strings.HasPrefix(name, "bad-lock-linearizability") {
			continue
		}
		part, steps := wholeLock(t, file)
		want := porcupine.Ok
		if strings.HasPrefix(name, "bad-") {
			want = porcupine.Illegal
		}
		unknown := 0
		for limit := range 60 {
			b := newBudget(context.Background())
			b.steps = limit
			switch got := b.check(part, steps); got {
			case porcupine.Unknown:
				unknown++
			case want:
			default:
				t.Errorf("%s: %v after %d steps, want %v", name, got, limit, want)
			}
		}
		if unknown == 0 {
			t.Errorf("%s: it never gave up", name)
		}
	}
}
