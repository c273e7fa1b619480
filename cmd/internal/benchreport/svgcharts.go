package benchreport

import (
	"cmp"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lockproof/lockproof/internal/plain"
)

// cdf draws the first view of a chart of cumulative distributions.
func (d *drawing) cdf(data chartData) error {
	v := data.Views[0]
	d.plot.Title.Text = v.Name
	var values []float64
	for _, s := range v.Series {
		var points plotter.XYs
		for _, p := range s.Points {
			points = append(points, plotter.XY{X: math.Log10(p[0]), Y: p[1]})
			values = append(values, p[0])
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color, line.Width = ink(s.Color), 1.75
		if s.Color >= 8 {
			line.Dashes = []vg.Length{5, 3}
		}
		d.plot.Add(line)
		d.entry(s.Name, line)
	}
	span(&d.plot.X, values, writeDuration)
	d.plot.Y.Tick.Marker = percentTicks()
	d.plot.Y.Min, d.plot.Y.Max = 0, 1.02
	return nil
}

// parts draws stacked bars and, over them, quantiles with their ranges.
func (d *drawing) parts(data chartData) error {
	at := d.rows(data.Rows)
	d.plot.Title.Text += "\n(lines through a mark: 95 % confidence)"
	d.plot.X.Min, d.plot.X.Tick.Marker = 0, durationTicks{}
	var below *plotter.BarChart
	for i, p := range data.Parts {
		values := make(plotter.Values, len(data.Rows))
		for row, v := range p.Values {
			values[len(values)-1-row] = v
		}
		bars, err := plotter.NewBarChart(values, 15)
		if err != nil {
			return err
		}
		bars.Horizontal, bars.Color, bars.LineStyle.Width = true, ink(i), 0
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		d.plot.Add(bars)
		d.entry(p.Name+", mean", bars)
	}
	var names []string
	for _, s := range data.Spots {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	for i, name := range names {
		if err := d.marks(data, name, at, ink(len(data.Parts)+i), i); err != nil {
			return err
		}
	}
	return nil
}

// ranges are points with their distances to the ends of their ranges.
type ranges struct {
	plotter.XYs
	plotter.XErrors
}

// marks draws one quantile of every row.
func (d *drawing) marks(data chartData, name string, at func(int) float64, c color.Color, shape int) error {
	var all plotter.XYs
	var known ranges
	for _, s := range data.Spots {
		if s.Name != name {
			continue
		}
		point := plotter.XY{X: s.Value, Y: at(s.Row)}
		all = append(all, point)
		if s.Low != 0 || s.High != 0 {
			known.XYs = append(known.XYs, point)
			known.XErrors = append(known.XErrors, struct{ Low, High float64 }{s.Value - s.Low, s.High - s.Value})
		}
	}
	if len(known.XYs) > 0 {
		bars, err := plotter.NewXErrorBars(known)
		if err != nil {
			return err
		}
		bars.LineStyle.Color, bars.LineStyle.Width = c, 1.5
		d.plot.Add(bars)
	}
	scatter, err := plotter.NewScatter(all)
	if err != nil {
		return err
	}
	scatter.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 4, Shape: []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}}[shape%2]}
	d.plot.Add(scatter)
	d.entry(name+" of the "+data.Whole, scatter)
	return nil
}

// durationTicks marks a linear axis of nanoseconds at about six round values.
type durationTicks struct{}

// Ticks implements plot.Ticker.
func (durationTicks) Ticks(low, high float64) []plot.Tick {
	raw := (high - low) / 6
	if !(raw > 1e-3) || math.IsInf(raw, 0) {
		return []plot.Tick{{Value: low, Label: writeDuration(low)}}
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * power
	for _, s := range []float64{1, 2, 5} {
		if s*power >= raw {
			step = s * power
			break
		}
	}
	var ticks []plot.Tick
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		name := "0"
		if v != 0 {
			name = writeDuration(v)
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: name})
	}
	return ticks
}

// front draws lease settings as bubbles and joins those on the front.
func (d *drawing) front(data chartData) error {
	var xs []float64
	ys := []float64{data.Floor}
	y := func(p point) float64 { return math.Log10(max(p.Y, data.Floor)) }
	for i, line := range data.Lines {
		var joined plotter.XYs
		var named plotter.XYLabels
		for _, p := range line.Points {
			xs, ys = append(xs, p.X), append(ys, max(p.Y, data.Floor))
			if p.Front {
				at := plotter.XY{X: math.Log10(p.X), Y: y(p)}
				joined = append(joined, at)
				short := strings.NewReplacer(labelTTL+" ", "", labelRenew+" ", "", ", ", " / ").Replace(p.Name)
				named.XYs, named.Labels = append(named.XYs, at), append(named.Labels, label(short))
			}
		}
		slices.SortFunc(joined, func(a, b plotter.XY) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(b.Y, a.Y)) })
		if len(joined) > 0 {
			l, err := plotter.NewLine(joined)
			if err != nil {
				return err
			}
			l.Color, l.Width = ink(i), 1.25
			d.plot.Add(l)
		}
		if err := d.bubbles(line, data.Size, y, ink(i)); err != nil {
			return err
		}
		if len(joined) > 0 {
			labels, err := plotter.NewLabels(named)
			if err != nil {
				return err
			}
			for j := range labels.TextStyle {
				labels.TextStyle[j].Font = d.legend.TextStyle.Font
				labels.TextStyle[j].Font.Size, labels.TextStyle[j].Color = 9, gray(0x50)
			}
			labels.Offset = vg.Point{X: 11, Y: -3}
			d.plot.Add(labels)
		}
	}
	d.height = 430
	d.plot.Title.Text += "\n(larger: more requests; ring: predicted; line: what no other setting beats)"
	span(&d.plot.X, xs, writeDuration)
	span(&d.plot.Y, ys, func(v float64) string {
		if v <= data.Floor*1.01 {
			return "0"
		}
		return plain.Number(v)
	})
	d.plot.X.Label.Text, d.plot.Y.Label.Text = data.Names[0], data.Names[1]
	return nil
}

// bubbles draws settings, larger where a setting costs more requests.
func (d *drawing) bubbles(line setting, size [2]float64, y func(point) float64, c color.RGBA) error {
	var at plotter.XYs
	for _, p := range line.Points {
		at = append(at, plotter.XY{X: math.Log10(p.X), Y: y(p)})
	}
	scatter, err := plotter.NewScatter(at)
	if err != nil {
		return err
	}
	scatter.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 4, Shape: draw.CircleGlyph{}}
	scatter.GlyphStyleFunc = func(i int) draw.GlyphStyle {
		p, style := line.Points[i], scatter.GlyphStyle
		if size[1] > size[0] {
			style.Radius = vg.Length(3 + 9*math.Sqrt((p.Size-size[0])/(size[1]-size[0])))
		}
		if p.Hollow {
			style.Shape = draw.RingGlyph{}
		}
		return style
	}
	d.plot.Add(scatter)
	d.entry(cmp.Or(line.Name, "settings"), scatter)
	return nil
}
