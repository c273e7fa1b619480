package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/benchreport"
)

// resultWith writes a result whose one metric, lower being better, has samples
// around value.
func resultWith(t *testing.T, value float64) string {
	t.Helper()
	m := bench.Metric{Name: "acquire", Unit: "ns", Value: value, Better: bench.LowerIsBetter}
	for i := range 10 {
		m.Samples = append(m.Samples, value+float64(i))
	}
	r := bench.Here(bench.Acquire)
	r.Cells = []bench.Cell{{Name: "memory/reacquire", Metrics: []bench.Metric{m}}}
	path := filepath.Join(t.TempDir(), "result.json")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := r.Write(file); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCompareTellsARegressionFromNone(t *testing.T) {
	fast, slow := resultWith(t, 1000), resultWith(t, 1300)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{fast, slow}, exitOK, "regressed"},
		{[]string{fast, slow, "--gate", "10%"}, exitRegression, "1 metric got worse by more than 10%"},
		{[]string{fast, slow, "--gate", "50%"}, exitOK, "regressed"},
		{[]string{slow, fast, "--gate", "10%"}, exitOK, "improved"},
		{[]string{fast, fast, "--gate", "0%"}, exitOK, "same"},
	} {
		code, stdout, stderr := lockbench(append([]string{"compare"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout, c.says) {
			t.Errorf("%v: exit code %d, want %d with %q\n%s%s", c.args[2:], code, c.code, c.says, stdout, stderr)
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	good := resultWith(t, 1000)
	other := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(other, []byte(`{"schema":"lockproof.bench/v9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{good}, "no file or two"},
		{[]string{good, other}, `schema "lockproof.bench/v9"`},
		{[]string{good, "missing.json"}, "missing.json"},
		{[]string{good, good, "--gate", "ten"}, "--gate"},
		{[]string{good, good, "--rounds", "3"}, "--rounds is for a measurement"},
		{[]string{"--gate", "5%"}, "--gate is for two result files"},
		{[]string{"--rounds", "0"}, "at least 1"},
	} {
		code, stdout, stderr := lockbench(append([]string{"compare"}, c.args...)...)
		if code != exitCannotRun || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit code %d, want %d with %q\n%s%s", c.args, code, exitCannotRun, c.says, stdout, stderr)
		}
	}
}

func TestComparePeersNeedsACheckout(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, stderr := lockbench("compare"); code != exitCannotRun || !strings.Contains(stderr, "run this in a checkout") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestShowMakesTheFilesOfAResult(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := lockbench("show", resultWith(t, 1000), "--out", dir)
	if code != exitOK || !strings.Contains(stdout, "acquire") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, name := range []string{benchreport.JSONFile, benchreport.TextFile, benchreport.CSVFile, benchreport.BenchFile, benchreport.HTMLFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if code, _, stderr := lockbench("show"); code != exitCannotRun || !strings.Contains(stderr, "takes one file") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
