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

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// pollPause lets the other process run.
func pollPause() {
	timer := time.NewTimer(20 * time.Millisecond)
	<-timer.C
}

// A measurement that is interrupted tells what there is and leaves nothing
// behind: no temporary folder, no process.
func TestASignalInTheMiddle(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	for _, c := range []struct {
		name   string
		signal os.Signal
		args   []string
		cell   string
	}{
		{"of an acquire", os.Interrupt, []string{"acquire", "--duration", "1h", "--rounds", "6", "--samples", "5", "--clients", "4"}, "nats/reacquire"},
		{"of a failover, whose terminal is closed", syscall.SIGHUP, []string{"failover", "--ttl", "300ms", "--failures", "crash,partition", "--trials", "1000", "--parallel", "4"}, "nats/crash"},
	} {
		t.Run(c.name, func(t *testing.T) {
			temp, work := t.TempDir(), t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(ctx, os.Args[0], append(c.args, "--json", "result.json")...)
			cmd.Dir, cmd.Stdout, cmd.Stderr = work, &stdout, &stderr
			cmd.Env = append(os.Environ(), "TMPDIR="+temp, "NATS_URL=", commandVariable+"=1")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			// A child of a process that ignores a signal, as under nohup, ignores it too.
			heard := make(chan os.Signal, 1)
			signal.Notify(heard, c.signal)
			err := cmd.Start()
			signal.Stop(heard)
			if err != nil {
				t.Fatal(err)
			}
			waitForClients(t, temp)
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitIncomplete || strings.Contains(stderr.String(), "panic") {
				t.Fatalf("exit code %d\n%s%s", code, &stdout, &stderr)
			}
			checkInterrupted(t, filepath.Join(work, "result.json"), c.cell)
			if left, err := filepath.Glob(filepath.Join(temp, "*")); err != nil || len(left) > 0 {
				t.Errorf("temporary folders are left: %v %v", left, err)
			}
			if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("a process of its group is left: %v", err)
			}
		})
	}
}

// waitForClients waits until the embedded server has a bucket, and some seconds
// more, in which the first samples are taken.
func waitForClients(t *testing.T, temp string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); pollPause() {
		if found, _ := filepath.Glob(filepath.Join(temp, "*", "jetstream", "*", "streams", "*", "msgs", "*")); len(found) > 0 {
			for range 200 {
				pollPause()
			}
			return
		}
	}
	t.Fatal("it has not started a server within a minute")
}

// checkInterrupted reads the result, which a slow machine may not have come to.
func checkInterrupted(t *testing.T, path, cell string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Logf("it was interrupted before there was a result")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Incomplete || !strings.Contains(strings.Join(r.Notes, "\n"), "interrupted") {
		t.Errorf("incomplete %v: %v", r.Incomplete, r.Notes)
	}
	for _, c := range r.Cells {
		if c.Name == cell {
			return
		}
	}
	t.Logf("it was interrupted before %s", cell)
}
