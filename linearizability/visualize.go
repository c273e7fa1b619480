package linearizability

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/anishathalye/porcupine"
)

// visualized is how many grants a picture shows at most: a picture of everything is
// a picture of nothing.
const visualized = 40

// Visualize writes porcupine's own picture of one lock's answers, an HTML page
// that needs nothing else. A longer history is cut down to what surrounds the
// place where no order was found, or else to its start. The error says so if h is
// malformed or has no such lock, or is that of w.
func Visualize(w io.Writer, p Params, h History, lock string) error {
	var c Checker
	x := &c.index
	if err := c.load(&p, h); err != nil {
		return fmt.Errorf("malformed history: %w", err)
	}
	at, ok := x.byName[lock]
	if !ok {
		return fmt.Errorf("the history has no lock %q", lock)
	}
	l := &c.lin
	x.searchPartOf(&l.part, at, &p)
	f, _ := l.part.order()
	lo := max(0, f.at-visualized/2)
	chosen := l.part.around(lo, lo+visualized, f)
	if len(l.part.holds) <= visualized {
		chosen = l.part.everything()
	}
	steps := x.steps(&l.part, at, chosen, &p)
	if len(steps) == 0 {
		return errors.New("nothing to show: the lock was never granted")
	}
	x.clampForever(steps)
	model := lockModel(&l.part, steps)
	limited := newBudget(context.Background()).limited(model, len(steps))
	_, info := porcupine.CheckOperationsVerbose(limited, operations(steps), 0)
	if err := porcupine.Visualize(model, info, w); err != nil {
		return fmt.Errorf("visualize lock %s: %w", lock, err)
	}
	return nil
}

// clampForever ends what stays open a little after everything else, as a picture
// has to end somewhere.
func (x *index) clampForever(steps []step) {
	last := x.end
	for i := range steps {
		last = max(last, steps[i].call)
	}
	for i := range steps {
		if s := &steps[i]; s.ret >= never {
			s.ret = last + 1
		}
	}
}
