package benchreport

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// GoBench writes r in the format of Go benchmarks (golang.org/design/14313), for
// benchstat and whatever else reads it. A cell has one line for each round that
// its metrics kept samples of; figures that were made once stand in the first
// line alone, so that benchstat does not count them as often as there were
// rounds. The error is that of w.
func GoBench(w io.Writer, r *bench.Result) error {
	var b strings.Builder
	for _, f := range []fact{
		{"goos", r.Machine.OS}, {"goarch", r.Machine.Arch}, {"cpu", r.Machine.CPU}, {"kind", string(r.Kind)},
		// benchstat compares only what agrees in all lines above, so what may
		// differ between two results is no line that it reads.
		{"# go", r.Machine.Go}, {"# commit", r.Commit}, {"# command", r.Command},
	} {
		if f.Value != "" {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, oneLine(f.Value))
		}
	}
	for _, note := range notes(r) {
		fmt.Fprintf(&b, "# %s\n", oneLine(note))
	}
	b.WriteString("\n")
	units(&b, r.Cells)
	for _, c := range r.Cells {
		for _, line := range rounds(c) {
			fmt.Fprintf(&b, "Benchmark%s 1 %s\n", benchName(r, c), strings.Join(line, " "))
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("benchreport: write: %w", err)
	}
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// units says which way is better, once for each unit.
func units(b *strings.Builder, cells []bench.Cell) {
	var done []string
	for _, m := range kinds(cells) {
		unit := benchUnit(m)
		if (m.Better == bench.LowerIsBetter || m.Better == bench.HigherIsBetter) && !slices.Contains(done, unit) {
			done = append(done, unit)
			fmt.Fprintf(b, "Unit %s better=%s\n", unit, m.Better)
		}
	}
}

// benchName is the name of a benchmark, with the number of processors behind it
// as the testing package writes it.
func benchName(r *bench.Result, c bench.Cell) string {
	kind := []rune(string(r.Kind))
	if len(kind) > 0 {
		kind[0] = unicode.ToUpper(kind[0])
	}
	name := string(kind) + "/" + field(c.Name)
	if r.Machine.Cores > 1 {
		name += "-" + strconv.Itoa(r.Machine.Cores)
	}
	return name
}

// field keeps text in one field of a line.
func field(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), "-")
}

// benchUnit is a metric as a unit: its name and, unless that is said, its unit.
func benchUnit(m bench.Metric) string {
	if m.Unit == "" || m.Unit == unitRatio || said(m) {
		return field(m.Name)
	}
	return field(m.Name + "-" + m.Unit)
}

// rounds are the values of a cell with their units, a line for each round.
func rounds(c bench.Cell) [][]string {
	var lines [][]string
	add := func(round int, v float64, unit string) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		for len(lines) <= round {
			lines = append(lines, nil)
		}
		if slices.Contains(lines[round], unit) {
			return // a metric that repeats a quantile; a unit stands once in a line
		}
		lines[round] = append(lines[round], strconv.FormatFloat(v, 'f', -1, 64), unit)
	}
	for _, m := range c.Metrics {
		if len(m.Samples) == 0 {
			add(0, m.Value, benchUnit(m))
		}
		for round, v := range m.Samples {
			add(round, v, benchUnit(m))
		}
	}
	for _, d := range c.Distributions {
		for _, q := range d.Quantiles {
			add(0, float64(q.Value), field(d.Name+"-"+shareName(q.Share)+"-ns"))
		}
	}
	return slices.DeleteFunc(lines, func(line []string) bool { return len(line) == 0 })
}
