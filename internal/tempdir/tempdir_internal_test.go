package tempdir

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A process that is killed leaves its directory; the next one removes it, and
// leaves those of processes that live.
func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	if os.Getenv("LOCKPROOF_TEST_TEMPDIR") != "" {
		d, err := New("test")
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
	alive, err := New("test")
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
	next, err := New("test")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(tempDirs(t), " ")
	if len(tempDirs(t)) != 2 || !strings.Contains(got, alive.path) || !strings.Contains(got, next.path) {
		t.Errorf("there are %s; want %s and %s", got, alive.path, next.path)
	}
	for _, d := range []*Dir{alive, next, next} {
		if err := d.Remove(); err != nil {
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
	return slices.DeleteFunc(found, func(path string) bool { return strings.HasSuffix(path, tempMark) })
}

// Whatever a process was about when it was killed, the next one removes it.
func TestWhatIsHalfMadeOrHalfRemovedIsRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	path := func(name string) string { return filepath.Join(temp, name) }
	for _, dir := range []string{"lockproof-test-1", "lockproof-test-3/jetstream", "lockproof-test-4", "other"} {
		if err := os.MkdirAll(path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{
		"lockproof-test-2.held",              // its directory was not made yet
		"lockproof-test-3.held",              // killed in its life
		"lockproof-test-4/" + oldTempMark,    // by an earlier version
		"lockproof-test-1/half of something", // and lockproof-test-1 has no mark
	} {
		if err := os.WriteFile(path(file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := New("test")
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) != 3 {
		t.Errorf("there are %v, %v; want the new directory, its mark and what is another's", left, err)
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
