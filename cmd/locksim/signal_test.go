//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
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

// build makes the binary that signals are sent to.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a binary and takes seconds of real time")
	}
	binary := filepath.Join(t.TempDir(), "locksim")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func start(t *testing.T, binary string, args ...string) *process {
	t.Helper()
	p := &process{work: t.TempDir(), temp: t.TempDir()}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	p.cmd = exec.CommandContext(ctx, binary, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.work, &p.stdout, &p.stderr
	p.cmd.Env = append(os.Environ(), "TMPDIR="+p.temp, "NATS_URL=")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// interrupt sends the signal that a terminal sends for Ctrl-C.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
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
	binary := build(t)
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
			p := start(t, binary, c.args...)
			if c.live {
				p.ready(t)
			} else {
				for range 100 {
					pollPause()
				}
			}
			p.interrupt(t)
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

func TestASecondSignalKills(t *testing.T) {
	binary := build(t)
	// A command that is stuck in reading takes no notice of the first one.
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	p := &process{work: t.TempDir(), temp: t.TempDir()}
	p.cmd = exec.CommandContext(t.Context(), binary, "check", "/dev/stdin")
	p.cmd.Dir, p.cmd.Stdin = p.work, read
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends with the process; awaited below
		defer close(ended)
		_ = p.cmd.Wait()
	}()
	w := bufio.NewWriter(write)
	_, _ = w.WriteString("{")
	_ = w.Flush()
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
		for range 20 { // the handler of the first one has to have run
			pollPause()
		}
		_ = p.cmd.Process.Signal(os.Interrupt)
	}
}
