package report

import (
	"slices"

	"github.com/lockproof/lockproof/harness"
)

// overview is the whole run in a strip: who held when, and where to look.
type overview struct {
	Height  int
	Boxes   []box
	Windows []box // what is drawn below; all of the run if empty
}

// overview draws the holds of the whole run, those that would share a pixel as
// one, so that its size does not depend on the length of the run.
func (p *picture) overview(r *harness.Result, t *track, mine []focus) overview {
	s := scale{from: 0, to: p.End, width: plotWidth}
	rows := max(1, len(p.laneOf))
	row := min(6, max(2, 90/rows))
	o := overview{Height: rows*row + 6}
	first := 0
	if p.hasStore {
		first = 1
	}
	last := make([]int, rows) // the last box of each row, 1 + its position
	holds := slices.Clone(t.holds)
	slices.SortStableFunc(holds, func(a, b hold) int { return int(min(1, max(-1, a.from-b.from))) })
	for i := range holds {
		h := &holds[i]
		at, shown := p.laneOf[h.client]
		if !shown {
			continue
		}
		at -= first
		if k := last[at]; k > 0 && s.tenths(h.from) <= s.tenths(o.Boxes[k-1].B)+10 {
			o.Boxes[k-1].B = max(o.Boxes[k-1].B, h.to)
			continue
		}
		o.Boxes = append(o.Boxes, box{Class: "hold", A: h.from, B: h.to, Y: 3 + at*row, H: row - 1})
		last[at] = len(o.Boxes)
	}
	for i := range mine {
		class := "region"
		if mine[i].informational {
			class += " informational"
		}
		o.Boxes = append(o.Boxes, box{Class: class, A: mine[i].from, B: mine[i].to, Y: 0, H: o.Height})
	}
	for i := range o.Boxes {
		b := &o.Boxes[i]
		b.X, b.W = s.x(b.A), s.w(b.A, b.B, 12)
	}
	if p.From > 0 || p.To < p.End {
		o.Windows = append(o.Windows, box{A: p.From, B: p.To, X: s.x(p.From), W: s.w(p.From, p.To, 10), H: o.Height})
	}
	return o
}
