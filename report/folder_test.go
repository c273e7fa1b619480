package report

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/harness"
	lin "github.com/lockproof/lockproof/linearizability"
)

func TestARunFolderIsReadBackAsItWas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "42")
	want := violating()
	f, err := WriteFolder(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	if f.Replay != "locksim replay "+shellWord(dir) {
		t.Errorf("replay line %q", f.Replay)
	}
	got, err := ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	want.Coverage = lin.CoverageOf(want.Params, want.History)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	page, err := os.ReadFile(filepath.Join(dir, ReportFile))
	if err != nil {
		t.Fatal(err)
	}
	if linked := strings.Contains(string(page), `href="`+VisualizationFile+`"`); linked != (f.NoVisualization == nil) {
		t.Errorf("linked %v, drawn: %v", linked, f.NoVisualization)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".lockproof-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAFolderIsOnlyReplacedByTheSameRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	write := func(change func(*harness.Result)) error {
		r := violating()
		change(r)
		_, err := WriteFolder(dir, r)
		return err
	}
	if err := write(func(*harness.Result) {}); err != nil {
		t.Fatal(err)
	}
	if err := write(func(*harness.Result) {}); err != nil {
		t.Errorf("the same run again: %v", err)
	}
	for name, change := range map[string]func(*harness.Result){
		"another seed":         func(r *harness.Result) { r.Scenario.Seed++ },
		"another trace":        func(r *harness.Result) { r.TraceHash++ },
		"a run without a hash": func(r *harness.Result) { r.TraceHash = 0 },
	} {
		if err := write(change); !errors.Is(err, ErrOtherRun) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := ReadFolder(dir); err != nil || r.Scenario.Seed != 42 {
		t.Errorf("the run that was there: %v", err)
	}
}

func TestWhatIsNoRunFolderIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(precious, []byte("all of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteFolder(dir, violating()); !errors.Is(err, ErrOtherRun) {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "all of it" {
		t.Errorf("%q, %v", b, err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteFolder(empty, violating()); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestAnErrorNamesThePath(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "run")} {
		if _, err := WriteFolder(dir, violating()); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v", dir, err)
		}
	}
	if _, err := ReadFolder(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestADamagedFolderIsNamedByItsFile(t *testing.T) {
	for name, content := range map[string]string{
		ScenarioFile: `{"schema":"lockproof.scenario/v1","subject":"nobody"}`,
		VerdictFile:  `{"schema":"lockproof.verdict/v9"}`,
		HistoryFile:  `{"schema":"lockproof.history/v1","events":4}` + "\n",
	} {
		dir := filepath.Join(t.TempDir(), "run")
		if _, err := WriteFolder(dir, sound()); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFolder(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFolder(dir); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s missing: error %v", name, err)
		}
	}
}

// FuzzReadVerdict: whatever is read as a verdict can be reported.
func FuzzReadVerdict(f *testing.F) {
	var b strings.Builder
	if err := writeVerdict(&b, violating()); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(b.String()))
	f.Add([]byte(`{"schema":"lockproof.verdict/v1","properties":[{"name":"x","verdict":"violation","at":-9223372036854775808,"size_ns":9223372036854775807,"events":[-1,5]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeVerdict(b)
		if err != nil {
			return
		}
		r := violating()
		r.Verdict, r.Server, r.Counters = v.Verdict, v.Server, v.Counters
		htmlOf(t, r)
	})
}
