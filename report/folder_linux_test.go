package report

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lockproof/lockproof/harness"
	lin "github.com/lockproof/lockproof/linearizability"
)

// limitFiles has the kernel refuse to make any file longer than n bytes, as a
// full disk does, until the test is over.
func limitFiles(t *testing.T, n uint64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limit := before
	limit.Cur = n
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(lift)
	return lift
}

func TestWhereThereIsNoRoomForAllTheMostImportantIsKept(t *testing.T) {
	if os.Getenv(writerVariable) == "" { // the limit is for a process of its own
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), writerVariable+"=limited")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	whole := filepath.Join(t.TempDir(), "whole")
	r := violating()
	if _, err := WriteFolder(whole, r); err != nil {
		t.Fatal(err)
	}
	size := func(name string) uint64 {
		info, err := os.Stat(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		return uint64(info.Size())
	}
	// The files grow in the order in which they are written.
	for _, c := range []struct {
		fits, fails string
		replay      string
	}{
		{VerdictFile, ReportFile, ""},
		{ScenarioFile, HistoryFile, "/" + ScenarioFile},
	} {
		if size(c.fits) >= size(c.fails) {
			t.Fatalf("%s has %d bytes and %s %d", c.fits, size(c.fits), c.fails, size(c.fails))
		}
		dir := filepath.Join(t.TempDir(), "run")
		lift := limitFiles(t, (size(c.fits)+size(c.fails))/2)
		f, err := WriteFolder(dir, r)
		lift()
		if err != nil || f.Missing == nil || !strings.Contains(f.Missing.Error(), c.fails+": file too large") || !strings.Contains(f.Missing.Error(), dir) {
			t.Errorf("no room for %s: %v, missing %v", c.fails, err, f.Missing)
			continue
		}
		if want := replayFolderLine(dir + c.replay); f.Replay != want {
			t.Errorf("no room for %s: replay line %q, want %q", c.fails, f.Replay, want)
		}
		if f.HasReport() {
			t.Errorf("no room for %s, and the page is said to be there", c.fails)
		}
		if _, err := os.Stat(filepath.Join(dir, c.fails)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a part of %s was left: %v", c.fails, err)
		}
		if s, err := ReadScenario(dir); err != nil || s.Seed != r.Scenario.Seed {
			t.Errorf("no room for %s: the scenario is %v", c.fails, err)
		}
		if _, err := ReadFolder(dir); (err == nil) != (c.fails == ReportFile) {
			t.Errorf("no room for %s: reading the folder: %v", c.fails, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "run")
	lift := limitFiles(t, 10)
	_, err := WriteFolder(dir, r)
	lift()
	if err == nil || !strings.Contains(err.Error(), ScenarioFile) {
		t.Errorf("no room for anything: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*"))
	hidden, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*"))
	if len(left)+len(hidden) > 0 {
		t.Errorf("left behind: %v %v", left, hidden)
	}
}

const writerVariable = "LOCKPROOF_TEST_FOLDER"

// Many processes write the same run to the same place, over and over.
func TestProcessesThatWriteTheSameFolderDoNotTrip(t *testing.T) {
	if dir := os.Getenv(writerVariable); dir != "" {
		for range 40 {
			if _, err := WriteFolder(dir, small()); err != nil {
				t.Error(err)
			}
		}
		return
	}
	dir := filepath.Join(t.TempDir(), "runs", "same")
	var all []*exec.Cmd
	var said []*strings.Builder
	for range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), writerVariable+"="+dir)
		out := &strings.Builder{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all, said = append(all, cmd), append(said, out)
	}
	for i, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%.2000s", i, err, said[i])
		}
	}
	if r, err := ReadFolder(dir); err != nil || r.TraceHash != small().TraceHash {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("there are %v, %v; want one folder", entries, err)
	}
}

// small is a run that is written in no time.
func small() *harness.Result {
	r := violating()
	r.History, r.Verdict = r.History[:0], lin.Verdict{Verdict: lin.Violation}
	r.Scenario.Subject = "natslock"
	return r
}
