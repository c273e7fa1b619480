package benchreport

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

func TestThePageLoadsNothing(t *testing.T) {
	for _, name := range examples() {
		page := written(t, func(w io.Writer) error { return HTML(w, example(t, name)) })
		if !strings.Contains(page, `http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"`) {
			t.Errorf("%s: the page does not forbid itself to load anything", name)
		}
		// What the scripts say is theirs; the policy holds for them too.
		markup := regexp.MustCompile(`(?s)<script.*?</script>`).ReplaceAllString(page, "")
		loads := regexp.MustCompile(`(?i)<\s*(\w+)[^>]*?\s(src|href|srcset|action|data|poster|background|ping|xlink:href)\s*=\s*["']?([^"'\s>]*)`)
		for _, m := range loads.FindAllStringSubmatch(markup, -1) {
			plainLink := m[1] == "a" && m[2] == "href" && strings.HasPrefix(m[3], "https://github.com/lockproof/")
			if !plainLink && !strings.HasPrefix(m[3], "data:") {
				t.Errorf("%s: <%s %s=%q>", name, m[1], m[2], m[3])
			}
		}
		if m := regexp.MustCompile(`(?i)url\(|@import|<iframe|<object|<embed|<base`).FindString(markup); m != "" {
			t.Errorf("%s: the page has %s", name, m)
		}
		if regexp.MustCompile(`<script[^>]*\ssrc`).MatchString(page) {
			t.Errorf("%s: a script is loaded", name)
		}
	}
	own := asset(t, "page.js")
	for _, bad := range []string{"http:", "https:", "fetch", "XMLHttpRequest", "WebSocket", "import(", "innerHTML", "insertAdjacentHTML", "eval("} {
		if strings.Contains(own, bad) {
			t.Errorf("page.js has %s", bad)
		}
	}
}

func asset(t *testing.T, name string) string {
	t.Helper()
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheChartLibraryIsTheOneThatIsNamed(t *testing.T) {
	text := asset(t, echartsFile)
	sum := sha256.Sum256([]byte(text))
	if got := hex.EncodeToString(sum[:]); got != echartsSHA256 {
		t.Errorf("%s has SHA-256 %s, not %s", echartsFile, got, echartsSHA256)
	}
	if strings.Contains(strings.ToLower(text), "</script") || strings.Contains(text, "<!--") {
		t.Error("the library cannot stand inside a page: it ends its own script")
	}
	for name, want := range map[string]string{"echarts.LICENSE": "Apache License", "echarts.NOTICE": "Apache ECharts", "echarts.LICENSE-d3": "Bostock"} {
		if !strings.Contains(asset(t, name), want) {
			t.Errorf("%s does not have %q", name, want)
		}
	}
}

func TestEveryChartHasWordsAndATable(t *testing.T) {
	for _, name := range examples() {
		page := written(t, func(w io.Writer) error { return HTML(w, example(t, name), example(t, "acquire")) })
		all := regexp.MustCompile(`class="chart" id="([^"]+)" role="img" aria-label="[^"]+" aria-describedby="([^"]+)"`).FindAllStringSubmatch(page, -1)
		if len(all) < 4 {
			t.Errorf("%s: %d charts", name, len(all))
		}
		seen := map[string]bool{}
		for _, m := range all {
			if seen[m[1]] {
				t.Errorf("%s: two charts are called %s", name, m[1])
			}
			seen[m[1]] = true
			words := regexp.MustCompile(`<p id="` + m[2] + `">([^<]+)</p>`).FindStringSubmatch(page)
			if len(words) != 2 || len(words[1]) < 60 {
				t.Errorf("%s: chart %s is described as %q", name, m[1], words)
			}
		}
		for _, m := range regexp.MustCompile(`(?s)<script type="application/json">(.*?)</script>`).FindAllStringSubmatch(page, -1) {
			var d chartData
			if err := json.Unmarshal([]byte(m[1]), &d); err != nil {
				t.Errorf("%s: the data of a chart: %v", name, err)
			}
		}
	}
}

// hostile is a result in which all text tries to be more than text.
func hostile(t *testing.T) *bench.Result {
	const evil = "</script><script>alert(1)</script>\x1b[31m\u202e\n\"'<img src=x onerror=alert(2)>\xff&{{.}}"
	r := example(t, "failover")
	r.Command, r.Commit, r.Advice = evil, evil, evil
	r.Notes = append(r.Notes, evil)
	r.Machine.CPU, r.Machine.OS = evil, evil
	for _, more := range []string{"acquire", "sweep"} {
		r.Cells = append(r.Cells, example(t, more).Cells...)
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		c.Name += evil
		c.Notes = []string{evil}
		c.Labels = append(c.Labels, bench.Label{Key: evil, Value: "=1+1" + evil})
		c.Metrics = append(c.Metrics, bench.Metric{Name: evil, Unit: evil, Value: 1, Low: 1, High: 2, Better: evil})
		for j := range c.Distributions {
			d := c.Distributions[j]
			d.Name += evil
			c.Distributions = append(c.Distributions, d)
		}
	}
	return r
}

func TestForeignTextIsOnlyText(t *testing.T) {
	r := hostile(t)
	page := written(t, func(w io.Writer) error { return HTML(w, r) })
	for _, bad := range []string{"<script>alert", "<img src=x", "\x1b"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if text := written(t, func(w io.Writer) error { return Terminal(w, r, 100) }); strings.ContainsAny(text, "\x1b\u202e") {
		t.Error("a terminal gets an escape sequence, or text that runs the other way")
	}
	for _, p := range SVGs(r) {
		svg := written(t, func(w io.Writer) error { return SVG(w, r, p) })
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("picture %s: %v", p, err)
			}
			if e, ok := token.(xml.StartElement); ok && (e.Name.Local == "script" || e.Name.Local == "img") {
				t.Errorf("picture %s has an element %s", p, e.Name.Local)
			}
		}
	}
}
