package benchreport

import (
	"math"
	"slices"
	"strings"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// setting is a lease setting with others of one front.
type setting struct {
	Name   string  `json:"name"`
	Points []point `json:"points"`
}

type point struct {
	Name   string  `json:"name"`
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Size   float64 `json:"size"`
	Front  bool    `json:"front"`
	Hollow bool    `json:"hollow"` // predicted, not measured
}

// frontChart shows lease settings: how long nobody holds the lock after a death
// against how often a living holder loses it. A line joins the settings of one
// front.
func frontChart(r *bench.Result) (chart, bool) {
	lines, cells := fronts(r)
	if len(cells) == 0 {
		return chart{}, false
	}
	d := chartData{Kind: "front", Lines: lines, Names: [3]string{nameFailover, nameFalse, nameRequests}}
	least, least2, most := math.Inf(1), math.Inf(1), 0.0
	for _, line := range lines {
		for _, p := range line.Points {
			if p.Y > 0 {
				least = min(least, p.Y)
			}
			least2, most = min(least2, p.Size), max(most, p.Size)
		}
	}
	d.Floor, d.Size = floor(least), [2]float64{least2, most}
	return chart{
		Title: "What a lease setting costs",
		Note: "Further left and lower is better, and a smaller bubble is cheaper (" + nameRequests +
			"). A line joins the settings that no other beats in all three. Hollow is predicted, filled is measured. Both axes are logarithmic; a rate of 0 stands on the lowest line.",
		Summary: summary("Lease settings. ", cells, chartKeys(r.Cells), func(c bench.Cell) []string {
			var words []string
			for _, name := range []string{nameFailover, nameFalse, nameRequests} {
				m, _ := c.Metric(name)
				words = append(words, name+" "+quantity(m.Value, m.Unit))
			}
			if m, _ := c.Metric(nameFront); m.Value == 1 {
				words = append(words, nameFront)
			}
			return words
		}),
		Data: d,
	}, true
}

// floor is where a rate of 0 stands on a logarithmic axis: below all others.
func floor(least float64) float64 {
	if math.IsInf(least, 0) {
		return 0.1
	}
	return math.Pow(10, math.Floor(math.Log10(least))-1)
}

// fronts are the settings that can be drawn, in lines of those that share all
// labels but ttl, renewal and where the figures come from.
func fronts(r *bench.Result) ([]setting, []bench.Cell) {
	keys := settingKeys(r.Cells)
	rest := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k == labelTTL || k == labelRenew || k == labelSource })
	var lines []setting
	var cells []bench.Cell
	for _, c := range r.Cells {
		x, okX := c.Metric(nameFailover)
		y, okY := c.Metric(nameFalse)
		if !okX || !okY || x.Value <= 0 || y.Value < 0 || math.IsInf(x.Value+y.Value, 0) || math.IsNaN(x.Value+y.Value) {
			continue
		}
		size, _ := c.Metric(nameRequests)
		front, _ := c.Metric(nameFront)
		name := ""
		if len(rest) > 0 {
			name = shortName(c, rest)
		}
		i := slices.IndexFunc(lines, func(s setting) bool { return s.Name == name })
		if i < 0 {
			i = len(lines)
			lines = append(lines, setting{Name: name})
		}
		lines[i].Points = append(lines[i].Points, point{Name: settingName(c), X: x.Value, Y: y.Value, Size: max(finite(size.Value), 0),
			Front: front.Value == 1, Hollow: c.Label(labelSource) == predicted})
		cells = append(cells, c)
	}
	return lines, cells
}

// settingName is "ttl 10s, renew 3.3s", or the name of a cell without labels.
func settingName(c bench.Cell) string {
	var words []string
	for _, key := range []string{labelTTL, labelRenew} {
		if v := c.Label(key); v != "" {
			words = append(words, key+" "+v)
		}
	}
	if len(words) == 0 {
		return c.Name
	}
	return strings.Join(words, ", ")
}
