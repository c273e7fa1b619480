package benchreport

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// chart is a figure of the page: what the script needs to draw it, and what is
// read out instead of it.
type chart struct {
	ID, Title, Note string
	// Summary says in words what the chart shows, for who cannot see it.
	Summary string
	Data    chartData
}

// chartData is handed to the script as JSON. Kind says which fields it uses.
type chartData struct {
	Kind  string     `json:"kind"`
	Views []view     `json:"views,omitempty"`
	Unit  string     `json:"unit,omitempty"`
	Rows  []string   `json:"rows,omitempty"`
	Parts []part     `json:"parts,omitempty"`
	Whole string     `json:"whole,omitempty"` // what the spots of stacked bars are of
	Spots []spot     `json:"spots,omitempty"`
	Lines []setting  `json:"lines,omitempty"`
	Floor float64    `json:"floor,omitempty"`
	Names [3]string  `json:"names"` // of the axes and the size of a bubble
	Size  [2]float64 `json:"size"`  // least and greatest figure that a bubble stands for
}

// view is one of several pictures of a chart, chosen by the reader.
type view struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	// Series of a cumulative distribution.
	Series []series `json:"series,omitempty"`
	// Rows and Spots of a chart of figures.
	Rows  []string `json:"rows,omitempty"`
	Spots []spot   `json:"spots,omitempty"`
}

type series struct {
	Name   string       `json:"name"`
	Color  int          `json:"color"` // the same cell, or the same timing, has the same one
	Points [][2]float64 `json:"points"`
}

// part is a stretch of a stacked bar, by rows.
type part struct {
	Name   string    `json:"name"`
	Values []float64 `json:"values"`
}

// spot is a value in a row with its range, and what it was made of.
type spot struct {
	Row     int       `json:"row"`
	Name    string    `json:"name"`
	Value   float64   `json:"value"`
	Low     float64   `json:"low"`
	High    float64   `json:"high"`
	Samples []float64 `json:"samples,omitempty"`
}

// charts are all that r has figures for.
func charts(r *bench.Result, id string) []chart {
	var all []chart
	for _, make := range []func(*bench.Result) (chart, bool){frontChart, partsChart, handOffChart, cdfChart, figuresChart} {
		if c, ok := make(r); ok {
			c.ID = fmt.Sprintf("%s-%s", id, c.Data.Kind)
			all = append(all, c)
		}
	}
	return all
}

// finite is v, or 0 for what is no number and has no place in a chart.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// curve is a cumulative distribution as far as it is known, in points whose
// coordinates rise and whose values are above 0, for the axis is logarithmic.
func curve(d bench.Distribution) [][2]float64 {
	points := d.Curve
	if len(points) == 0 {
		points = append(points, bench.Point{Value: d.Min})
		for _, q := range d.Quantiles {
			points = append(points, bench.Point{Value: q.Value, Share: q.Share})
		}
		points = append(points, bench.Point{Value: d.Max, Share: 1})
	}
	var all [][2]float64
	for _, p := range points {
		all = append(all, [2]float64{math.Max(float64(p.Value), 1), min(max(finite(p.Share), 0), 1)})
	}
	return all
}

// distributionNames are those of all cells, in the order in which they come but
// for the outage, which is first.
func distributionNames(cells []bench.Cell) []string {
	var all []string
	for _, c := range cells {
		for _, d := range c.Distributions {
			if !slices.Contains(all, d.Name) {
				all = append(all, d.Name)
			}
		}
	}
	// The whole comes before its parts.
	slices.SortStableFunc(all, func(a, b string) int { return whole(b) - whole(a) })
	return all
}

func whole(name string) int {
	if name == nameOutage {
		return 1
	}
	return 0
}

// cdfChart shows one timing of all cells, or all timings of one cell.
func cdfChart(r *bench.Result) (chart, bool) {
	keys := chartKeys(r.Cells)
	var byName, byCell []view
	for _, name := range distributionNames(r.Cells) {
		v := view{Name: name + ", every setting"}
		for i, c := range r.Cells {
			if d, ok := c.Distribution(name); ok {
				v.Series = append(v.Series, series{Name: shortName(c, keys), Color: i, Points: curve(d)})
			}
		}
		byName = append(byName, v)
	}
	for _, c := range r.Cells {
		v := view{Name: shortName(c, keys) + ", every timing"}
		for i, d := range c.Distributions {
			v.Series = append(v.Series, series{Name: d.Name, Color: i, Points: curve(d)})
		}
		if len(v.Series) > 0 {
			byCell = append(byCell, v)
		}
	}
	views := slices.Concat(byName, byCell)
	if len(r.Cells) == 1 {
		views = byCell
	}
	if len(views) == 0 {
		return chart{}, false
	}
	return chart{
		Title: "How many were at most this slow",
		Note:  "Cumulative: at a height of 99 %, a line is at the p99. Steeper is steadier, further left is faster.",
		Summary: summary("Cumulative distributions. ", r.Cells, keys, func(c bench.Cell) []string {
			var words []string
			for _, d := range c.Distributions {
				words = append(words, d.Name+" "+spread(d))
			}
			return words
		}),
		Data: chartData{Kind: "cdf", Views: views},
	}, true
}

// spread is a distribution in words.
func spread(d bench.Distribution) string {
	var words []string
	for _, q := range d.Quantiles {
		words = append(words, shareName(q.Share)+" "+ns(q.Value))
	}
	return strings.Join(append(words, "at most "+ns(d.Max)), ", ")
}

// summary reads the figures of each cell.
func summary(head string, cells []bench.Cell, keys []string, say func(bench.Cell) []string) string {
	var all []string
	for _, c := range cells {
		if words := say(c); len(words) > 0 {
			all = append(all, shortName(c, keys)+": "+strings.Join(words, "; ")+".")
		}
	}
	return head + strings.Join(all, " ")
}

// quantileSpots are the quantiles of a distribution, as far as it keeps them.
func quantileSpots(row int, d bench.Distribution, shares ...float64) []spot {
	var all []spot
	for _, share := range shares {
		if q, ok := d.Quantile(share); ok {
			all = append(all, spot{Row: row, Name: shareName(share), Value: float64(q.Value), Low: float64(q.Low), High: float64(q.High)})
		}
	}
	return all
}

// partsChart stacks the parts of a failover. Means are stacked because they add up
// to the mean of the whole; quantiles do not. The marks are of the failover and
// not of the outage, if there is one: a holder that is cut off goes on working
// until its lease ends, so that its outage is a small part of the bar.
func partsChart(r *bench.Result) (chart, bool) {
	keys := chartKeys(r.Cells)
	d := chartData{Kind: "parts", Unit: "ns", Whole: nameOutage}
	if slices.ContainsFunc(r.Cells, func(c bench.Cell) bool { _, ok := c.Distribution(partFailover); return ok }) {
		d.Whole = partFailover
	}
	for _, name := range []string{partDetect, partAcquire, partResume} {
		d.Parts = append(d.Parts, part{Name: name})
	}
	var cells []bench.Cell
	for _, c := range r.Cells {
		whole, ok := c.Distribution(d.Whole)
		if _, both := c.Distribution(nameOutage); !ok || !both {
			continue
		}
		cells = append(cells, c)
		for i := range d.Parts {
			one, _ := c.Distribution(d.Parts[i].Name)
			d.Parts[i].Values = append(d.Parts[i].Values, max(finite(one.Mean), 0))
		}
		d.Spots = append(d.Spots, quantileSpots(len(d.Rows), whole, 0.5, 0.99)...)
		d.Rows = append(d.Rows, shortName(c, keys))
	}
	note := "Bars are means, which add up. The marks are the p50 and p99 of the whole outage, with 95 % confidence where there is a line."
	if d.Whole == partFailover {
		note = "Bars are means, which add up. The marks are the p50 and, of enough trials, the p99 of detect and acquire together, with 95 % confidence where there is a line. " +
			"A holder that is cut off goes on working until its lease ends: the outage, in which nobody works, is shorter than its bar. The table has it."
	}
	return chart{
		Title: "From the failure of a holder to the next one at work",
		Note:  note,
		Summary: summary("Stacked bars. ", cells, keys, func(c bench.Cell) []string {
			var words []string
			for _, p := range d.Parts {
				if one, ok := c.Distribution(p.Name); ok {
					words = append(words, p.Name+" "+quantity(one.Mean, "ns")+" on average")
				}
			}
			whole, _ := c.Distribution(d.Whole)
			words = append(words, d.Whole+" "+spread(whole))
			if outage, _ := c.Distribution(nameOutage); d.Whole != nameOutage {
				words = append(words, nameOutage+" "+spread(outage))
			}
			return words
		}),
		Data: d,
	}, len(cells) > 0
}

// handOffChart shows where the quantiles of hand-offs lie.
func handOffChart(r *bench.Result) (chart, bool) {
	keys := chartKeys(r.Cells)
	d := chartData{Kind: "spread", Unit: "ns"}
	var cells []bench.Cell
	for _, c := range r.Cells {
		if one, ok := c.Distribution(nameHandOff); ok {
			cells = append(cells, c)
			d.Spots = append(d.Spots, quantileSpots(len(d.Rows), one, 0.5, 0.9, 0.99)...)
			d.Rows = append(d.Rows, shortName(c, keys))
		}
	}
	return chart{
		Title: "Hand-off: from a release to the grant to another client",
		Note:  "Quantiles, each with 95 % confidence where there is a line.",
		Summary: summary("Quantiles. ", cells, keys, func(c bench.Cell) []string {
			one, _ := c.Distribution(nameHandOff)
			return []string{spread(one)}
		}),
		Data: d,
	}, len(cells) > 0
}

// figuresChart shows the metrics that are known with their uncertainty, ratios
// first.
func figuresChart(r *bench.Result) (chart, bool) {
	keys := chartKeys(r.Cells)
	var ratios, others []view
	for _, k := range kinds(r.Cells) {
		v := view{Name: k.Name, Unit: k.Unit}
		for _, c := range r.Cells {
			m, ok := c.Metric(k.Name)
			if !ok || m.Unit != k.Unit || math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
				continue
			}
			if m.Low == 0 && m.High == 0 && len(m.Samples) == 0 {
				continue
			}
			one := spot{Row: len(v.Rows), Name: m.Name, Value: m.Value, Low: finite(m.Low), High: finite(m.High)}
			for _, sample := range m.Samples {
				one.Samples = append(one.Samples, finite(sample))
			}
			v.Spots = append(v.Spots, one)
			v.Rows = append(v.Rows, shortName(c, keys))
		}
		switch {
		case len(v.Rows) == 0:
		case k.Unit == unitRatio:
			ratios = append(ratios, v)
		default:
			others = append(others, v)
		}
	}
	views := slices.Concat(ratios, others)
	return chart{
		Title: "Figures with their uncertainty",
		Note:  "The mark is the figure, the line its 95 % confidence, the faint dots are the rounds.",
		Summary: summary("Figures. ", r.Cells, keys, func(c bench.Cell) []string {
			var words []string
			for _, m := range c.Metrics {
				if e := metricEntry(m); e.Range != "" {
					words = append(words, fmt.Sprintf("%s %s (%s)", m.Name, e.Text, e.Range))
				}
			}
			return words
		}),
		Data: chartData{Kind: "figures", Views: views},
	}, len(views) > 0
}
