package report

import (
	"slices"
	"strconv"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// A lane from top to bottom:
//
//	fault labels
//	|=== hold ===|   or   --- wait ---
//	renewals, accesses
func (l *lane) bar() (y, h int) {
	top, bottom := 13, 11
	if l.H < 40 {
		top, bottom = 10, 8
	}
	return l.Y + top, l.H - top - bottom
}

// faults shades the lanes for as long as each fault lasts; a fault of the store
// shades all.
func (p *picture) faults(r *harness.Result) {
	drawn := 0
	for _, f := range r.Scenario.Plan {
		from, to := int64(f.Start), int64(f.End())
		if to < p.From || from > p.To {
			continue
		}
		if drawn++; drawn > maxBands {
			p.Notes = append(p.Notes, "Only the first "+plain.Count(maxBands)+" faults are drawn.")
			break
		}
		at, shown := p.laneOf[f.Target]
		if f.Target == fault.Store {
			at, shown = 0, true
		}
		if !shown {
			continue
		}
		l := &p.Lanes[at]
		info := fault.Describe(f.Kind)
		tip := faultWords(f)
		class := "fault " + string(info.Group)
		p.Bands = append(p.Bands, p.box(class, from, to, l.Y, l.H, 20, tip))
		if f.Target == fault.Store && len(p.Lanes) > 1 {
			last := &p.Lanes[len(p.Lanes)-1]
			p.Bands = append(p.Bands, p.box(class+" wide", from, to, l.Y+l.H, last.Y+last.H-l.Y-l.H, 20, tip))
		}
		y := l.Y + 9
		if f.Target == fault.Store {
			y = l.TextY
		}
		p.Labels = append(p.Labels, label{Class: "on-fault " + string(info.Group), A: from, B: max(to, from+1), Y: y,
			Text: faultLabel(f), Row: rowName("f", l.Y)})
	}
	if heal := int64(r.Params.HealAt); heal > 0 && len(r.Scenario.Plan) > 0 && heal >= p.From && heal <= p.To {
		p.Bands = append(p.Bands, p.box("heal", heal, heal, axisHeight, p.Height-axisHeight, 10,
			"from "+clockTime(heal, false)+" s on no fault is active"))
	}
}

// faultLabel is the kind with its amount; faultWords is all there is to it.
func faultLabel(f fault.Fault) string {
	text := string(f.Kind)
	if amount := faultAmount(f); amount != "" && f.Amount != 0 {
		text += " " + amount
	}
	if aim := f.Aim.String(); aim != "" {
		text += " " + aim
	}
	return text
}

func faultAmount(f fault.Fault) string {
	switch fault.Describe(f.Kind).Unit {
	case fault.Nanoseconds:
		text := plain.Duration(time.Duration(f.Amount))
		if f.Amount > 0 && fault.Describe(f.Kind).MinAmount < 0 {
			text = "+" + text
		}
		return text
	case fault.PartsPerMillion:
		text := strconv.FormatInt(f.Amount, 10) + " ppm"
		if f.Amount > 0 {
			text = "+" + text
		}
		return text
	case fault.PerMille:
		return plain.Decimals(f.Amount, 10, 1) + "%"
	}
	return ""
}

func faultWords(f fault.Fault) string {
	text := targetName(f.Target) + ": " + faultLabel(f)
	if f.Duration > 0 {
		text += span(int64(f.Start), int64(f.End()))
	} else {
		text += " at " + clockTime(int64(f.Start), false) + " s"
	}
	if summary := fault.Describe(f.Kind).Summary; summary != "" {
		text += "; " + summary
	}
	return text
}

// track draws holds, waits and marks.
func (p *picture) track(r *harness.Result, t *track, mine []focus) {
	witness := map[int]bool{}
	for i := range mine {
		if !mine[i].informational {
			for _, at := range mine[i].events {
				witness[at] = true
			}
		}
	}
	for i := range t.waits {
		w := &t.waits[i]
		at, shown := p.laneOf[w.client]
		if !shown || w.to < p.From || w.from > p.To {
			continue
		}
		y, h := p.Lanes[at].bar()
		p.Waits = append(p.Waits, p.box("wait "+waitClass(w), w.from, w.to, y+h/2-1, 3, 10, waitWords(w)))
	}
	for i := range t.holds {
		h := &t.holds[i]
		at, shown := p.laneOf[h.client]
		if !shown || h.to < p.From || h.from > p.To {
			continue
		}
		y, height := p.Lanes[at].bar()
		class := "hold " + h.mode.String()
		if witness[h.okAt] {
			class += " witness"
		}
		p.Holds = append(p.Holds, p.box(class, h.from, h.to, y, height, 15, holdWords(h)))
		p.Labels = append(p.Labels, label{Class: "on-hold", A: h.from, B: h.to, Y: y + height/2 + 4,
			Text: holdLabel(h), Short: holdNumber(h), Row: rowName("h", y)})
	}
	for _, m := range t.marks {
		p.mark(&r.History[m.event], m, witness[m.event])
	}
}

func waitClass(w *wait) string {
	switch {
	case w.crashed || w.end == lin.Invoke:
		return "open"
	case w.end == lin.Fail:
		return "refused"
	case w.end == lin.Info:
		return "unclear"
	}
	return "granted"
}

func holdLabel(h *hold) string {
	if h.token != 0 {
		return "token " + holdNumber(h)
	}
	return "grant " + holdNumber(h)
}

func holdNumber(h *hold) string {
	if h.token != 0 {
		return strconv.FormatUint(h.token, 10)
	}
	return strconv.FormatInt(h.grant, 10)
}

func (p *picture) mark(e *lin.Event, m mark, witness bool) {
	at, shown := p.laneOf[m.client]
	if !shown || m.at < p.From || m.at > p.To {
		return
	}
	l := &p.Lanes[at]
	y, h := l.bar()
	kind, low := markKind(e)
	if kind == "" {
		return
	}
	place := y + h/2
	if low {
		place = l.Y + l.H - 4
	}
	if witness {
		kind += " witness"
	}
	p.Marks = append(p.Marks, sign{Kind: kind, A: m.at, X: p.scale.x(m.at), Y: place,
		Tip: clockTime(m.at, true) + " s: " + clientName(m.client) + " " + inWords(e)})
}

// markKind names the sign for an event; low ones are drawn under the bar.
func markKind(e *lin.Event) (kind string, low bool) {
	switch e.Op {
	case lin.OpCrash:
		return "crash", false
	case lin.OpExpire:
		return "expire", false
	case lin.OpLost:
		return "lost", false
	case lin.OpAcquire:
		if e.Phase == lin.Fail {
			return "refused", false
		}
		return "unclear", false
	case lin.OpRelease:
		return phaseWords(e.Phase, "", "released", "failed", "unclear"), false
	case lin.OpRenew:
		return phaseWords(e.Phase, "", "renewed", "failed", "unclear"), true
	case lin.OpRead, lin.OpWrite:
		if e.Phase == lin.Fail {
			return "rejected", true
		}
		return e.Op.String(), true
	}
	return "", false
}

// region outlines where a property failed, on the lanes concerned.
func (p *picture) region(f *focus) {
	if f.to < p.From || f.from > p.To || len(p.Lanes) == 0 {
		return
	}
	class := "region"
	if f.informational {
		class += " informational"
	}
	tip := f.label + span(f.from, f.to)
	last := &p.Lanes[len(p.Lanes)-1]
	p.Regions = append(p.Regions, p.box(class+" veil", f.from, f.to, axisHeight, last.Y+last.H-axisHeight, 30, tip))
	for c, at := range p.laneOf {
		if len(f.clients) > 0 && !slices.Contains(f.clients, c) {
			continue
		}
		l := &p.Lanes[at]
		y, h := l.bar()
		p.Regions = append(p.Regions, p.box(class+" outline", f.from, f.to, y-3, h+6, 60, tip))
	}
	slices.SortStableFunc(p.Regions, func(a, b box) int { return a.Y - b.Y })
}
