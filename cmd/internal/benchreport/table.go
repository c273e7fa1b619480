package benchreport

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/internal/plain"
)

// none stands where there is no value.
const none = "-"

type fact struct{ Name, Value string }

// table is what a terminal and a page show alike.
type table struct {
	Title   string
	Columns []column
	Rows    [][]entry
}

type column struct {
	Name   string
	Number bool
}

// entry is a value and, under it, the range in which it lies with 95 % confidence.
type entry struct{ Text, Range string }

// cleaned is r with its foreign text on one line each, without control characters
// and without what would reorder the text around it.
func cleaned(r *bench.Result) *bench.Result {
	c := *r
	for _, s := range []*string{&c.Command, &c.Commit, &c.Advice, &c.Machine.OS, &c.Machine.Arch, &c.Machine.CPU, &c.Machine.Go} {
		*s = plain.Line(*s)
	}
	c.Notes = lines(r.Notes)
	c.Cells = slices.Clone(r.Cells)
	for i := range c.Cells {
		one := &c.Cells[i]
		one.Name, one.Notes = plain.Line(one.Name), lines(one.Notes)
		one.Labels, one.Metrics, one.Distributions = slices.Clone(one.Labels), slices.Clone(one.Metrics), slices.Clone(one.Distributions)
		for j := range one.Labels {
			one.Labels[j] = bench.Label{Key: plain.Line(one.Labels[j].Key), Value: readable(plain.Line(one.Labels[j].Value))}
		}
		for j := range one.Metrics {
			one.Metrics[j].Name, one.Metrics[j].Unit = plain.Line(one.Metrics[j].Name), plain.Line(one.Metrics[j].Unit)
		}
		for j := range one.Distributions {
			one.Distributions[j].Name = plain.Line(one.Distributions[j].Name)
		}
	}
	return &c
}

// readable is a label as it is or, if it is a length of time, that with three
// digits: a third of two seconds is 667ms.
func readable(label string) string {
	if d, err := time.ParseDuration(label); err == nil && d != 0 {
		return plain.Duration(d)
	}
	return label
}

func lines(texts []string) []string {
	var all []string
	for _, s := range texts {
		all = append(all, plain.Line(s))
	}
	return all
}

// Titles of results, by their kind.
func title(r *bench.Result) string {
	switch r.Kind {
	case bench.Acquire:
		return "What an acquire costs"
	case bench.Failover:
		return "How long until another client holds the lock of one that failed"
	case bench.Sweep:
		return "What a lease setting costs"
	case bench.Compare:
		return "Locks side by side"
	}
	return string(r.Kind)
}

// facts are the head of a report: what all cells have in common, and where they
// were measured.
func facts(r *bench.Result) []fact {
	all := commonLabels(r.Cells)
	all = append(all, fact{"cells", plain.Count(int64(len(r.Cells)))}, fact{"command", r.Command})
	if r.Commit != "" {
		all = append(all, fact{"commit", r.Commit})
	}
	all = append(all, fact{"machine", machine(r.Machine)})
	if !r.Date.IsZero() {
		all = append(all, fact{"date", r.Date.UTC().Format("2006-01-02 15:04 UTC")})
	}
	return all
}

func machine(m bench.Machine) string {
	var words []string
	if m.CPU != "" {
		words = append(words, m.CPU)
	}
	if m.Cores > 0 {
		words = append(words, plain.Counted(int64(m.Cores), "core"))
	}
	words = append(words, strings.Trim(m.OS+"/"+m.Arch, "/"), m.Go)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ", ")
}

// labelKeys are the labels of all cells, in the order in which they first come.
func labelKeys(cells []bench.Cell) []string {
	var keys []string
	for _, c := range cells {
		for _, l := range c.Labels {
			if !slices.Contains(keys, l.Key) {
				keys = append(keys, l.Key)
			}
		}
	}
	return keys
}

// varies tells whether a label differs between cells.
func varies(cells []bench.Cell, key string) bool {
	return slices.ContainsFunc(cells, func(c bench.Cell) bool { return c.Label(key) != cells[0].Label(key) })
}

func commonLabels(cells []bench.Cell) []fact {
	var common []fact
	for _, key := range labelKeys(cells) {
		if !varies(cells, key) {
			common = append(common, fact{key, cells[0].Label(key)})
		}
	}
	return common
}

// settingKeys are the labels that tell the cells apart, or nil if they do not:
// then only the names of the cells do.
func settingKeys(cells []bench.Cell) []string {
	keys := slices.DeleteFunc(labelKeys(cells), func(key string) bool { return !varies(cells, key) })
	seen := make(map[string]bool)
	for _, c := range cells {
		id := fmt.Sprintf("%q", values(c, keys))
		if seen[id] {
			return nil
		}
		seen[id] = true
	}
	return keys
}

// chartKeys are as many of the settingKeys as tell the cells apart: a chart has
// little room, and the tables have the rest.
func chartKeys(cells []bench.Cell) []string {
	keys := settingKeys(cells)
	for len(keys) > 1 {
		seen := make(map[string]bool)
		for _, c := range cells {
			seen[fmt.Sprintf("%q", values(c, keys[:len(keys)-1]))] = true
		}
		if len(seen) < len(cells) {
			break
		}
		keys = keys[:len(keys)-1]
	}
	return keys
}

func values(c bench.Cell, keys []string) []string {
	var all []string
	for _, key := range keys {
		all = append(all, c.Label(key))
	}
	return all
}

// shortName is a cell for the legend of a chart: what tells it apart.
func shortName(c bench.Cell, keys []string) string {
	var words []string
	for _, key := range keys {
		if v := c.Label(key); v != "" {
			if strings.ContainsAny(v[:1], "0123456789.-+") {
				v = key + " " + v
			}
			words = append(words, v)
		}
	}
	return cmp.Or(strings.Join(words, ", "), c.Name)
}

// begin starts a table with the columns that name a cell.
func begin(title string, keys []string) table {
	t := table{Title: title}
	for _, key := range keys {
		t.Columns = append(t.Columns, column{Name: key})
	}
	if len(keys) == 0 {
		t.Columns = []column{{Name: "cell"}}
	}
	return t
}

func names(c bench.Cell, keys []string) []entry {
	if len(keys) == 0 {
		return []entry{{Text: c.Name}}
	}
	var row []entry
	for _, v := range values(c, keys) {
		row = append(row, entry{Text: cmp.Or(v, none)})
	}
	return row
}

// tables are all figures of a result.
func tables(r *bench.Result) []table {
	if side := sideBySide(r); side != nil {
		return side
	}
	keys := settingKeys(r.Cells)
	var all []table
	for _, t := range []table{metricTable(r, keys), timingTable(r, keys)} {
		if len(t.Rows) > 0 {
			all = append(all, t)
		}
	}
	return all
}

// kinds are the metrics of all cells, as far as they differ in name or unit.
func kinds(cells []bench.Cell) []bench.Metric {
	var all []bench.Metric
	for _, c := range cells {
		for _, m := range c.Metrics {
			if !slices.ContainsFunc(all, func(k bench.Metric) bool { return k.Name == m.Name && k.Unit == m.Unit }) {
				all = append(all, m)
			}
		}
	}
	return all
}

func metricTable(r *bench.Result, keys []string) table {
	t := begin("Figures", keys)
	columns := kinds(r.Cells)
	for _, m := range columns {
		t.Columns = append(t.Columns, column{Name: heading(m), Number: true})
	}
	for _, c := range r.Cells {
		if len(c.Metrics) == 0 {
			continue
		}
		row := names(c, keys)
		for _, k := range columns {
			e := entry{Text: none}
			if m, ok := c.Metric(k.Name); ok && m.Unit == k.Unit {
				e = metricEntry(m)
			}
			row = append(row, e)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// heading is a metric with its unit and which way is better. A unit that each
// value shows, or that the name says already, is not said again.
func heading(m bench.Metric) string {
	words := m.Name
	if m.Unit != "" && m.Unit != "ns" && m.Unit != unitRatio && !said(m) {
		words += " " + m.Unit
	}
	switch m.Better {
	case bench.LowerIsBetter:
		words += " ↓"
	case bench.HigherIsBetter:
		words += " ↑"
	}
	return words
}

func said(m bench.Metric) bool {
	return strings.Contains(m.Name, m.Unit) || strings.HasPrefix(m.Unit, "1/") && strings.HasSuffix(m.Name, m.Unit[1:])
}

func metricEntry(m bench.Metric) entry {
	if m.Name == nameFront && (m.Value == 0 || m.Value == 1) {
		return entry{Text: map[float64]string{0: "no", 1: "yes"}[m.Value]}
	}
	e := entry{Text: quantity(m.Value, m.Unit)}
	if m.Low != 0 || m.High != 0 {
		e.Range = quantity(m.Low, m.Unit) + "–" + quantity(m.High, m.Unit)
	}
	return e
}

// quantity writes a value in its unit.
func quantity(v float64, unit string) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return none
	case unit == "ns":
		return plain.Duration(time.Duration(math.Round(min(max(v, -1<<62), 1<<62))))
	case unit == unitRatio:
		return plain.Number(v) + "x"
	}
	return plain.Number(v)
}

func ns(v int64) string { return plain.Duration(time.Duration(v)) }

// shares are the quantiles that any distribution keeps, rising.
func shares(cells []bench.Cell) []float64 {
	var all []float64
	for _, c := range cells {
		for _, d := range c.Distributions {
			for _, q := range d.Quantiles {
				all = append(all, q.Share)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shareName is "p50" for 0.5 and "p99.9" for 0.999.
func shareName(share float64) string {
	return "p" + strconv.FormatFloat(math.Round(share*1e8)/1e6, 'f', -1, 64)
}

func timingTable(r *bench.Result, keys []string) table {
	t := begin(timings, keys)
	t.Columns = append(t.Columns, column{Name: "what"}, column{Name: "count", Number: true})
	quantiles := shares(r.Cells)
	for _, share := range quantiles {
		t.Columns = append(t.Columns, column{Name: shareName(share), Number: true})
	}
	t.Columns = append(t.Columns, column{Name: "max", Number: true}, column{Name: "mean", Number: true})
	for _, c := range r.Cells {
		for _, d := range c.Distributions {
			row := append(names(c, keys), entry{Text: d.Name}, entry{Text: plain.Count(d.Count)})
			for _, share := range quantiles {
				q, ok := d.Quantile(share)
				row = append(row, quantileEntry(q, ok))
			}
			t.Rows = append(t.Rows, append(row, entry{Text: ns(d.Max)}, entry{Text: quantity(d.Mean, "ns")}))
		}
	}
	return t
}

func quantileEntry(q bench.Quantile, ok bool) entry {
	if !ok {
		return entry{Text: none}
	}
	e := entry{Text: ns(q.Value)}
	if q.Low != 0 || q.High != 0 {
		e.Range = ns(q.Low) + "–" + ns(q.High)
	}
	return e
}

// notes are those of the result and of its cells.
func notes(r *bench.Result) []string {
	all := slices.Clone(r.Notes)
	for _, c := range r.Cells {
		for _, note := range c.Notes {
			all = append(all, c.Name+": "+note)
		}
	}
	return all
}

// key explains the signs in the tables.
const key = "↓ lower is better, ↑ higher is better; under a value, where it lies with 95 % confidence."

// timings is the title of the table of distributions.
const timings = "Timings"
