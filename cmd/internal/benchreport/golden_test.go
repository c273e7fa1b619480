package benchreport

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

var update = flag.Bool("update", false, "write the golden files anew")

// examples are results that were made up, one of each kind.
func examples() []string { return []string{"acquire", "failover", "sweep", "compare"} }

func example(t testing.TB, name string) *bench.Result {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Read(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func written(t testing.TB, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./cmd/internal/benchreport -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); go test ./cmd/internal/benchreport -update writes it anew:\n%s", path, diff)
	}
}

// scripts and style are the same on every page and read in their own files.
var scripts = regexp.MustCompile(`(?s)<script>.*</script>|<style>.*</style>`)

func TestGolden(t *testing.T) {
	for _, name := range examples() {
		t.Run(name, func(t *testing.T) {
			r := example(t, name)
			golden(t, name+".txt", written(t, func(w io.Writer) error { return Terminal(w, r, 100) }))
			golden(t, name+".csv", written(t, func(w io.Writer) error { return CSV(w, r) }))
			golden(t, name+".bench", written(t, func(w io.Writer) error { return GoBench(w, r) }))
			page := written(t, func(w io.Writer) error { return HTML(w, r) })
			golden(t, name+".html", scripts.ReplaceAllString(page, ""))
			for _, p := range SVGs(r) {
				golden(t, name+"-"+p.file(), written(t, func(w io.Writer) error { return SVG(w, r, p) }))
			}
		})
	}
}

func TestExamplesSayThatTheyAreMadeUp(t *testing.T) {
	for _, name := range examples() {
		r := example(t, name)
		if len(r.Notes) == 0 || !regexp.MustCompile("^Made up").MatchString(r.Notes[0]) {
			t.Errorf("%s does not say so first", name)
		}
	}
}

func TestEachKindHasItsPictures(t *testing.T) {
	for name, want := range map[string][]Picture{
		"acquire": {PictureCDF}, "failover": {PictureCDF, PictureFailover}, "sweep": {PicturePareto}, "compare": nil,
	} {
		if diff := cmp.Diff(want, SVGs(example(t, name))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if err := SVG(io.Discard, example(t, "sweep"), PictureCDF); err == nil {
		t.Error("a picture without figures is drawn")
	}
	if err := SVG(io.Discard, example(t, "sweep"), "pie"); err == nil {
		t.Error("an unknown picture is drawn")
	}
}
