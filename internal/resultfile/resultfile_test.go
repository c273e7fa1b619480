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
