//go:build unix

package resultfile_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockproof/lockproof/internal/resultfile"
)

func TestANamedPipeIsNotWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	var s resultfile.Set
	if _, err := s.Create("--json", path); err == nil || !strings.Contains(err.Error(), "--json") {
		t.Fatalf("nobody reads it: %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, err := s.Create("--json", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Replace([]byte("a result")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reader); err != nil || string(got) != "a result" {
		t.Errorf("read %q, %v", got, err)
	}
}
