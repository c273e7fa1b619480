package benchreport

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWriteFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if err := WriteFiles(dir, example(t, "failover")); err != nil {
		t.Fatal(err)
	}
	want := []string{"cdf.svg", "failover.svg", HTMLFile, BenchFile, CSVFile, JSONFile, TextFile}
	if diff := cmp.Diff(want, namesIn(t, dir)); diff != "" {
		t.Error(diff)
	}
	text, err := os.ReadFile(filepath.Join(dir, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := bench.Read(text); err != nil || !cmp.Equal(r, example(t, "failover")) {
		t.Errorf("what is read is not what was written: %v", err)
	}
}

func TestAnotherResultReplacesTheFilesAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"failover", "sweep"} {
		if err := WriteFiles(dir, example(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"mine.txt", "pareto.svg", HTMLFile, BenchFile, CSVFile, JSONFile, TextFile}
	if diff := cmp.Diff(want, namesIn(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestAFileThatCannotBeWrittenIsNamed(t *testing.T) {
	// A folder stands where a file should be: root may not write there either.
	for _, name := range []string{JSONFile, HTMLFile, "cdf.svg"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		err := WriteFiles(dir, example(t, "acquire"))
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, name)) {
			t.Errorf("%s: %v", name, err)
		}
		if slices.ContainsFunc(namesIn(t, dir), func(n string) bool { return strings.HasPrefix(n, ".") }) {
			t.Errorf("%s: half a file stays: %v", name, namesIn(t, dir))
		}
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteFiles(path, example(t, "acquire")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file is taken for a folder: %v", err)
	}
}

func TestAResultThatCannotBeWrittenLeavesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	r := example(t, "sweep")
	r.Cells[0].Metrics[0].Value = math.NaN() // JSON has no word for it
	if err := WriteFiles(dir, r); err == nil || !strings.Contains(err.Error(), JSONFile) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
}
