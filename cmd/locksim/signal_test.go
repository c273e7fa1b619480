//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a locksim of its own, with a temporary folder of its own.
type process struct {
	cmd            *exec.Cmd
	work, temp     string
	stdout, stderr bytes.Buffer
}

// slow skips what takes seconds of real time.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := prepare(t, args...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func prepare(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{work: t.TempDir(), temp: t.TempDir()}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	p.cmd = exec.CommandContext(ctx, os.Args[0], args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.work, &p.stdout, &p.stderr
	p.cmd.Env = append(os.Environ(), "TMPDIR="+p.temp, "NATS_URL=", commandVariable+"=1")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return p
}

// send sends a signal, as a terminal does for Ctrl-C and when it is closed.
func (p *process) send(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// code waits for the process and returns its exit code, -1 if a signal killed it.
func (p *process) code(t *testing.T) int {
	t.Helper()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// wantNothingLeft checks that the process has left no temporary folder and no
// process of its group.
func (p *process) wantNothingLeft(t *testing.T) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(p.temp, "*")); err != nil || len(left) > 0 {
		t.Errorf("temporary folders are left: %v %v", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(p.work, "runs", ".lockproof-*")); err != nil || len(left) > 0 {
		t.Errorf("unfinished run folders are left: %v %v", left, err)
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("a process of its group is left: %v", err)
	}
}

// ready waits until the embedded server has the run's bucket, and a moment more:
// the clients have begun.
func (p *process) ready(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if found, _ := filepath.Glob(filepath.Join(p.temp, "*", "jetstream", "*", "streams", "*", "msgs", "*")); len(found) > 0 {
			for range 50 {
				pollPause()
			}
			return
		}
		pollPause()
	}
	t.Fatal("it has not started a server within a minute")
}

// pollPause lets the other process run.
func pollPause() {
	timer := time.NewTimer(10 * time.Millisecond)
	<-timer.C
}

func TestASignalInTheMiddle(t *testing.T) {
	slow(t)
	for _, c := range []struct {
		name  string
		args  []string
		codes []int
		live  bool
		says  string
	}{
		{"of a live run", []string{"run", "--backend", "nats", "--duration", "1h", "--json", "result.json"}, []int{exitUnknown}, true, "properties"},
		{"of the default run", []string{"run"}, []int{exitUnknown}, true, "properties"},
		{"of a race", []string{"repro", "nats-get-put"}, []int{exitViolation}, true, "In the simulator"},
		{"of a sweep", []string{"run", "--seeds", "100000000", "--out", "found"}, []int{exitUnknown}, false, "properties"},
		{"of a failing sweep", []string{"run", "--seeds", "100000000", "--subject", "natslock"}, []int{exitViolation}, false, "VIOLATION"},
		{"of one long seed", []string{"run", "--seed", "1", "--duration", "720h", "--ttl", "30ms", "--faults", "none"}, []int{exitUnknown}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, c.args...)
			if c.live {
				p.ready(t)
			} else {
				for range 100 {
					pollPause()
				}
			}
			p.send(t, os.Interrupt)
			code := p.code(t)
			found := false
			for _, want := range c.codes {
				found = found || code == want
			}
			if !found || !strings.Contains(p.stdout.String(), c.says) {
				t.Errorf("exit code %d, want one of %v\n%s\n%s", code, c.codes, &p.stdout, &p.stderr)
			}
			if strings.Contains(p.stderr.String(), "panic") {
				t.Error(p.stderr.String())
			}
			p.wantNothingLeft(t)
		})
	}
}

// wantInterrupted checks that the outputs say what the exit code says.
func (p *process) wantInterrupted(t *testing.T, says string) {
	t.Helper()
	if code := p.code(t); code != exitUnknown {
		t.Fatalf("exit code %d\n%s\n%s", code, &p.stdout, &p.stderr)
	}
	if text := p.stdout.String(); !strings.HasPrefix(text, "UNKNOWN") || !strings.Contains(text, says) {
		t.Errorf("the headline does not say %q:\n%s", says, text)
	}
	j, x := outcome(t, read(t, filepath.Join(p.work, "x.json")), read(t, filepath.Join(p.work, "x.xml")))
	if j.Verdict != "unknown" || j.ExitCode != exitUnknown || !j.Interrupted || !strings.Contains(j.Message, "interrupted") {
		t.Errorf("JSON says %+v", j)
	}
	if x.Errors == 0 || x.Failures > 0 {
		t.Errorf("JUnit has %d errors and %d failures", x.Errors, x.Failures)
	}
}

func TestWhatIsInterruptedSaysSoInEveryOutput(t *testing.T) {
	slow(t)
	for _, c := range []struct {
		name string
		args []string
		live bool
		says string
	}{
		{"a sweep", []string{"run", "--seeds", "100000000"}, false, "of 100,000,000 seeds"},
		{"a budget", []string{"run", "--budget", "1000h"}, false, "interrupted after"},
		{"a long seed", []string{"run", "--seed", "1", "--duration", "720h", "--ttl", "30ms", "--faults", "none"}, false, "interrupted after"},
		{"a live run", []string{"run", "--backend", "nats", "--duration", "1h"}, true, "interrupted after"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, append(c.args, "--json", "x.json", "--junit", "x.xml")...)
			if c.live {
				p.ready(t)
			} else {
				for range 100 {
					pollPause()
				}
			}
			p.send(t, os.Interrupt)
			p.wantInterrupted(t, c.says)
			p.wantNothingLeft(t)
		})
	}
}

func TestAClosedTerminalEndsARunAsAnInterruptDoes(t *testing.T) {
	slow(t)
	// A child of a process that ignores the signal, as under nohup, ignores it too.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	p := start(t, "run", "--backend", "nats", "--duration", "1h", "--json", "x.json", "--junit", "x.xml")
	signal.Stop(heard)
	p.ready(t)
	p.send(t, syscall.SIGHUP)
	p.wantInterrupted(t, "interrupted after")
	p.wantNothingLeft(t)
}

func TestUnderNohupAClosedTerminalEndsNothing(t *testing.T) {
	slow(t)
	signal.Ignore(syscall.SIGHUP) // what is ignored is ignored by children too
	p := start(t, "run", "--backend", "nats", "--duration", "1h", "--json", "x.json", "--junit", "x.xml")
	signal.Reset(syscall.SIGHUP)
	p.ready(t)
	p.send(t, syscall.SIGHUP)
	for range 50 {
		pollPause()
	}
	p.send(t, os.Interrupt)
	p.wantInterrupted(t, "interrupted after")
}

// A command that reads standard input, to which nobody writes, ends at once.
func TestASignalEndsTheReadingOfStandardInput(t *testing.T) {
	slow(t)
	for _, args := range [][]string{{"check", "-"}, {"replay", "-"}, {"run", "--scenario", "-"}} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p := prepare(t, args...)
		p.cmd.Stdin = read
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			pollPause()
		}
		p.send(t, os.Interrupt)
		if code := p.code(t); code != exitUnknown || !strings.Contains(p.stderr.String(), "interrupted") {
			t.Errorf("%v: exit code %d: %s", args, code, &p.stderr)
		}
		_ = read.Close()
		_ = write.Close()
	}
}

func TestDoctorThatIsInterruptedCallsNothingBroken(t *testing.T) {
	slow(t)
	p := start(t, "doctor", "--start", "nats", "nats", "nats", "nats", "nats", "nats", "nats", "nats", "nats", "nats")
	p.ready(t)
	p.send(t, os.Interrupt)
	code := p.code(t)
	if code != exitUnknown || strings.Contains(p.stdout.String(), "broken") || !strings.Contains(p.stdout.String(), "not run") {
		t.Errorf("exit code %d\n%s\n%s", code, &p.stdout, &p.stderr)
	}
	p.wantNothingLeft(t)
}
