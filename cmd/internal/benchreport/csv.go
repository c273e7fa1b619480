package benchreport

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// CSV writes r as RFC 4180 has it, one row for each figure of each cell: a
// metric, or a quantile, mean, least or greatest value of a distribution. The
// columns are cell, one label.KEY for each label, of (metric or timing), name,
// stat, unit, value, low, high, better, count and samples (of the rounds, between
// spaces). Text that a spreadsheet would take for a formula has a ' before it.
// The error is that of w.
func CSV(w io.Writer, r *bench.Result) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	keys := labelKeys(r.Cells)
	head := []string{"cell"}
	for _, key := range keys {
		head = append(head, "label."+key)
	}
	// A csv.Writer keeps its first error; Flush has it.
	_ = out.Write(append(head, "of", "name", "stat", "unit", "value", "low", "high", "better", "count", "samples"))
	for _, c := range r.Cells {
		cell := []string{inert(c.Name)}
		for _, v := range values(c, keys) {
			cell = append(cell, inert(v))
		}
		for _, row := range csvRows(c) {
			_ = out.Write(append(cell[:len(cell):len(cell)], row...))
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("benchreport: write: %w", err)
	}
	return nil
}

func csvRows(c bench.Cell) [][]string {
	var rows [][]string
	for _, m := range c.Metrics {
		low, high := "", ""
		if m.Low != 0 || m.High != 0 {
			low, high = decimal(m.Low), decimal(m.High)
		}
		var samples []string
		for _, v := range m.Samples {
			samples = append(samples, decimal(v))
		}
		count := ""
		if len(samples) > 0 {
			count = strconv.Itoa(len(samples))
		}
		rows = append(rows, []string{"metric", inert(m.Name), "value", inert(m.Unit), decimal(m.Value), low, high,
			string(m.Better), count, strings.Join(samples, " ")})
	}
	for _, d := range c.Distributions {
		count := strconv.FormatInt(d.Count, 10)
		row := func(stat, value, low, high string) {
			rows = append(rows, []string{"timing", inert(d.Name), stat, "ns", value, low, high, "", count, ""})
		}
		row("min", strconv.FormatInt(d.Min, 10), "", "")
		for _, q := range d.Quantiles {
			low, high := "", ""
			if q.Low != 0 || q.High != 0 {
				low, high = strconv.FormatInt(q.Low, 10), strconv.FormatInt(q.High, 10)
			}
			row(shareName(q.Share), strconv.FormatInt(q.Value, 10), low, high)
		}
		row("max", strconv.FormatInt(d.Max, 10), "", "")
		row("mean", decimal(d.Mean), "", "")
	}
	return rows
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// inert is text that is no formula to a spreadsheet (OWASP, CSV injection).
func inert(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}
