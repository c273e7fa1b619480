package benchreport

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/internal/plain"
)

// parsed reads Go benchmarks as benchstat does.
func parsed(t *testing.T, r *bench.Result) (results []*benchfmt.Result, units benchfmt.UnitMetadataMap) {
	t.Helper()
	text := written(t, func(w io.Writer) error { return GoBench(w, r) })
	reader := benchfmt.NewReader(strings.NewReader(text), "result.bench")
	for reader.Scan() {
		switch one := reader.Result().(type) {
		case *benchfmt.Result:
			results = append(results, one.Clone())
		case *benchfmt.SyntaxError:
			t.Error(one)
		}
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	return results, reader.Units()
}

func TestBenchstatReadsEveryRound(t *testing.T) {
	results, units := parsed(t, example(t, "compare"))
	count := map[string]int{}
	for _, one := range results {
		count[string(one.Name)]++
	}
	if len(count) != 8 || count["Compare/nats/natslock/clients=8-2"] != 5 {
		t.Errorf("the lines are %v", count)
	}
	first := results[0]
	for key, want := range map[string]string{"goos": "linux", "goarch": "amd64", "cpu": "Example CPU 3.1GHz", "commit": "", "kind": "compare"} {
		if got := first.GetConfig(key); got != want {
			t.Errorf("%s is %q, not %q", key, got, want)
		}
	}
	if v, ok := first.Value("acquire-sec"); !ok || math.Abs(v-93120e-9) > 1e-15 {
		t.Errorf("the first acquire is %v s, %v", v, ok)
	}
	if units.GetBetter("acquire-sec") != -1 {
		t.Error("benchstat does not know that less time is better")
	}
	_, units = parsed(t, example(t, "acquire"))
	if units.GetBetter("throughput-ops/s") != 1 {
		t.Error("benchstat does not know that more throughput is better")
	}
}

func TestAFigureThatWasMadeOnceStandsOnce(t *testing.T) {
	results, _ := parsed(t, example(t, "acquire"))
	lines, once := 0, 0
	for _, one := range results {
		if string(one.Name) != "Acquire/nats/uncontended-2" {
			continue
		}
		lines++
		if _, ok := one.Value("acquire-p50-sec"); ok {
			once++
		}
	}
	if lines != 5 || once != 1 {
		t.Errorf("%d lines, %d with the p50", lines, once)
	}
}

func TestBenchstatReadsForeignNames(t *testing.T) {
	r := hostile(t)
	if results, _ := parsed(t, r); len(results) < len(r.Cells) {
		t.Errorf("%d lines of %d cells", len(results), len(r.Cells))
	}
}

func TestCSVHasEveryFigure(t *testing.T) {
	for _, r := range []*bench.Result{example(t, "acquire"), example(t, "sweep"), hostile(t)} {
		rows, err := csv.NewReader(strings.NewReader(written(t, func(w io.Writer) error { return CSV(w, r) }))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		for _, c := range r.Cells {
			want += len(c.Metrics)
			for _, d := range c.Distributions {
				want += 3 + len(d.Quantiles)
			}
		}
		if len(rows) != want {
			t.Errorf("%d rows, not %d", len(rows), want)
		}
		value := slices.Index(rows[0], "value")
		for _, row := range rows[1:] {
			if _, err := strconv.ParseFloat(row[value], 64); err != nil {
				t.Error(err)
			}
			for i, field := range row {
				if i != value && field != "" && strings.ContainsAny(field[:1], "=+@") {
					t.Errorf("a spreadsheet takes %q for a formula", field)
				}
			}
		}
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	for _, width := range []int{0, 72, 80, 100, 500} {
		most := min(max(width, leastWidth), mostWidth)
		for _, r := range []*bench.Result{example(t, "acquire"), example(t, "failover"), example(t, "sweep"), example(t, "compare"), hostile(t)} {
			text := written(t, func(w io.Writer) error { return Terminal(w, r, width) })
			for line := range strings.SplitSeq(text, "\n") {
				if plain.Columns(line) > most && !strings.HasPrefix(line, "  command ") {
					t.Errorf("%s at %d: %d columns: %s", r.Kind, width, plain.Columns(line), line)
				}
			}
		}
	}
}

func TestTheTerminalShowsEveryFigure(t *testing.T) {
	text := written(t, func(w io.Writer) error { return Terminal(w, example(t, "acquire"), 60) })
	for _, want := range []string{"9.3x", "8.8x–9.9x", "0.983", "260ms", "30ms", "stand-in"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestAResultWithoutFiguresIsShown(t *testing.T) {
	for _, r := range []*bench.Result{
		{Schema: bench.Schema, Kind: bench.Acquire},
		{Schema: bench.Schema, Kind: bench.Sweep, Cells: []bench.Cell{{Name: "a"}}},
	} {
		for name, write := range writers(r) {
			if text := written(t, write); name == "Terminal" && !strings.Contains(text, "no figures") {
				t.Errorf("%s does not say so: %s", name, text)
			}
		}
	}
}

func writers(r *bench.Result) map[string]func(io.Writer) error {
	all := map[string]func(io.Writer) error{
		"Terminal": func(w io.Writer) error { return Terminal(w, r, 100) },
		"GoBench":  func(w io.Writer) error { return GoBench(w, r) },
		"CSV":      func(w io.Writer) error { return CSV(w, r) },
		"HTML":     func(w io.Writer) error { return HTML(w, r) },
	}
	for _, p := range SVGs(r) {
		all["SVG "+string(p)] = func(w io.Writer) error { return SVG(w, r, p) }
	}
	return all
}

var errFull = errors.New("the disk is full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestAFailedWriteIsAnError(t *testing.T) {
	for _, name := range examples() {
		for writer, write := range writers(example(t, name)) {
			if err := write(full{}); !errors.Is(err, errFull) {
				t.Errorf("%s of %s: %v", writer, name, err)
			}
		}
	}
}

func TestWhatIsNoNumberIsNoFigure(t *testing.T) {
	r := example(t, "sweep")
	for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		for j := range r.Cells[i].Metrics {
			m := &r.Cells[i].Metrics[j]
			m.Value, m.Low, m.High, m.Samples = v, v, v, []float64{v}
		}
	}
	failing := example(t, "failover")
	for i := range failing.Cells[0].Distributions {
		failing.Cells[0].Distributions[i].Mean = math.NaN()
	}
	for _, one := range []*bench.Result{r, failing} {
		for _, write := range writers(one) {
			written(t, write)
		}
		parsed(t, one)
	}
}

func FuzzShow(f *testing.F) {
	for _, name := range examples() {
		// Small ones, for all of them are drawn again for each change to one byte.
		r := example(f, name)
		r.Cells = r.Cells[len(r.Cells)-1:]
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := bench.Read(text)
		if err != nil {
			return
		}
		for name, write := range writers(r) {
			if err := write(io.Discard); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestBenchstatMayIgnoreTheCommitAndNothingElseDiffers(t *testing.T) {
	old, fresh := example(t, "compare"), example(t, "compare")
	fresh.Commit, fresh.Command, fresh.Machine.Go = "89abcdef", "lockbench compare --rounds 9", "go1.27"
	a, _ := parsed(t, old)
	b, _ := parsed(t, fresh)
	for i, key := range a[0].Config {
		if got := b[0].GetConfig(key.Key); got != string(key.Value) && key.Key != "commit" {
			t.Errorf("configuration line %d: %s is %q and %q: benchstat would not compare them", i, key.Key, key.Value, got)
		}
	}
}
