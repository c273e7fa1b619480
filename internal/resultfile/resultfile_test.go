package resultfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/internal/resultfile"
)

func TestWhatIsNotWrittenStaysAsItWas(t *testing.T) {
	dir := t.TempDir()
	fresh, older, replaced := filepath.Join(dir, "fresh"), filepath.Join(dir, "older"), filepath.Join(dir, "replaced")
	for _, path := range []string{older, replaced} {
		if err := os.WriteFile(path, []byte("an older and longer result"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var s resultfile.Set
	for _, path := range []string{fresh, older} {
		if _, err := s.Create("--json", path); err != nil {
			t.Fatal(err)
		}
	}
	w, err := s.Create("--json", replaced)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a new ", "result"} {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty file was left behind: %v", err)
	}
	for path, want := range map[string]string{older: "an older and longer result", replaced: "a new result"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
		}
	}
}

func TestTheFlagIsNamed(t *testing.T) {
	var s resultfile.Set
	if _, err := s.Create("--junit", t.TempDir()); err == nil || !strings.HasPrefix(err.Error(), "--junit: ") {
		t.Error(err)
	}
}

func TestOneFileIsNotTwoResults(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "x"), filepath.Join(dir, "link")
	if err := os.Symlink("x", link); err != nil {
		t.Skip(err)
	}
	for _, again := range []string{path, filepath.Join(dir, ".", "x"), link} {
		var s resultfile.Set
		if _, err := s.Create("--json", path); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create("--junit", again); err == nil || !strings.Contains(err.Error(), "--json and --junit are both") {
			t.Errorf("%s: %v", again, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("left behind: %v", left)
		}
	}
	var s resultfile.Set
	for _, flag := range []string{"--json", "--junit"} {
		if _, err := s.Create(flag, os.DevNull); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAReplacedResultLeavesNothingOfTheFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	var s resultfile.Set
	f, err := s.Create("--json", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a long result", "short"} {
		if err := f.Replace([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "short" {
		t.Errorf("%q, %v", got, err)
	}
}
