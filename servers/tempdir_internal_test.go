package servers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A process that is killed leaves its directory; the next one removes it, and
// leaves those of processes that live.
func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	if os.Getenv("LOCKPROOF_TEST_TEMPDIR") != "" {
		d, err := newTempDir("test")
		if err != nil {
			t.Fatal(err)
		}
		t.Log("made", d.path)
		_ = os.Stdout.Sync()
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		_ = self.Kill()
		select {}
	}
	t.Setenv("TMPDIR", t.TempDir())
	alive, err := newTempDir("test")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "LOCKPROOF_TEST_TEMPDIR=1")
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		t.Fatalf("the child ended with %v:\n%s", err, out)
	}
	if got := tempDirs(t); len(got) != 2 {
		t.Fatalf("%d directories, want one of the living and one of the dead: %v\n%s", len(got), got, out)
	}
	next, err := newTempDir("test")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(tempDirs(t), " ")
	if len(tempDirs(t)) != 2 || !strings.Contains(got, alive.path) || !strings.Contains(got, next.path) {
		t.Errorf("there are %s; want %s and %s", got, alive.path, next.path)
	}
	for _, d := range []*tempDir{alive, next, next} {
		if err := d.remove(); err != nil {
			t.Error(err)
		}
	}
	if left := tempDirs(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func tempDirs(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.TempDir(), "lockproof-test-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
