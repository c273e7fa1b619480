package benchreport

import (
	"fmt"
	"io"
	"strings"

	prettytable "github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/internal/plain"
)

const (
	leastWidth = 60
	mostWidth  = 200
	// between is what the table writer puts around the text of a column.
	between = 2
	// narrowest is how narrow a heading may be broken, and longestWord how long a
	// word in it may be to stay in one piece.
	narrowest   = 14
	longestWord = 24
)

// Terminal writes r for people, in lines of at most width columns; under 60
// counts as 60, over 200 as 200. Only a command to paste may be longer, for it
// is never broken. A table that is too wide is continued in a further one. The
// error is that of w.
func Terminal(w io.Writer, r *bench.Result, width int) error {
	r = cleaned(r)
	t := terminal{width: min(max(width, leastWidth), mostWidth)}
	t.wrapped("", title(r))
	all := facts(r)
	label := 0
	for _, f := range all {
		label = max(label, plain.Columns(f.Name))
	}
	label = min(label, t.width/3)
	for _, f := range all {
		name := f.Name
		head := "  " + name + strings.Repeat(" ", max(0, label-plain.Columns(name))+2)
		if f.Name == "command" {
			t.line(head + f.Value)
			continue
		}
		t.wrapped(head, f.Value)
	}
	figures := tables(r)
	for _, one := range figures {
		t.line("")
		t.table(one)
	}
	t.line("")
	if len(figures) == 0 {
		t.wrapped("", "There are no figures in this result.")
	} else {
		t.wrapped("", key)
	}
	for _, note := range notes(r) {
		t.wrapped("- ", note)
	}
	if r.Advice != "" {
		t.line("")
		t.wrapped("Advice: ", r.Advice)
	}
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return fmt.Errorf("benchreport: write: %w", err)
	}
	return nil
}

type terminal struct {
	width int
	b     strings.Builder
}

func (t *terminal) line(s string) { t.b.WriteString(strings.TrimRight(s, " ") + "\n") }

// wrapped writes text in as many lines as it needs, the first after a head and
// the others under its beginning.
func (t *terminal) wrapped(head, s string) {
	left := plain.Columns(head)
	if left > t.width/2 {
		for line := range strings.SplitSeq(plain.Wrap(head, t.width-2), "\n") {
			t.line("  " + line)
		}
		left = 4
		head = strings.Repeat(" ", left)
	}
	for line := range strings.SplitSeq(plain.Wrap(s, t.width-left), "\n") {
		t.line(head + line)
		head = strings.Repeat(" ", left)
	}
}

// brokenHeading writes a heading in lines about as wide as what is under it. The
// arrow at its end stays beside a word.
func brokenHeading(s string, width int) string {
	arrow := ""
	for _, one := range []string{" ↓", " ↑"} {
		if text, ok := strings.CutSuffix(s, one); ok {
			s, arrow = text, one
		}
	}
	longest := narrowest
	for word := range strings.FieldsSeq(s) {
		longest = max(longest, plain.Columns(word))
	}
	return plain.Wrap(s, max(width-plain.Columns(arrow), min(longest, longestWord))) + arrow
}

// cellText is what stands in a column of a table: a few lines.
func cellText(e entry, width int) string {
	s := plain.Wrap(e.Text, width)
	if e.Range != "" {
		s += "\n" + e.Range
	}
	return s
}

func widest(s string) int {
	most := 0
	for line := range strings.SplitSeq(s, "\n") {
		most = max(most, plain.Columns(line))
	}
	return most
}

// table writes the columns that name a row and as many others as fit beside
// them, and again with the others until all are written.
func (t *terminal) table(one table) {
	named := 0
	for named < len(one.Columns) && !one.Columns[named].Number {
		named++
	}
	limit, wide, fits := t.widths(one, named)
	if !fits {
		one, named = merged(one, named), 1
		limit, wide, _ = t.widths(one, named)
	}
	heading := one.Title
	for from := named; from < len(one.Columns) || from == named; {
		columns := make([]int, 0, len(one.Columns))
		room := t.width
		for i := range named {
			columns, room = append(columns, i), room-wide[i]-between
		}
		to := from
		for to < len(one.Columns) && (to == from || room >= wide[to]+between) {
			columns, room = append(columns, to), room-wide[to]-between
			to++
		}
		t.line(heading)
		t.columns(one, columns, limit, wide)
		heading = ""
		from = max(to, from+1)
	}
}

// merged puts all that names a row into one column, for a table with more names
// than there is room for.
func merged(one table, named int) table {
	m := table{Title: one.Title, Columns: append([]column{{Name: "setting"}}, one.Columns[named:]...)}
	for _, row := range one.Rows {
		var words []string
		for i, e := range row[:named] {
			if e.Text != none {
				words = append(words, one.Columns[i].Name+" "+e.Text)
			}
		}
		m.Rows = append(m.Rows, append([]entry{{Text: strings.Join(words, ", ")}}, row[named:]...))
	}
	return m
}

// widths are those of the columns, if no value is wider than limit. What names a
// row takes half of a line at most and is broken to do so, as long as that fits.
func (t *terminal) widths(one table, named int) (limit int, wide []int, fits bool) {
	for limit = t.width/2 - between; ; limit = limit * 3 / 4 {
		wide = make([]int, len(one.Columns))
		total := 0
		for i, c := range one.Columns {
			for _, row := range one.Rows {
				wide[i] = max(wide[i], widest(cellText(row[i], limit)))
			}
			wide[i] = max(wide[i], widest(brokenHeading(c.Name, wide[i])))
			if i < named {
				total += wide[i] + between
			}
		}
		fits = total <= t.width/2
		if fits || limit <= narrowest {
			return limit, wide, fits
		}
	}
}

// columns writes some of the columns of a table.
func (t *terminal) columns(one table, columns []int, limit int, wide []int) {
	w := prettytable.NewWriter()
	w.SetStyle(prettytable.StyleLight)
	w.Style().Options = prettytable.Options{SeparateHeader: true}
	w.Style().Format.Header = text.FormatDefault
	var head prettytable.Row
	var configs []prettytable.ColumnConfig
	for n, i := range columns {
		c := one.Columns[i]
		head = append(head, brokenHeading(c.Name, wide[i]))
		config := prettytable.ColumnConfig{Number: n + 1, VAlignHeader: text.VAlignBottom}
		if c.Number {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	w.AppendHeader(head)
	w.SetColumnConfigs(configs)
	for _, row := range one.Rows {
		var cells prettytable.Row
		for _, i := range columns {
			cells = append(cells, cellText(row[i], limit))
		}
		w.AppendRow(cells)
	}
	for line := range strings.SplitSeq(w.Render(), "\n") {
		t.line(line)
	}
}
