package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// How many events before and after the violation a table holds.
const (
	rowsBefore = 24
	rowsAfter  = 16
)

// eventRow is one line of the interleaving, or a gap in it.
type eventRow struct {
	At          int64
	Time, Delta string
	Who, Words  string
	Believers   string
	Two         bool
	Class       string
	Jump        bool
	Gap         string

	order int // position in the history, for events at one instant
}

// table tells what happened around the first violation or, if there is none, how
// the run began.
func (p *page) table(r *harness.Result, tracks []*track, foci []focus) {
	if len(tracks) == 0 || len(p.Pictures) == 0 {
		return
	}
	var f *focus
	if len(foci) > 0 {
		f = &foci[0]
	}
	t := tracks[0]
	for _, other := range tracks {
		if other.lock == p.Pictures[0].Lock {
			t = other
		}
	}
	effect := f != nil && strings.HasPrefix(f.property, "protected-effect")
	events, left := relevant(r.History, t.events, f, effect)
	center := 0
	p.RowsTitle = "How it began"
	if f != nil {
		p.RowsTitle = "What happened: " + f.property
		center, _ = slices.BinarySearchFunc(events, f.from, func(at int, from int64) int { return cmp.Compare(r.History[at].At, from) })
	}
	chosen := around(events, center, f)
	p.RowsNote = fmt.Sprintf("Lock %s, true time since the start of the run.", t.lock)
	if f != nil && len(f.clients) > 0 && len(r.Scenario.Plan) > 0 {
		p.RowsNote += " Faults are those of the store and of the clients concerned."
	}
	if left > 0 {
		p.RowsNote += fmt.Sprintf(" %s of the protected resource left out.", counted2(left, "access", "accesses"))
	}
	p.Rows = rowsOf(r, t, events, chosen, f)
}

// relevant leaves accesses to the resource out unless the violation is about them.
func relevant(h lin.History, events []int, f *focus, effect bool) (kept []int, left int) {
	if effect {
		return events, 0
	}
	for _, at := range events {
		if op := h[at].Op; (op == lin.OpRead || op == lin.OpWrite) && !(f != nil && slices.Contains(f.events, at)) {
			left++
			continue
		}
		kept = append(kept, at)
	}
	return kept, left
}

// around chooses positions in events: those near center and the witness.
func around(events []int, center int, f *focus) []int {
	from, to := max(0, center-rowsBefore), min(len(events), center+rowsAfter)
	if f == nil {
		to = min(len(events), rowsBefore)
	}
	var chosen []int
	for i := from; i < to; i++ {
		chosen = append(chosen, i)
	}
	if f != nil {
		for _, at := range f.events {
			if i, ok := slices.BinarySearch(events, at); ok && (i < from || i >= to) {
				chosen = append(chosen, i)
			}
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen)
}

func rowsOf(r *harness.Result, t *track, events, chosen []int, f *focus) []eventRow {
	if len(chosen) == 0 {
		return nil
	}
	micro := f != nil && f.to-f.from < 10_000_000
	var rows []eventRow
	for k, i := range chosen {
		at := events[i]
		if k > 0 && chosen[k-1] != i-1 {
			skipped := int64(i - chosen[k-1] - 1)
			rows = append(rows, eventRow{At: r.History[at].At, order: at, Gap: plain.Counted(skipped, "event") + " between"})
		}
		rows = append(rows, rowOf(r, t, at, f, micro))
	}
	first, last := r.History[events[chosen[0]]].At, r.History[events[chosen[len(chosen)-1]]].At
	rows = append(rows, faultRows(r.Scenario.Plan, first, last, f, micro)...)
	slices.SortStableFunc(rows, func(a, b eventRow) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.order, b.order))
	})
	return rows
}

func rowOf(r *harness.Result, t *track, at int, f *focus, micro bool) eventRow {
	e := &r.History[at]
	row := eventRow{At: e.At, order: at, Time: clockTime(e.At, micro), Who: clientName(e.Client), Words: inWords(e), Jump: true}
	if f != nil {
		row.Delta = delta(e.At-f.from, micro)
		if slices.Contains(f.events, at) {
			row.Class = "witness"
			if f.informational {
				row.Class = "noted"
			}
		}
	}
	row.Believers, row.Two = believers(t, at)
	row.Two = row.Two && f != nil && !f.informational
	return row
}

func delta(ns int64, micro bool) string {
	text := clockTime(ns, micro)
	if ns > 0 {
		return "+" + text
	}
	return text
}

// believers says who believes in a grant right after an event, and whether that
// is more than one where at most one may.
func believers(t *track, at int) (names string, two bool) {
	var who []string
	exclusive := false
	for i := range t.holds {
		h := &t.holds[i]
		if h.okAt > at {
			break
		}
		if h.endAt >= 0 && h.endAt <= at {
			continue
		}
		name := clientName(h.client)
		if h.mode == lin.Shared {
			name += " (shared)"
		} else {
			exclusive = true
		}
		who = append(who, name)
	}
	return strings.Join(who, ", "), exclusive && len(who) > 1
}

// faultRows tells of the faults that begin or end among the events, and of those
// that are in force already: those of the store and of the clients concerned.
func faultRows(plan fault.Plan, first, last int64, f *focus, micro bool) []eventRow {
	var rows []eventRow
	add := func(at int64, who, words string) {
		row := eventRow{At: at, order: -1, Time: clockTime(at, micro), Who: who, Words: words, Class: "fault"}
		if f != nil {
			row.Delta = delta(at-f.from, micro)
		}
		rows = append(rows, row)
	}
	for _, one := range plan {
		if f != nil && len(f.clients) > 0 && one.Target != fault.Store && !slices.Contains(f.clients, one.Target) {
			continue
		}
		from, to, who := int64(one.Start), int64(one.End()), targetName(one.Target)
		switch {
		case from >= first && from <= last:
			length := ""
			if one.Duration > 0 {
				length = " for " + plain.Duration(one.Duration)
			}
			add(from, who, "fault begins: "+faultLabel(one)+length)
		case from < first && to > first:
			add(first, who, "fault in force: "+faultLabel(one)+" since "+clockTime(from, false)+" s")
		}
		if to > from && to >= first && to <= last {
			add(to, who, "fault ends: "+faultLabel(one))
		}
	}
	return rows
}
