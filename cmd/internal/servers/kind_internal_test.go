package servers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestKindThatIsMissingIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := StartKindCluster(t.Context()); !isMissing(err) || !strings.Contains(err.Error(), "no kind in PATH") {
		t.Errorf("want a MissingError that names the command, got %v", err)
	}
	t.Setenv("LOCKPROOF_DOCKER", "off")
	script(t, "kind", "exit 1")
	if _, err := StartKindCluster(t.Context()); !isMissing(err) || !strings.Contains(err.Error(), "LOCKPROOF_DOCKER") {
		t.Errorf("want a MissingError that names the variable, got %v", err)
	}
}

func TestKindTouchesNoOtherCluster(t *testing.T) {
	k := &KindCluster{name: "lockproof-test", dir: "/d"}
	for _, arguments := range [][]string{k.createArguments(), k.deleteArguments()} {
		for _, want := range []string{"--name lockproof-test", "--kubeconfig /d/kubeconfig"} {
			if !strings.Contains(strings.Join(arguments, " "), want) {
				t.Errorf("kind %q lacks %s", arguments, want)
			}
		}
	}
	if !slices.Contains(k.createArguments(), "/d/kind.yaml") {
		t.Errorf("kind %q lacks the configuration", k.createArguments())
	}
}

// What kind says must reach the user, and what it began must be taken back.
func TestKindThatFailsIsCleanedUp(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	log := filepath.Join(t.TempDir(), "log")
	script(t, "kind", `echo "$1" >>'`+log+`'; echo "this node is broken" >&2; [ "$1" = delete ]`)
	command := filepath.Join(os.Getenv("PATH"), "kind")
	work, err := os.MkdirTemp("", "lockproof-kind-")
	if err != nil {
		t.Fatal(err)
	}
	k := &KindCluster{command: command, name: "lockproof-test", dir: work}
	if err := k.create(t.Context()); err == nil || !strings.Contains(err.Error(), "this node is broken") {
		t.Errorf("want what kind said, got %v", err)
	}
	for range 2 {
		if err := k.Stop(); err != nil {
			t.Error(err)
		}
	}
	if ran, err := os.ReadFile(log); err != nil || string(ran) != "create\ndelete\n" {
		t.Errorf("it ran %q, %v", ran, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// script makes a program the only one in PATH.
func script(t *testing.T, name, text string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
