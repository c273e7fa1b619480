package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/benchreport"
)

// commandVariable makes the test binary the command itself, for tests that need a
// process of its own.
const commandVariable = "LOCKPROOF_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// lockbench runs the command in this process.
func lockbench(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

// quick are flags that make an acquire of memory take a moment.
func quick(more ...string) []string {
	return append([]string{"acquire", "--backend", "memory", "--rounds", "6", "--samples", "5", "--duration", "60ms", "--clients", "2", "--locks", "1", "--rate", "100"}, more...)
}

func TestWhatIsWrongIsSaidBeforeAnythingIsStarted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"frob"}, `unknown command "frob"; there are acquire, compare, completion, failover, help, show, sweep`},
		{[]string{"acquire", "now"}, `takes no argument, but "now"`},
		{[]string{"acquire", "--frob"}, "lockbench acquire takes --backend"},
		{[]string{"acquire", "--backend", "oracle"}, `unknown backend "oracle"; there are memory`},
		{[]string{"acquire", "--lock", "flock"}, `unknown subject "flock"`},
		{[]string{"acquire", "--ttl", "0s"}, "--ttl is 0s"},
		{[]string{"acquire", "--ttl", "1us"}, "whole milliseconds"},
		{[]string{"acquire", "--ttl", "9s", "--renew", "4s"}, "at most a third of TTL"},
		{[]string{"acquire", "--renew", "-1s"}, "--renew is -1s"},
		{[]string{"acquire", "--clients", "0"}, "clients 0 is not between 1 and 1024"},
		{[]string{"acquire", "--clients", "1,many"}, `"many" is not a number`},
		{[]string{"acquire", "--clients", "1", "--locks", "none"}, "need at least one number of --locks"},
		{[]string{"acquire", "--clients", "none", "--rate", "10"}, "--rate 10 needs --clients"},
		{[]string{"acquire", "--rate", "1e300"}, "is not between 0.001 and"},
		{[]string{"acquire", "--duration", "0s"}, "--duration must be more than 0"},
		{[]string{"acquire", "--duration", "10000h"}, "duration 10000h0m0s is not between"},
		{[]string{"acquire", "--hold", "-1ms"}, "hold -1ms"},
		{[]string{"acquire", "--json", filepath.Join(file, "x")}, "--json"},
		{[]string{"acquire", "--out", filepath.Join(file, "x")}, "--out"},
		{[]string{"failover", "--trials", "0"}, "--trials is 0"},
		{[]string{"failover", "--failures", "quake"}, `unknown failure "quake"; there are crash`},
		{[]string{"failover", "--failures", "kill"}, "goroutines of this process"},
		{[]string{"failover", "--failures", "partition", "--backend", "memory"}, "no network before memory"},
		{[]string{"failover", "--latency", "1ms", "--backend", "memory"}, "no network before memory"},
		{[]string{"failover", "--loss", "200%"}, "not a share between"},
		{[]string{"failover", "--loss", "0.01%"}, "finer than a tenth"},
		{[]string{"failover", "--jitter", "-1s"}, "--jitter is -1s"},
		{[]string{"failover", "--downtime", "0s"}, "--downtime is 0s"},
		{[]string{"help", "frob"}, `unknown command "frob"`},
		{[]string{"completion", "frob"}, `unknown command "frob"`},
		{[]string{"acquire", "--lock", ""}, "--lock is empty"},
		{[]string{"acquire", "--backend="}, "--backend is empty"},
		{[]string{"acquire", "--clients", ""}, "--clients is empty"},
		{[]string{"acquire", "--locks", ""}, "--locks is empty"},
		{[]string{"acquire", "--rate", ""}, "--rate is empty"},
		{[]string{"acquire", "--out", ""}, "--out is empty"},
		{[]string{"acquire", "--json", ""}, "--json is empty"},
		{[]string{"failover", "--failures", ""}, "--failures is empty"},
		{[]string{"failover", "--loss", ""}, "--loss is empty"},
		{[]string{"sweep", "--profile", ""}, "--profile is empty"},
		{[]string{"sweep", "--ttl", ""}, "--ttl is empty"},
		{[]string{"sweep", "--currency", ""}, "--currency is empty"},
		{[]string{"sweep", "--backend", "sim", "--workers", "100000000"}, "--workers is 100000000 and must be at most 256"},
		{[]string{"compare", "--servers", ""}, "--servers is empty"},
		{[]string{"compare", "--gate", "", "a", "b"}, "--gate is empty"},
		{[]string{"show", "--out", "", "x"}, "--out is empty"},
		{[]string{"show", os.TempDir()}, "a directory, not a regular file"},
	} {
		code, stdout, stderr := lockbench(c.args...)
		if code != exitCannotRun || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
		t.Errorf("a file that was in the way is now %q (%v)", b, err)
	}
}

func TestABackendThatIsNotThereIsSaid(t *testing.T) {
	t.Setenv("NATS_URL", "nats://127.0.0.1:1")
	out := filepath.Join(t.TempDir(), "out")
	code, stdout, stderr := lockbench("acquire", "--out", out)
	if code != exitCannotRun || stdout != "" || !strings.Contains(stderr, "nats://127.0.0.1:1") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("a folder without a result is left (%v)", err)
	}
}

func TestAcquireWritesItsResult(t *testing.T) {
	out := filepath.Join(t.TempDir(), "a", "b")
	code, stdout, stderr := lockbench(quick("--out", out, "--json", "-")...)
	if code != exitOK || !strings.Contains(stderr, "reacquire") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	r, err := bench.Read([]byte(stdout))
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != bench.Acquire || len(r.Cells) != 6 || strings.Contains(r.Command, "--out") ||
		!strings.HasPrefix(r.Command, "lockbench acquire --backend memory --clients 2") {
		t.Errorf("%d cells by %s", len(r.Cells), r.Command)
	}
	kept, err := os.ReadFile(filepath.Join(out, benchreport.JSONFile))
	if err != nil || string(kept) != stdout {
		t.Errorf("the file and the standard output differ (%v)", err)
	}
}

func TestFailoverPrintsItsParts(t *testing.T) {
	code, stdout, stderr := lockbench("failover", "--backend", "memory", "--ttl", "600ms", "--trials", "6", "--healthy", "200ms", "--holders", "2", "--loss", "0%")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{" crash ", "detect", "acquire", "resume", "outage", "failover/ttl", "beyond the lease", "false"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
}

func TestHelpSaysWhatThereIs(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"acquire", "--help"}, {"failover", "--help"}} {
		if code, stdout, _ := lockbench(args...); code != exitOK || !strings.Contains(stdout, "Usage:") {
			t.Errorf("%v: exit code %d\n%s", args, code, stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	if code, stdout, _ := lockbench("--version"); code != exitOK || !strings.HasPrefix(stdout, "lockbench ") || !strings.Contains(stdout, " go1") {
		t.Errorf("exit code %d: %q", code, stdout)
	}
}

func TestAFullDiskIsNoSuccess(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"--help"}, {"--version"}, {"completion", "bash"}, quick(), quick("--json", "-")} {
		var stderr strings.Builder
		if code := run(args, full, &stderr); code != exitCannotRun || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%v: exit code %d: %s", args, code, &stderr)
		}
	}
}
