package servers

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file in the cache that is not what was fetched is not run.
func TestAnAlteredInstallationCountsAsMissing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	sum := sha256.Sum256([]byte("the jar"))
	r := mavenRelease{server: "test", title: "Test", version: "1", sums: hex.EncodeToString(sum[:]) + "  a.jar\n", launcher: []byte("class Launcher {}")}
	dir, err := r.dir()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("Launcher.java", "class Launcher {}")
	put("Launcher$1.class", "compiled here")
	put("a.jar", "the jar")
	if got, err := r.installation(); err != nil || got != dir {
		t.Fatalf("%q, %v", got, err)
	}
	for _, c := range []struct{ name, text, says string }{
		{"a.jar", "another jar", "a.jar has SHA-256"},
		{"b.jar", "one more", "b.jar came with it"},
	} {
		put(c.name, c.text)
		_, err := r.installation()
		if err == nil || !isMissing(err) || !strings.Contains(err.Error(), "was altered") || !strings.Contains(err.Error(), c.says) ||
			!strings.Contains(err.Error(), "servers get test") {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := r.way(); err == nil {
			t.Errorf("%s: it is said to be there", c.name)
		}
		put("a.jar", "the jar")
	}
	if err := os.Remove(filepath.Join(dir, "b.jar")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "a.jar")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.installation(); err == nil || !strings.Contains(err.Error(), "a.jar") {
		t.Errorf("a file is gone: %v", err)
	}
}

func TestTheInstallationOfThisMachineIsWhole(t *testing.T) {
	for _, r := range []mavenRelease{dynamoDBRelease(), mongoJavaRelease()} {
		dir, err := r.dir()
		if err != nil {
			t.Skip(err)
		}
		if _, err := os.Stat(dir); err != nil {
			t.Logf("%s is not there", dir)
			continue
		}
		if _, err := r.installation(); err != nil {
			t.Error(err)
		}
	}
}
