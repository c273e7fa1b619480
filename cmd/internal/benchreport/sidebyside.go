package benchreport

import (
	"strings"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// The labels of a comparison with other locks.
const (
	labelServer  = "server"
	labelMeasure = "measure"
	labelLock    = "lock"
	labelSetting = "settings"
)

// sideBySide has one table for each server and measure of a comparison, with a
// line for each lock: what was measured, and the ratios to it that cmd/internal/bench/peers
// calls "lockproof/peer". It is nil for a result that has other labels.
func sideBySide(r *bench.Result) []table {
	if r.Kind != bench.Compare {
		return nil
	}
	var all []table
	at := make(map[string]int)
	for _, c := range r.Cells {
		server, measure := c.Label(labelServer), c.Label(labelMeasure)
		if server == "" || measure == "" || c.Label(labelLock) == "" {
			return nil
		}
		title := server + ", " + measure
		i, known := at[title]
		if !known {
			i = len(all)
			at[title] = i
			all = append(all, table{Title: title, Columns: []column{
				{Name: "lock"}, {Name: "settings"}, {Name: "ttl"}, {Name: "measured", Number: true},
				{Name: "ours / this", Number: true}, {Name: "besides"},
			}})
		}
		all[i].Rows = append(all[i].Rows, lockRow(c))
	}
	return all
}

// lockRow is one lock of a comparison. The first metric and the first ratio are
// the measure's own; what else there is stands beside them.
func lockRow(c bench.Cell) []entry {
	measured, ratio := entry{Text: none}, entry{Text: none}
	var besides []string
	for _, m := range c.Metrics {
		isRatio := strings.HasPrefix(m.Name, "lockproof/peer")
		switch {
		case isRatio && ratio.Text == none:
			ratio = metricEntry(m)
		case !isRatio && measured.Text == none:
			measured = metricEntry(m)
		case !isRatio:
			besides = append(besides, m.Name+" "+metricEntry(m).Text)
		}
	}
	if len(c.Metrics) == 0 && len(c.Notes) > 0 {
		besides = c.Notes[len(c.Notes)-1:]
	}
	return []entry{
		{Text: c.Label(labelLock)}, {Text: c.Label(labelSetting)}, {Text: c.Label(labelTTL)}, measured, ratio,
		{Text: strings.Join(besides, ", ")},
	}
}
