package benchreport

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/internal/plain"
)

// Picture names a picture that SVG can draw.
type Picture string

// The pictures.
const (
	// PictureCDF is the cumulative distribution of one timing, for every cell.
	PictureCDF Picture = "cdf"
	// PictureFailover stacks the parts of an outage and marks its quantiles.
	PictureFailover Picture = "failover"
	// PicturePareto shows lease settings: failover time against false failovers.
	PicturePareto Picture = "pareto"
)

func pictures() []Picture { return []Picture{PictureCDF, PictureFailover, PicturePareto} }

func (p Picture) file() string { return string(p) + ".svg" }

// chart is what a picture shows of a result; ok is false if it has no figures
// for it.
func (p Picture) chart(r *bench.Result) (c chart, ok bool) {
	switch p {
	case PictureCDF:
		return cdfChart(r)
	case PictureFailover:
		return partsChart(r)
	case PicturePareto:
		return frontChart(r)
	}
	return chart{}, false
}

// SVGs are the pictures that r has figures for.
func SVGs(r *bench.Result) []Picture {
	var all []Picture
	for _, p := range pictures() {
		if _, ok := p.chart(r); ok {
			all = append(all, p)
		}
	}
	return all
}

// SVG draws one picture of r as a file that stands alone, dark on white, for a
// document. It says in words what it shows, too. The error says that r has no
// figures for that picture, or is that of w.
func SVG(w io.Writer, r *bench.Result, p Picture) error {
	c, ok := p.chart(cleaned(r))
	if !ok {
		return fmt.Errorf("benchreport: the result has no figures for a picture %q", p)
	}
	d := newDrawing(c.Title)
	var err error
	switch p {
	case PictureCDF:
		err = d.cdf(c.Data)
	case PictureFailover:
		err = d.parts(c.Data)
	case PicturePareto:
		err = d.front(c.Data)
	}
	if err != nil {
		return fmt.Errorf("benchreport: picture %s: %w", p, err)
	}
	text, err := d.render(c)
	if err != nil {
		return fmt.Errorf("benchreport: picture %s: %w", p, err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("benchreport: write: %w", err)
	}
	return nil
}

// drawing is a plot with its legend below it.
type drawing struct {
	plot   *plot.Plot
	legend plot.Legend
	lines  int // of the legend
	height vg.Length
}

const pictureWidth = 720 // points

func newDrawing(title string) *drawing {
	d := &drawing{plot: plot.New(), legend: plot.NewLegend(), height: 330}
	sans := func(size vg.Length) font.Font {
		return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
	}
	p := d.plot
	p.Title.Text = title
	p.Title.Padding = 10
	p.Title.TextStyle.Font = sans(14)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = sans(11), sans(11)
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = gray(0xb0), gray(0xb0)
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = gray(0xe2), gray(0xe2)
	p.Add(grid)
	d.legend.TextStyle.Font = sans(11)
	d.legend.Left, d.legend.Top, d.legend.Padding = true, true, 4
	return d
}

func gray(level uint8) color.Color { return color.RGBA{R: level, G: level, B: level, A: 0xff} }

// ink is the color of a series, as the page has it in the light.
func ink(i int) color.RGBA {
	all := []color.RGBA{
		{0x2f, 0x6f, 0xc4, 0xff}, {0xc8, 0x64, 0x1b, 0xff}, {0x1f, 0x8f, 0x6b, 0xff}, {0x8a, 0x4f, 0xbf, 0xff},
		{0xb3, 0x89, 0x2b, 0xff}, {0xc0, 0x3a, 0x5b, 0xff}, {0x3a, 0x94, 0xad, 0xff}, {0x6b, 0x76, 0x86, 0xff},
	}
	return all[i%len(all)]
}

// label is text that is short enough to leave room for a plot.
func label(s string) string {
	const most = 44
	if plain.Columns(s) <= most {
		return s
	}
	short := ""
	for _, r := range s {
		if plain.Columns(short)+plain.Columns(string(r)) >= most {
			break
		}
		short += string(r)
	}
	return short + "…"
}

func (d *drawing) entry(name string, t ...plot.Thumbnailer) {
	d.legend.Add(label(name), t...)
	d.lines++
}

func (d *drawing) render(c chart) ([]byte, error) {
	row := d.legend.TextStyle.FontExtents().Height + d.legend.Padding
	below := vg.Length(d.lines)*row + 18
	canvas := vgsvg.New(pictureWidth, d.height+below)
	area := draw.New(canvas)
	area.SetColor(color.White)
	area.Fill(area.Path())
	d.plot.Draw(draw.Crop(area, 8, -16, below, -8))
	d.legend.Draw(draw.Crop(area, 60, 0, 0, below-8-area.Max.Y))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	return described(b.Bytes(), c.Title, c.Summary), nil
}

// described puts words into a picture for who cannot see it, and names the fonts
// of other systems that are as wide as those it was laid out for.
func described(svg []byte, title, summary string) []byte {
	svg = bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	head := bytes.Index(svg, []byte("<svg"))
	if head < 0 {
		return svg
	}
	at := head + bytes.IndexByte(svg[head:], '>') + 1
	words := "\n<title>" + html.EscapeString(title) + "</title>\n<desc>" + html.EscapeString(summary) + "</desc>"
	return bytes.Join([][]byte{svg[:at], []byte(words), svg[at:]}, nil)
}

// logTicks marks 1, 2 and 5 of each power of ten on an axis of logarithms, or the
// powers alone where there are many.
func logTicks(low, high float64, write func(v float64) string) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	steps := []float64{1, 2, 5}
	if high-low > 5 {
		steps = []float64{1}
	}
	for e := math.Floor(low); e <= math.Ceil(high); e++ {
		for _, s := range steps {
			at := e + math.Log10(s)
			if at >= low-1e-9 && at <= high+1e-9 {
				ticks = append(ticks, plot.Tick{Value: at, Label: write(s * math.Pow(10, e))})
			}
		}
	}
	return ticks
}

func writeDuration(v float64) string { return quantity(v, "ns") }

// span makes an axis of logarithms wide enough for values above 0.
func span(axis *plot.Axis, values []float64, write func(v float64) string) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, math.Log10(v)), max(high, math.Log10(v))
	}
	pad := max(0.04*(high-low), 0.1)
	axis.Min, axis.Max = low-pad, high+pad
	axis.Tick.Marker = logTicks(axis.Min, axis.Max, write)
}

// rows names the rows of a plot, the first on top, and returns where each stands.
func (d *drawing) rows(names []string) func(row int) float64 {
	at := func(row int) float64 { return float64(len(names) - 1 - row) }
	var ticks plot.ConstantTicks
	for i, name := range names {
		ticks = append(ticks, plot.Tick{Value: at(i), Label: label(name)})
	}
	d.plot.Y.Tick.Marker, d.plot.Y.Tick.Length = ticks, 0
	d.plot.Y.Min, d.plot.Y.Max = -0.6, float64(len(names))-0.4
	d.height = vg.Length(90 + 34*len(names))
	return at
}

func percentTicks() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, v := range []float64{0, 0.25, 0.5, 0.75, 1} {
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.Itoa(int(v*100)) + "%"})
	}
	return ticks
}
