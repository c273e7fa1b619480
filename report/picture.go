package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
)

// The measures of a picture, in units of its viewBox.
const (
	pictureWidth = 1200
	gutterWidth  = 56
	axisHeight   = 22
	storeHeight  = 22
	plotWidth    = pictureWidth - gutterWidth
	maxLanes     = 30
	maxBands     = 1000
)

// picture is the timeline of one lock.
type picture struct {
	Index int
	Lock  string
	// Concern is what the menu of locks says of it: that a property failed.
	Concern string
	Height  int
	Plot    int
	Gutter  int
	Width   int
	Axis    int
	// From and To bound what is drawn, ViewFrom and ViewTo what is seen first.
	From, To, ViewFrom, ViewTo, End int64

	Lanes    []lane
	Ticks    []tick
	Bands    []box
	Waits    []box
	Holds    []box
	Regions  []box
	Labels   []label
	Marks    []sign
	Overview overview
	Notes    []string

	scale scale
	// laneOf is the position of a client's lane, for those that have one.
	laneOf   map[int]int
	hasStore bool
}

type lane struct {
	Name  string
	Y, H  int
	TextY int
	Class string
}

// box is whatever lasts from A to B.
type box struct {
	Class string
	A, B  int64
	X, W  string
	Y, H  int
	Tip   string
}

// label is text at the left of what lasts from A to B, shown where it fits.
type label struct {
	Class string
	A, B  int64
	X     string
	Y     int
	// Text is shown where it fits, else Short, else nothing.
	Text, Short string
	Shown       string
	Row         string
	Hidden      bool
}

// sign is an instant.
type sign struct {
	Kind string
	A    int64
	X    string
	Y    int
	Tip  string
}

// draw makes the picture of one track. most bounds how many events are drawn.
func draw(index int, r *harness.Result, t *track, foci []focus, end int64, most int) *picture {
	p := &picture{Index: index, Lock: t.lock, Width: pictureWidth, Gutter: gutterWidth, Plot: plotWidth, Axis: axisHeight,
		End: max(end, 1)}
	var mine []focus
	for _, f := range foci {
		if f.lock == t.lock || f.lock == "" {
			mine = append(mine, f)
		}
	}
	if len(mine) > 0 {
		p.Concern = strings.TrimPrefix(mine[0].name(), "the ")
	}
	p.choose(r, t, mine, most)
	p.scale = scale{from: p.ViewFrom, to: p.ViewTo, width: plotWidth}
	p.lanes(r, t, mine)
	p.Ticks = p.scale.ticks()
	p.faults(r)
	p.track(r, t, mine)
	for i := range mine {
		p.region(&mine[i])
	}
	p.hideLabels()
	p.Overview = p.overview(r, t, mine)
	return p
}

// choose decides which part of the run is drawn and which is seen first.
func (p *picture) choose(r *harness.Result, t *track, mine []focus, most int) {
	ttl := sane(int64(r.Params.TTL))
	p.To = p.End
	center := 0
	if len(mine) > 0 {
		p.ViewFrom, p.ViewTo = mine[0].window(ttl, p.End)
		center, _ = slices.BinarySearchFunc(t.events, mine[0].from, func(at int, from int64) int {
			return int(min(1, max(-1, r.History[at].At-from)))
		})
	} else {
		p.ViewTo = p.End
		if ttl > 0 && p.End > ttl*40 {
			p.ViewTo = ttl * 20
		}
	}
	if len(t.events) > most {
		first := min(max(0, center-most/2), len(t.events)-most)
		p.From, p.To = sane(r.History[t.events[first]].At), sane(r.History[t.events[first+most-1]].At)
		p.ViewFrom, p.ViewTo = max(p.From, p.ViewFrom), min(p.To, p.ViewTo)
		where := "the start of the run"
		if len(mine) > 0 {
			where = mine[0].name()
			if mine[0].informational {
				where = mine[0].property
			}
		}
		p.Notes = append(p.Notes, fmt.Sprintf(
			"Drawn are the %s events of %s around %s, from %s s to %s s. All are in history.jsonl.",
			plain.Count(int64(most)), plain.Count(int64(len(t.events))), where, clockTime(p.From, false), clockTime(p.To, false)))
	}
	if p.To <= p.From {
		p.To = p.From + 1
	}
	if p.ViewTo <= p.ViewFrom {
		p.ViewFrom, p.ViewTo = p.From, p.To
	}
}

// lanes gives each client a lane. Where there are too many clients, those
// concerned by a violation come first and then the busiest.
func (p *picture) lanes(r *harness.Result, t *track, mine []focus) {
	clients := p.chosenClients(r, t, mine)
	height := 44
	switch {
	case len(clients) > 16:
		height = 30
	case len(clients) > 9:
		height = 36
	}
	y := axisHeight
	for _, f := range r.Scenario.Plan {
		p.hasStore = p.hasStore || f.Target == fault.Store
	}
	if p.hasStore {
		p.Lanes = append(p.Lanes, lane{Name: "store", Y: y, H: storeHeight, TextY: y + storeHeight/2 + 4, Class: "store"})
		y += storeHeight
	}
	p.laneOf = map[int]int{}
	for i, c := range clients {
		class := "even"
		if i%2 == 1 {
			class = "odd"
		}
		p.laneOf[c] = len(p.Lanes)
		p.Lanes = append(p.Lanes, lane{Name: clientName(c), Y: y, H: height, TextY: y + height/2 + 4, Class: class})
		y += height
	}
	p.Height = y + 4
}

func (p *picture) chosenClients(r *harness.Result, t *track, mine []focus) []int {
	busy := map[int]int{}
	for i := range min(r.Scenario.Clients, 1<<10) {
		busy[i] = 0
	}
	for _, at := range t.events {
		if e := &r.History[at]; e.At >= p.From && e.At <= p.To {
			busy[e.Client]++
		}
	}
	for _, f := range mine {
		for _, c := range f.clients {
			busy[c] += 1 << 40
		}
	}
	var clients []int
	for c := range busy {
		clients = append(clients, c)
	}
	slices.Sort(clients)
	if len(clients) <= maxLanes {
		return clients
	}
	p.Notes = append(p.Notes, fmt.Sprintf("Shown are %d of %s clients: those concerned, then the busiest.",
		maxLanes, plain.Count(int64(len(clients)))))
	slices.SortStableFunc(clients, func(a, b int) int { return busy[b] - busy[a] })
	clients = clients[:maxLanes]
	slices.Sort(clients)
	return clients
}

// box places what lasts from a to b; least is the narrowest that it gets, in
// tenths.
func (p *picture) box(class string, a, b int64, y, h int, least int64, tip string) box {
	return box{Class: class, A: a, B: b, X: p.scale.x(a), W: p.scale.w(a, b, least), Y: y, H: h, Tip: tip}
}

// labelWidth is about how wide a text is, in tenths; too wide rather than too
// narrow.
func labelWidth(text string) int64 { return int64(len([]rune(text)))*62 + 80 }

// hideLabels hides what would not fit or would cover its neighbour. The script in
// the page does the same again after each zoom.
func (p *picture) hideLabels() {
	slices.SortStableFunc(p.Labels, func(a, b label) int {
		if a.Row != b.Row {
			if a.Row < b.Row {
				return -1
			}
			return 1
		}
		return int(min(1, max(-1, a.A-b.A)))
	})
	row, free := "", int64(0)
	for i := range p.Labels {
		l := &p.Labels[i]
		if l.Row != row {
			row, free = l.Row, -1
		}
		left := max(0, p.scale.tenths(l.A))
		right := min(plotWidth*10, p.scale.tenths(l.B))
		l.X, l.Shown, l.Hidden = tenthsText(left+30), l.Text, true
		for _, words := range []string{l.Text, l.Short} {
			need := labelWidth(words)
			tight := l.Class == "on-hold" && right-left < need
			if words == "" || right <= 0 || left+need > plotWidth*10 || left < free || tight {
				continue
			}
			l.Shown, l.Hidden = words, false
			free = left + need
			break
		}
	}
}

func rowName(kind string, y int) string { return kind + strconv.Itoa(y) }
