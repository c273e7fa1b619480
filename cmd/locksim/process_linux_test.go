package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestASecondSignalKills(t *testing.T) {
	slow(t)
	// A command that is stuck in writing takes no notice of the first one.
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if _, err := unix.FcntlInt(write.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
		t.Fatal(err)
	}
	p := prepare(t, "completion", "bash")
	p.cmd.Stdout = write
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends with the process; awaited below
		defer close(ended)
		_ = p.cmd.Wait()
	}()
	for n := 0; ; n++ {
		select {
		case <-ended:
			if n < 2 {
				t.Errorf("it ended after %d signals", n)
			}
			if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
				t.Errorf("it was not killed: %s", p.cmd.ProcessState)
			}
			return
		default:
		}
		if n == 50 {
			_ = p.cmd.Process.Kill()
			t.Fatal("it takes no notice of any number of signals")
		}
		for range 50 { // the handler of the first one has to have run
			pollPause()
		}
		_ = p.cmd.Process.Signal(os.Interrupt)
	}
}

// terminal runs the command on a terminal of 80 columns and returns what it wrote
// there.
func terminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		t.Skip(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	p := prepare(t, args...)
	p.cmd.Stdout, p.cmd.Stderr = slave, slave
	p.cmd.Env = append(p.cmd.Env, env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	said, err := io.ReadAll(master) // ends with EIO when nobody has the other side
	if err != nil && !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	p.code(t)
	return string(said)
}

// colors are escape sequences that change how text looks; NO_COLOR is about these
// alone.
var colors = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func TestADumbTerminalGetsNoEscapes(t *testing.T) {
	args := []string{"run", "--seeds", "60"}
	if got := terminal(t, []string{"TERM=xterm", "NO_COLOR="}, args...); !strings.Contains(got, "\x1b[1;32m") {
		t.Fatalf("a good terminal gets no colours:\n%q", got)
	}
	if got := terminal(t, []string{"TERM=dumb", "NO_COLOR="}, args...); strings.Contains(got, "\x1b") || !strings.Contains(got, "properties") {
		t.Errorf("TERM=dumb: %q", got)
	}
	if got := terminal(t, []string{"TERM=xterm", "NO_COLOR=1"}, args...); colors.MatchString(got) || !strings.Contains(got, "properties") {
		t.Errorf("NO_COLOR=1: %q", got)
	}
}

func TestAPipeIsNotWaitedFor(t *testing.T) {
	t.Chdir(t.TempDir())
	record(t, "good")
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Skip(err)
	}
	record(t, "piped")
	if err := errors.Join(os.Remove("piped/history.jsonl"), syscall.Mkfifo("piped/history.jsonl", 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "pipe"}, {"replay", "pipe"}, {"shrink", "pipe"}, {"run", "--scenario", "pipe"}, {"check", "piped"}, {"replay", "piped"},
		{"check", "/dev/zero"},
	} {
		code, _, stderr := locksim(args...)
		if code != exitCannotRun || !strings.Contains(stderr, "not a regular file") || !strings.Contains(stderr, args[len(args)-1]) {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
	if code, _, stderr := locksim(quickRun("--json", "pipe")...); code != exitCannotRun || !strings.Contains(stderr, "--json") {
		t.Errorf("--json pipe: exit code %d: %s", code, stderr)
	}
}

func TestWhatCannotBeWrittenNeverHidesTheVerdict(t *testing.T) {
	t.Chdir(t.TempDir())
	good, bad := quickRun(), quickRun("--subject", "natslock", "--seed", "2", "--faults", "none", "--duration", "2m")
	vacuous := []string{"run", "--seeds", "60", "--clients", "2", "--locks", "1024", "--duration", "1s", "--faults", "none"}
	write(t, "file", "")
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"ok", good, exitCannotRun}, {"violation", bad, exitViolation}, {"unknown", vacuous, exitCannotRun},
	} {
		for _, where := range []struct{ flag, other, file string }{{"--json", "--junit", "x.xml"}, {"--junit", "--json", "x.json"}} {
			code, stdout, stderr := locksim(append(c.args, where.flag, "/dev/full", where.other, where.file)...)
			if code != c.code || !strings.Contains(stderr, where.flag) || !strings.Contains(stderr, "no space left") {
				t.Errorf("%s, %s /dev/full: exit code %d, want %d: %s", c.name, where.flag, code, c.code, stderr)
			}
			if !strings.Contains(stdout, "properties") || !strings.Contains(stdout, "report.html") {
				t.Errorf("%s, %s /dev/full: the rest was not told:\n%s", c.name, where.flag, stdout)
			}
			if where.file == "x.json" {
				if j := outcomeJSON(t, read(t, "x.json")); j.ExitCode != code || len(j.Errors) != 1 {
					t.Errorf("%s: JSON says %+v", c.name, j)
				}
			} else if x := outcomeJUnit(t, read(t, "x.xml")); x.Errors == 0 {
				t.Errorf("%s: JUnit has no error", c.name)
			}
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, c := range []struct {
		args []string
		code int
	}{
		{append(good, "--json", "y.json"), exitCannotRun}, {append(bad, "--json", "y.json"), exitViolation},
		{[]string{"list"}, exitCannotRun}, {[]string{"doctor"}, exitCannotRun}, {[]string{"--version"}, exitCannotRun},
		{[]string{"run", "--help"}, exitCannotRun}, {[]string{"completion", "zsh"}, exitCannotRun},
		{[]string{"check", "runs/reference-sim-1"}, exitCannotRun}, {[]string{"check", "runs/natslock-sim-2"}, exitViolation},
	} {
		var stderr strings.Builder
		code := run(c.args, full, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%v into /dev/full: exit code %d, want %d: %s", c.args, code, c.code, &stderr)
		}
		if _, err := os.Stat("y.json"); err == nil {
			if j := outcomeJSON(t, read(t, "y.json")); j.ExitCode != code {
				t.Errorf("%v: JSON says %+v", c.args, j)
			}
			_ = os.Remove("y.json")
		}
	}
}

// A disk that is full keeps the scenario, and never the verdict to itself.
func TestARunThatFillsTheDiskIsStillAVerdict(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
	}{
		{quickRun(), exitCannotRun},
		{quickRun("--subject", "natslock", "--seed", "2", "--faults", "none", "--duration", "2m"), exitViolation},
	} {
		p := prepare(t, append(c.args, "--out", "r")...)
		script := "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"" // blocks of 512 or 1024 bytes
		p.cmd.Args = append([]string{"sh", "-c", script, p.cmd.Path}, p.cmd.Args[1:]...)
		p.cmd.Path = "/bin/sh"
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if code := p.code(t); code != c.code || !strings.Contains(p.stderr.String(), "report.html") || !strings.Contains(p.stdout.String(), "properties") {
			t.Errorf("exit code %d, want %d\n%s%s", code, c.code, &p.stdout, &p.stderr)
		}
		scenario := filepath.Join(p.work, "r", "scenario.json")
		if code, _, stderr := locksim("run", "--scenario", scenario, "--out", filepath.Join(p.work, "again")); code != c.code && code != exitOK {
			t.Errorf("what was kept: exit code %d: %s", code, stderr)
		}
	}
}

func TestProcessesThatRunTheSameSideBySide(t *testing.T) {
	slow(t)
	work := t.TempDir()
	var all []*process
	for range 6 {
		p := prepare(t, "run", "--subject", "natslock", "--seed", "1")
		p.cmd.Dir = work
		all = append(all, p)
	}
	for _, p := range all {
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	var wait sync.WaitGroup
	for _, p := range all {
		wait.Go(func() { _ = p.cmd.Wait() })
	}
	wait.Wait()
	for i, p := range all {
		if code := p.cmd.ProcessState.ExitCode(); code != exitViolation {
			t.Errorf("process %d: exit code %d\n%s", i, code, &p.stderr)
		}
	}
	left, err := os.ReadDir(filepath.Join(work, "runs"))
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v; want one folder of one run", left, err)
	}
}

func TestALivePartThatCannotBeRunIsInEveryOutput(t *testing.T) {
	t.Chdir(t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NATS_URL", "nats://"+nobody)
	code, stdout, stderr := locksim("run", "--json", "x.json", "--junit", "x.xml")
	if code != exitCannotRun || !strings.Contains(stdout, "properties") || !strings.Contains(stderr, "could not be run") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	j, x := outcome(t, read(t, "x.json"), read(t, "x.xml"))
	if j.ExitCode != code || j.Verdict != "unknown" || !strings.Contains(j.Message, "could not be run") || x.Errors == 0 {
		t.Errorf("JSON says %+v, JUnit has %d errors", j, x.Errors)
	}
}
