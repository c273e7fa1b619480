package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

//go:embed assets
var assets embed.FS

// HTMLOptions are what a report says that is not in the result.
type HTMLOptions struct {
	// Replay is the line that runs it again. "": ReplayLine of the result.
	Replay string
	// Visualization is the relative address of porcupine's picture, "" for none.
	Visualization string
}

// Bounds of a report's size: how many events are drawn of the first lock and of
// each other one, and how many locks are drawn.
const (
	mostEvents      = 6000
	mostOtherEvents = 1500
	mostPictures    = 8
)

// page is what the template shows.
type page struct {
	Title, Subject, Backend string
	Verdict, Class          string
	Sentence                string
	Warnings                []string
	Facts                   []fact
	Replay                  string
	Properties              []propertyGroup
	HasViolation            bool   // of a property that counts
	Look                    string // what the pictures look at first, "" for the whole run
	Notes                   []string
	Pictures                []*picture
	Legend                  []legendItem
	RowsTitle, RowsNote     string
	Rows                    []eventRow
	Coverage                []fact
	Latency                 []quantileRow
	Faults                  []string
	Visualization           string
	Scenario                string
	CSS                     template.CSS
	JS                      template.JS
}

type fact struct{ Name, Value string }

type propertyGroup struct {
	Class string
	Rows  []propertyRow
}

type propertyRow struct {
	Name, Verdict, Class, Detail string
	Informational, Jump          bool
	Picture                      int
	A, B                         int64
}

type legendItem struct{ Class, Mark, Text string }

type quantileRow struct {
	Name   string
	Values []string
}

// HTML writes the report of one run as one file that needs nothing else: styles,
// script and picture are inside, and nothing is loaded from anywhere.
func HTML(w io.Writer, r *harness.Result, o HTMLOptions) error {
	p := newPage(r, o)
	t, err := template.ParseFS(assets, "assets/report.html.tmpl")
	if err != nil {
		return fmt.Errorf("report template: %w", err)
	}
	css, err := assets.ReadFile("assets/report.css")
	if err != nil {
		return fmt.Errorf("report style: %w", err)
	}
	js, err := assets.ReadFile("assets/report.js")
	if err != nil {
		return fmt.Errorf("report script: %w", err)
	}
	// Both are ours and fixed when the program is built: nothing of a run is in them.
	p.CSS, p.JS = template.CSS(css), template.JS(js)
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

func newPage(r *harness.Result, o HTMLOptions) *page {
	tracks, end := tracksOf(r.Params, r.History)
	foci := fociOf(r)
	p := &page{
		Subject: named(r.Scenario.Subject, "recorded history"), Backend: backendName(r),
		Verdict: r.Verdict.Verdict.String(), Class: statusClass(r.Verdict.Verdict),
		Sentence: resultSentence(r), Warnings: resultWarnings(r), Facts: headerFacts(r),
		Replay: o.Replay, Visualization: o.Visualization,
		Coverage: coverageFacts(&r.Coverage), Latency: latencyRows(&r.Coverage, r.Params.TTL),
	}
	if len(foci) > 0 {
		p.HasViolation, p.Look = !foci[0].informational, foci[0].name()
	}
	if p.Replay == "" && r.Scenario.Subject != "" {
		p.Replay = ReplayLine(r.Scenario)
	}
	p.Title = p.Verdict + ": " + p.Subject
	if p.Backend != "" {
		p.Title += fmt.Sprintf(" on %s, seed %d", p.Backend, r.Scenario.Seed)
	}
	p.Pictures = p.draw(r, tracks, foci, end)
	p.Properties = p.propertyGroups(r, foci)
	p.Legend = legend(r, p.Pictures)
	for _, f := range r.Scenario.Plan {
		p.Faults = append(p.Faults, faultWords(f))
	}
	p.table(r, tracks, foci)
	if p.Backend == "" {
		return p // nobody but who recorded it knows of a scenario
	}
	if text, err := r.Scenario.Encode(); err == nil {
		p.Scenario = string(text)
	} else {
		p.Scenario = err.Error()
	}
	return p
}

// draw makes the pictures: the lock of the violation first, then the others that
// have one, then the rest in the order of the history.
func (p *page) draw(r *harness.Result, tracks []*track, foci []focus, end int64) []*picture {
	order := make([]*track, 0, len(tracks))
	taken := map[string]bool{}
	take := func(lock string) {
		for _, t := range tracks {
			if t.lock == lock && !taken[lock] {
				taken[lock] = true
				order = append(order, t)
			}
		}
	}
	for _, f := range foci {
		take(f.lock)
	}
	for _, t := range tracks {
		if len(order) >= mostPictures {
			break
		}
		take(t.lock)
	}
	if left := len(tracks) - len(order); left > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%s of %d are not drawn; they are in history.jsonl.",
			plain.Counted(int64(left), "lock"), len(tracks)))
	}
	var all []*picture
	most := mostEvents
	for i, t := range order {
		all = append(all, draw(i, r, t, foci, end, most))
		most = mostOtherEvents
	}
	return all
}

func (p *page) propertyGroups(r *harness.Result, foci []focus) []propertyGroup {
	var all []propertyGroup
	for _, g := range byClass(r.Verdict.Properties) {
		group := propertyGroup{Class: string(g.class)}
		for _, property := range g.properties {
			group.Rows = append(group.Rows, p.propertyRow(property, foci, int64(r.Params.TTL)))
		}
		all = append(all, group)
	}
	return all
}

func (p *page) propertyRow(property lin.Property, foci []focus, ttl int64) propertyRow {
	row := propertyRow{Name: property.Name, Verdict: property.Verdict.String(), Class: statusClass(property.Verdict),
		Detail: property.Detail, Informational: property.Informational}
	if property.Informational && property.Verdict == lin.Violation {
		row.Class = "noted" // nobody need be alarmed
	}
	for i := range foci {
		if foci[i].property != property.Name {
			continue
		}
		for _, pic := range p.Pictures {
			if pic.Lock == foci[i].lock {
				row.Jump, row.Picture = true, pic.Index
				row.A, row.B = foci[i].window(ttl, pic.End)
			}
		}
	}
	return row
}

func headerFacts(r *harness.Result) []fact {
	s := &r.Scenario
	var facts []fact
	if s.Backend != "" {
		facts = append(facts, fact{"seed", strconv.FormatUint(s.Seed, 10)})
	}
	if r.Server != "" && s.Backend != harness.BackendSim {
		facts = append(facts, fact{"server", r.Server})
	}
	if s.Clients > 0 {
		facts = append(facts, fact{"clients", strconv.Itoa(s.Clients)}, fact{"locks", strconv.Itoa(s.Locks)})
	}
	if r.Params.TTL > 0 {
		facts = append(facts, fact{"ttl", plain.Duration(r.Params.TTL)})
	}
	if s.RenewEvery > 0 {
		facts = append(facts, fact{"renewed every", plain.Duration(s.RenewEvery.D())})
	}
	if s.MaxClockDriftPPM > 0 {
		facts = append(facts, fact{"clock drift allowed", plain.Count(s.MaxClockDriftPPM) + " ppm"})
	}
	facts = append(facts, fact{"events", plain.Count(int64(len(r.History)))})
	if s.Backend != "" {
		facts = append(facts, fact{"faults", strconv.Itoa(len(s.Plan))})
	}
	if r.TraceHash != 0 {
		facts = append(facts, fact{"trace hash", hexHash(r.TraceHash)})
	}
	return facts
}

func legend(r *harness.Result, pictures []*picture) []legendItem {
	items := []legendItem{{Class: "hold", Text: "believes in its grant"}}
	seen := map[string]bool{}
	for _, p := range pictures {
		for _, b := range slices.Concat(p.Holds, p.Waits) {
			for word := range strings.FieldsSeq(b.Class) {
				seen[word] = true
			}
		}
		seen["open"] = seen["open"] || seen["unclear"]
		for _, m := range p.Marks {
			seen["m-"+m.Symbol()] = true
		}
		for _, b := range p.Regions {
			seen["noted"] = seen["noted"] || strings.Contains(b.Class, "informational")
			seen["region"] = seen["region"] || !strings.Contains(b.Class, "informational")
		}
		for _, b := range p.Bands {
			seen["heal"] = seen["heal"] || b.Class == "heal"
		}
	}
	for _, f := range r.Scenario.Plan {
		seen["g-"+string(fault.Describe(f.Kind).Group)] = true
	}
	add := func(key string, item legendItem) {
		if seen[key] {
			items = append(items, item)
		}
	}
	add("shared", legendItem{Class: "shared", Text: "the same, shared"})
	add("witness", legendItem{Class: "witness", Text: "part of the violation"})
	items = append(items, legendItem{Class: "wait", Text: "waits for the lock"})
	add("open", legendItem{Class: "open", Text: "waits, and never gets a clear answer"})
	add("region", legendItem{Class: "region", Text: "where a property failed"})
	add("noted", legendItem{Class: "noted", Text: "where a property failed that is for information"})
	for _, m := range []struct{ mark, text string }{
		{"expire", "end of its lease by its own clock"}, {"lost", "told of the loss"}, {"released", "released"},
		{"crash", "crash"}, {"refused", "not granted"}, {"failed", "renewal or release failed"},
		{"unclear", "no clear answer"}, {"renewed", "renewed"}, {"read", "read of the resource"},
		{"write", "write"}, {"rejected", "rejected by the fence"},
	} {
		add("m-"+m.mark, legendItem{Mark: m.mark, Text: m.text})
	}
	for _, g := range fault.Groups() {
		add("g-"+string(g), legendItem{Class: string(g), Text: string(g) + " fault"})
	}
	add("heal", legendItem{Class: "heal", Text: "faults healed"})
	return items
}

// Symbol is the shape of a sign without what qualifies it.
func (s sign) Symbol() string {
	name, _, _ := strings.Cut(s.Kind, " ")
	return name
}

func statusClass(s lin.Status) string {
	if s == lin.NotApplicable {
		return "na"
	}
	return s.String()
}

func named(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}
