package schemata

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/internal/mutants/mutant"
)

// sample mutates the sample.
func sample(t *testing.T) *Schemata {
	t.Helper()
	p, err := Load("./testdata/sample")
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Mutate(func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// compile builds the sample with all mutants in it.
func compile(t *testing.T, s *Schemata) (path string) {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, text := range s.Texts {
		overlay.Replace[file] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(overlay.Replace[file], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "sample")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "-o", path, "./testdata/sample").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// as runs the sample as one mutant.
func as(t *testing.T, path string, id int) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", mutant.Variable, id))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "fails: " + strings.SplitN(string(out), "\n", 2)[0]
	}
	return strings.TrimSpace(string(out))
}

const original = "true false false 3 odd second text! 4 4 false -1 2s"

func TestEveryMutantIsTheMistakeThatItSays(t *testing.T) {
	s := sample(t)
	path := compile(t, s)
	if got := as(t, path, 0); got != original {
		t.Fatalf("the original says %q, want %q", got, original)
	}
	byName := map[string]*Mutant{}
	for _, m := range s.Mutants {
		byName[strings.TrimPrefix(m.Key(), "internal/mutants/schemata/testdata/sample/sample.go ")] = m
	}
	for name, want := range map[string]string{
		"edge: n < limit => true":                                 "true true false 3 odd second text! 4 4 false -1 2s",
		"edge: n < limit => false":                                "false false false 3 odd second text! 4 4 false -1 2s",
		"edge: n < limit => n <= limit":                           "true true false 3 odd second text! 4 4 false -1 2s",
		"edge: limit => 2*limit":                                  "true true false 3 odd second text! 4 4 false -1 2s",
		"edge: true => false":                                     "false false false 3 odd second text! 4 4 false -1 2s",
		"both: a && b => a":                                       "true false true 3 odd second text! 4 4 false -1 2s",
		"both: a && b => b":                                       original,
		"sum: range numbers => (first only)":                      "true false false 1 odd second text! 4 4 false -1 2s",
		"sum: continue => break":                                  "true false false 1 odd second text! 4 4 false -1 2s",
		"sum: total += n => (deleted)":                            "true false false 0 odd second text! 4 4 false -1 2s",
		"sum: total += n => total -= n":                           "true false false -3 odd second text! 4 4 false -1 2s",
		"sum: 0 => 1":                                             "true false false 2 odd second text! 4 4 false -1 2s",
		"even: n%2 => n * 2":                                      original, // 6 is not 0 either
		"even: return errOdd => return nil":                       "true false false 3 <nil> second text! 4 4 false -1 2s",
		`named: return "second" => (deleted)`:                     "true false false 3 odd  text! 4 4 false -1 2s",
		"deferred: defer func() { text += \"!\" }() => (deleted)": "true false false 3 odd second text 4 4 false -1 2s",
		"guarded: p != nil && p.n == 1 => p.n == 1":               "fails: panic: runtime error: invalid memory address or nil pointer dereference",
		"main: limit + len(\"x\") => (zero)":                      "true false false 3 odd second text! 0 1 false -1 2s",
		"main: limit + len(\"x\") => 2 * (limit + len(\"x\"))":    "true false false 3 odd second text! 8 8 false -1 2s",
		"main: max(1, p.n) => min(1, p.n)":                        "true false false 3 odd second text! 4 1 false -1 2s",
		"main: -1 => 2 * (-1)":                                    "true false false 3 odd second text! 4 4 false -2 2s",
		"main: time.Duration(2)*time.Second => 2 * (time.Duration(2)*time.Second)": "true false false 3 odd second text! 4 4 false -1 4s",
	} {
		m := byName[name]
		if m == nil {
			t.Errorf("there is no mutant %q", name)
			continue
		}
		if got := as(t, path, m.ID); got != want {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
	}
	if t.Failed() {
		for name := range byName {
			t.Log(name)
		}
	}
}

func TestNamesAreUniqueAndNumbersDense(t *testing.T) {
	names := map[string]bool{}
	for i, m := range sample(t).Mutants {
		if m.ID != i+1 {
			t.Errorf("%s has number %d, want %d", m.Key(), m.ID, i+1)
		}
		if names[m.Key()] {
			t.Errorf("%s is there twice", m.Key())
		}
		names[m.Key()] = true
	}
}

func TestWhatDoesNotCompileIsDropped(t *testing.T) {
	// The last return of named and of edge cannot go, nor that of even.
	s := sample(t)
	if s.Dropped == 0 {
		t.Error("nothing was dropped")
	}
	for _, m := range s.Mutants {
		if m.Was == "return total" {
			t.Errorf("%s: no function ends like that", m.Key())
		}
	}
}

func TestATraceNotesWhatMakesADifference(t *testing.T) {
	s := sample(t)
	text := ""
	for _, x := range s.Texts {
		text = x
	}
	for _, m := range s.Mutants {
		compared := strings.Contains(text, fmt.Sprintf("mutant_.Compare(%d,", m.ID))
		if want := m.Kind == "boundary" || m.Kind == "operand dropped"; want && !compared {
			t.Errorf("%s is not compared with the original", m.Key())
		}
		if m.Kind == "call deleted" && compared {
			t.Errorf("%s has no value to compare", m.Key())
		}
	}
}
