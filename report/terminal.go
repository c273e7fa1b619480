package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// TerminalOptions fit the text to where it is read.
type TerminalOptions struct {
	// Color marks verdicts with colours. Leave it off where the output is no
	// terminal.
	Color bool
	// Width is how many columns there are, 80 if it is 0. Under 72 counts as 72.
	// A line to paste is never broken, however long it is.
	Width int
}

const (
	defaultWidth = 80
	leastWidth   = 72
	mostWidth    = 120
	indent       = "  "
)

// Terminal writes the parts for people, one after the other.
func Terminal(w io.Writer, o TerminalOptions, parts ...Part) error {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = min(max(o.Width, leastWidth), mostWidth)
	t := terminal{TerminalOptions: o}
	for i, p := range parts {
		if i > 0 {
			t.line("")
		}
		v := p.view()
		t.part(&v)
	}
	if len(parts) > 1 {
		t.line("")
		worst := Worst(parts...)
		t.line(t.status(worst) + "  all parts together")
	}
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return nil
}

type terminal struct {
	TerminalOptions
	b strings.Builder
}

func (t *terminal) part(v *view) {
	t.line(t.status(v.verdict) + "  " + t.bold(plain.Line(v.title())))
	t.wrapped(indent, v.sentence)
	for _, warning := range v.warnings {
		t.wrapped(indent, warning)
	}
	for _, note := range v.notes {
		t.wrapped(indent, note)
	}
	t.properties(v.properties)
	if v.coverage != nil {
		t.heading("coverage")
		t.grid(append(coverageFacts(v.coverage), fact{"unanswered requests", plain.Count(v.counters.Indefinite)}))
		t.latency(latencyRows(v.coverage, v.ttl))
	}
	t.throughput(v)
	t.failures(v)
}

func (t *terminal) line(s string) { t.b.WriteString(strings.TrimRight(s, " ") + "\n") }

func (t *terminal) heading(s string) {
	t.line("")
	t.line(indent + t.bold(s))
}

// wrapped writes text in as many lines as it needs.
func (t *terminal) wrapped(prefix, s string) {
	for line := range strings.SplitSeq(plain.Wrap(plain.Line(s), t.Width-len(prefix)), "\n") {
		t.line(prefix + line)
	}
}

func (t *terminal) status(s lin.Status) string { return t.colored(s, strings.ToUpper(s.String())) }

func (t *terminal) colored(s lin.Status, words string) string {
	if !t.Color {
		return words
	}
	color := map[lin.Status]string{lin.OK: "32", lin.Violation: "31", lin.Unknown: "33", lin.NotApplicable: "2"}[s]
	return "\x1b[1;" + color + "m" + words + "\x1b[0m"
}

func (t *terminal) bold(s string) string {
	if !t.Color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

func (t *terminal) properties(properties []lin.Property) {
	name := 0
	for _, p := range properties {
		name = max(name, len(p.Name))
	}
	for _, g := range byClass(properties) {
		head := "properties"
		if g.class != "" {
			head += ": " + plain.Line(string(g.class))
		}
		t.heading(head)
		for _, p := range g.properties {
			t.property(p, name)
		}
	}
}

func (t *terminal) property(p lin.Property, name int) {
	status := len("violation")
	left := len(indent) + name + 2 + status + 2
	words, shown := plain.Line(p.Detail), p.Verdict
	if p.Informational {
		words, shown = "(for information) "+words, lin.NotApplicable // whatever it says, it is no alarm
	}
	// Colours take no room, so the padding is counted without them.
	padding := strings.Repeat(" ", max(0, status-len(p.Verdict.String())))
	head := fmt.Sprintf("%s%-*s  %s%s  ", indent, name, p.Name, t.colored(shown, p.Verdict.String()), padding)
	for line := range strings.SplitSeq(plain.Wrap(words, t.Width-left), "\n") {
		t.line(head + line)
		head = strings.Repeat(" ", left)
	}
}

// grid writes facts in as many columns as there is room for.
func (t *terminal) grid(facts []fact) {
	const number, gap = 12, 3
	label := 0
	for _, f := range facts {
		label = max(label, len(f.Name))
	}
	across := max(1, (t.Width-len(indent)+gap)/(label+number+gap))
	rows := (len(facts) + across - 1) / across
	for row := range rows {
		line := indent
		for column := range across {
			if i := column*rows + row; i < len(facts) {
				line += fmt.Sprintf("%-*s%*s%*s", label, facts[i].Name, number, facts[i].Value, gap, "")
			}
		}
		t.line(line)
	}
}

func (t *terminal) latency(rows []quantileRow) {
	if len(rows) == 0 {
		return
	}
	t.heading("latency")
	name := 0
	for _, r := range rows {
		name = max(name, len(r.Name))
	}
	row := func(name string, width int, values []string) {
		line := fmt.Sprintf("%s%-*s", indent, width, name)
		for _, value := range values {
			line += strings.Repeat(" ", max(1, 10-plain.Columns(value))) + value
		}
		t.line(line)
	}
	row("", name, []string{"count", "p50", "p90", "p99", "max"})
	for _, r := range rows {
		row(r.Name, name, r.Values)
	}
}

func (t *terminal) throughput(v *view) {
	c := v.counters
	if c.Wall <= 0 {
		return
	}
	t.heading("throughput")
	took, per, on := "in "+plain.Duration(c.Wall), c.Wall, ""
	if c.CoreTime > 0 {
		took += " (" + plain.Duration(c.CoreTime) + " of processor time)"
		per, on = c.CoreTime, " on one core"
	}
	words := fmt.Sprintf("%s store operations %s: %s/s", plain.Count(c.StoreOps), took, plain.Count(int64(perSecond(c.StoreOps, per)+0.5)))
	if v.backend == "sim" {
		words += fmt.Sprintf(" and %s x real time%s", plain.Count(int64(perSecond(int64(c.Virtual), per)/float64(time.Second)+0.5)), on)
	}
	t.wrapped(indent, words)
	if v.traceHash != 0 {
		t.line(indent + "trace hash " + hexHash(v.traceHash))
	}
}

func (t *terminal) failures(v *view) {
	for _, part := range []struct {
		verdict   lin.Status
		one, many string
		all       int
	}{{lin.Violation, "failure", "failures", v.failed}, {lin.Unknown, "not decided", "not decided", v.undecided}} {
		var shown []Failure
		for _, f := range v.failures {
			if f.Verdict == part.verdict {
				shown = append(shown, f)
			}
		}
		head := part.one
		if part.all > len(shown) {
			head = fmt.Sprintf("%s: the first %d of %s", part.many, len(shown), plain.Count(int64(part.all)))
		} else if part.all > 1 {
			head = part.many
		}
		if len(shown) > 0 {
			t.heading(head)
			t.listed(shown, v.recorded)
		}
	}
}

func (t *terminal) listed(failures []Failure, recorded bool) {
	for i, f := range failures {
		if i > 0 {
			t.line("")
		}
		name := f.Property
		if !recorded {
			name = fmt.Sprintf("seed %d: %s", f.Seed, f.Property)
		}
		t.wrapped(indent, name)
		t.wrapped(indent+indent, f.Message)
		// On a line of its own and never broken: it is there to be pasted.
		if f.Replay != "" {
			t.line(indent + indent + "replay: " + plain.Line(f.Replay))
		}
	}
}
