package figures_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/internal/figures"
)

var update = flag.Bool("update", false, "write the figures into the documents")

const root = "../.."

// TestFiguresAreThoseOfTheirFiles reads every figure of the documents from the
// file that it names.
func TestFiguresAreThoseOfTheirFiles(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, path := range append(documents, filepath.Join(root, "README.md"), filepath.Join(root, "results", "README.md")) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen += strings.Count(string(b), "<!-- /figure -->")
		now, err := figures.Update(os.DirFS(root), string(b))
		if err != nil {
			t.Errorf("%s:\n%v", path, err)
			continue
		}
		if *update {
			if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if diff := cmp.Diff(string(b), now); diff != "" {
			t.Errorf("%s has other figures than the files that it names (-document +files); go test ./internal/figures -update writes them:\n%s", path, diff)
		}
	}
	if seen == 0 {
		t.Error("no document has a figure")
	}
}

const result = `{"advice":"ttl <20 s>","cells":[{"name":"nats/again","metrics":[
	{"name":"acquire/CAS","value":1.2345,"low":1.21,"high":1.256},{"name":"grants","value":12345.4}],
	"distributions":[{"name":"hand-off","count":7,"quantiles":[{"share":0.5,"value":858123},{"share":0.99,"value":2000000,"low":1000000,"high":3000000}]}]},
	{"name":"twin"},{"name":"twin"}],"share":0.973}`

func files() fstest.MapFS { return fstest.MapFS{"results/a.json": {Data: []byte(result)}} }

func TestAFigureIsReadFromItsFile(t *testing.T) {
	for directive, want := range map[string]string{
		"cells[nats/again].metrics[acquire/CAS] number":                      "1.23 [1.21, 1.26]",
		"cells[nats/again].metrics[acquire/CAS].value number":                "1.23",
		"cells[0].metrics[grants] count":                                     "12,345",
		"cells[nats/again].distributions[hand-off].quantiles[0.5] time":      "858 µs",
		"cells[nats/again].distributions[hand-off].quantiles[0.99] time":     "2 ms [1 ms, 3 ms]",
		"cells[nats/again].distributions[hand-off].quantiles[0.99].low time": "1 ms",
		"share yearly":  "8,523",
		"share percent": "97.3 %",
		"advice text":   "ttl &lt;20 s&gt;",
	} {
		open := "<!-- figure results/a.json " + directive + " -->"
		got, err := figures.Update(files(), "An acquire is "+open+"9.99<!-- /figure --> of it.")
		if err != nil || got != "An acquire is "+open+want+"<!-- /figure --> of it." {
			t.Errorf("%s: %q, %v; want %q", directive, got, err, want)
		}
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		"<!-- figure results/b.json share number -->1<!-- /figure -->":                "file does not exist",
		"<!-- figure results/a.json shares number -->1<!-- /figure -->":               `no field "shares"`,
		"<!-- figure results/a.json cells[nats/other].name text -->1<!-- /figure -->": "0 elements are [nats/other]",
		"<!-- figure results/a.json cells[twin].name text -->1<!-- /figure -->":       "2 elements are [twin]",
		"<!-- figure results/a.json cells[9].name text -->1<!-- /figure -->":          "0 elements are [9]",
		"<!-- figure results/a.json share.value number -->1<!-- /figure -->":          `no field "value"`,
		"<!-- figure results/a.json cells number -->1<!-- /figure -->":                "neither a number",
		"<!-- figure results/a.json share hours -->1<!-- /figure -->":                 `no format "hours"`,
		"<!-- figure results/a.json -->1<!-- /figure -->":                             "FILE PATH FORMAT",
		"<!-- figure results/a.json share number -->1":                                "not closed",
		"1<!-- /figure -->": "closed without being opened",
		"<!-- table results/a.json pears -->\n<!-- /table -->":                  "FILE peers",
		"<!-- measured -->\nan acquire takes 1.23 requests\n<!-- /measured -->": `"1.23" has no comment`,
		"<!-- measured -->\na hand-off takes 15 ms\n<!-- /measured -->":         "has no comment",
		"<!-- measured -->\n12,000 hand-offs\n<!-- /measured -->":               "has no comment",
	} {
		if _, err := figures.Update(files(), text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestOnlyMeasuredFiguresNeedTheirFile(t *testing.T) {
	const text = "3.5 ms here\n<!-- measured -->\nwith `--ttl 2.5s` and 8 clients, <!-- by-command -->1.5 s<!-- /by-command -->, " +
		"[there](a/1.25/b):\n```\n<!-- figure FILE PATH FORMAT --> 2.5 ms\n```\n<!-- figure results/a.json share number -->0.973<!-- /figure --> x\n<!-- /measured -->\n"
	if got, err := figures.Update(files(), text); err != nil || got != text {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPeersAreATable(t *testing.T) {
	row := func(lock, measure, metrics string) string {
		return `{"labels":[{"key":"lock","value":"` + lock + `"},{"key":"settings","value":"same"},{"key":"measure","value":"` + measure + `"}],"metrics":[` + metrics + `]}`
	}
	const time = `{"name":"failover","unit":"ns","value":1500000}`
	file := `{"cells":[` + strings.Join([]string{
		row("lockproof", "failover", time), row("twin", "failover", time+`,{"name":"lockproof/peer failover","unit":"x","value":0.5,"low":0.4,"high":0.6}`),
		row("slow", "failover", time), row("two", "failover", time+`,{"name":"held by two","value":3}`), row("two", "handoff", time),
	}, ",") + `]}`
	const open = "<!-- table a.json peers -->\n"
	const want = open + "| | failover | handoff |\n| --- | --- | --- |\n| twin, same | 0.5 [0.4, 0.6] | - |\n| slow, same | it takes 1.5 ms | - |\n" +
		"| two, same | held by two at once | it takes 1.5 ms |\n<!-- /table -->"
	got, err := figures.Update(fstest.MapFS{"a.json": {Data: []byte(file)}}, open+"<!-- /table -->")
	if err != nil || got != want {
		t.Errorf("%s\nwant\n%s\n%v", got, want, err)
	}
}
