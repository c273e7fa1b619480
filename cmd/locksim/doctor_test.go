package main

import (
	"net"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/targets"
)

// bare takes away what an earlier `servers get`, the environment's servers and
// the tools in PATH would give.
func bare(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, v := range []string{"LOCKPROOF_REQUIRE", "LOCKPROOF_DYNAMODB_ENDPOINT", "KUBECONFIG", "FIRESTORE_EMULATOR_HOST", "MONGODB_URI", "NATS_URL"} {
		t.Setenv(v, "")
	}
	t.Setenv("LOCKPROOF_DOCKER", "off")
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	t.Chdir(t.TempDir())
}

// row returns what doctor said of a backend.
func row(t *testing.T, stdout, backend string) string {
	t.Helper()
	for line := range strings.Lines(stdout) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == backend {
			return line
		}
	}
	t.Fatalf("no row for %s in\n%s", backend, stdout)
	return ""
}

func TestDoctorHasARowForEachBackend(t *testing.T) {
	bare(t)
	code, stdout, stderr := locksim("doctor")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, k := range targets.All() {
		row(t, stdout, k.Name)
	}
	if got := row(t, stdout, "nats"); !strings.Contains(got, "ready") {
		t.Error(got)
	}
	if got := row(t, stdout, "dynamodb"); !strings.Contains(got, "missing") || !strings.Contains(stdout, "locksim servers get dynamodb") {
		t.Errorf("no remedy:\n%s", stdout)
	}
}

func TestDoctorStartsWhatNeedsNothing(t *testing.T) {
	bare(t)
	code, stdout, stderr := locksim("doctor", "--start", "memory", "nats", "file")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, name := range []string{"memory", "nats", "file"} {
		if got := row(t, stdout, name); !strings.Contains(got, "works") || !strings.Contains(got, "guarantees") {
			t.Error(got)
		}
	}
}

func TestDoctorTellsMissingFromBroken(t *testing.T) {
	bare(t)
	t.Setenv("LOCKPROOF_REQUIRE", "dynamodb")
	if code, _, stderr := locksim("doctor", "dynamodb"); code != exitCannotRun || !strings.Contains(stderr, "LOCKPROOF_REQUIRE") {
		t.Errorf("a required server is missing: exit code %d, %s", code, stderr)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOCKPROOF_DYNAMODB_ENDPOINT", "http://"+nobody)
	code, stdout, _ := locksim("doctor", "--start", "dynamodb")
	if code != exitViolation || !strings.Contains(row(t, stdout, "dynamodb"), "broken") || !strings.Contains(stdout, "LOCKPROOF_DYNAMODB_ENDPOINT") {
		t.Errorf("nobody answers: exit code %d\n%s", code, stdout)
	}
}

func TestServersGet(t *testing.T) {
	bare(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"nats"}, exitOK, "there: embedded"},
		{[]string{"dynamodb"}, exitCannotRun, "java"},
		{[]string{"mysql"}, exitCannotRun, `unknown server "mysql"; there are nats`},
	} {
		code, stdout, stderr := locksim(append([]string{"servers", "get"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%v: exit code %d, want %d with %q\n%s%s", c.args, code, c.code, c.want, stdout, stderr)
		}
	}
	if code, _, stderr := locksim("servers", "put"); code != exitCannotRun || !strings.Contains(stderr, "has get") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := locksim("doctor", "mysql"); code != exitCannotRun || !strings.Contains(stderr, "unknown backend") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
