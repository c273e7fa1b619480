package benchreport

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

//go:embed assets
var assets embed.FS

// page is what the template shows.
type page struct {
	Title   string
	Results []section
	CSS     template.CSS
	JS      []template.JS
}

// section is one result: each chart stands over the table with its figures.
type section struct {
	Title  string
	Advice string
	Facts  []fact
	// Incomplete: it was interrupted; the notes say more.
	Incomplete bool
	Notes      []string
	Key        string
	Groups     []group
}

type group struct {
	Charts []chart
	Table  table
}

// HTML writes r, and further results below it, as one page that needs nothing
// else: styles, the script and the chart library are inside, and its own content
// policy forbids it to load anything. Without a script it shows the tables, with
// all figures. The error is that of w, or says which figure is no number.
func HTML(w io.Writer, r *bench.Result, more ...*bench.Result) error {
	p := page{Title: title(r)}
	for i, one := range append([]*bench.Result{r}, more...) {
		p.Results = append(p.Results, newSection(cleaned(one), strconv.Itoa(i+1)))
	}
	t, err := template.ParseFS(assets, "assets/page.html.tmpl")
	if err != nil {
		return fmt.Errorf("benchreport: template: %w", err)
	}
	css, err := assets.ReadFile("assets/page.css")
	if err != nil {
		return fmt.Errorf("benchreport: style: %w", err)
	}
	// Style and scripts are fixed when the program is built: nothing of a result
	// is in them.
	p.CSS = template.CSS(css)
	for _, name := range []string{echartsFile, "page.js"} {
		js, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return fmt.Errorf("benchreport: script: %w", err)
		}
		p.JS = append(p.JS, template.JS(js))
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("benchreport: page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("benchreport: write: %w", err)
	}
	return nil
}

// Apache ECharts 6.1.0, dist/echarts.common.min.js of the npm package echarts,
// unchanged: the smallest of its builds with scatter charts and tooltips. Its
// licence and notice lie beside it.
const (
	echartsFile   = "echarts.common.min.js"
	echartsSHA256 = "61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5"
)

func newSection(r *bench.Result, id string) section {
	s := section{Title: title(r), Advice: r.Advice, Facts: facts(r), Incomplete: r.Incomplete, Notes: notes(r)}
	timed := []string{"parts", "spread", "cdf"}
	all := charts(r, "chart-"+id)
	for _, t := range tables(r) {
		s.Groups = append(s.Groups, group{Table: t})
	}
	// A chart stands once: over the timings, if it is of these and they have a
	// table of their own, or else over the first table.
	for _, c := range all {
		at := 0
		if slices.Contains(timed, c.Data.Kind) {
			at = max(0, slices.IndexFunc(s.Groups, func(g group) bool { return g.Table.Title == timings }))
		}
		if len(s.Groups) > 0 {
			s.Groups[at].Charts = append(s.Groups[at].Charts, c)
		}
	}
	if len(s.Groups) > 0 {
		s.Key = key
	}
	return s
}
