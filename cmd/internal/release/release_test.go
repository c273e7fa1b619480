package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree writes files, by their path from a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// three is a workspace in which cmd comes before what it requires.
func three(t *testing.T) string {
	const requires = "\n\nrequire (\n\texample.com/other v1.2.3\n\t"
	return tree(t, map[string]string{
		"go.work":              "go 1.26.0\n\nuse (\n\t./cmd\n\t./backends/nats\n\t.\n)\n",
		"go.mod":               "module " + ourPath + "\n",
		"backends/nats/go.mod": "module " + ourPath + "/backends/nats" + requires + ourPath + " v0.0.0\n)\n\nreplace " + ourPath + " => ../..\n",
		"cmd/go.mod":           "module " + ourPath + "/cmd" + requires + ourPath + " v0.0.0\n\t" + ourPath + "/backends/nats v0.0.0\n)\n",
	})
}

func TestModulesComeAfterWhatTheyRequire(t *testing.T) {
	for name, root := range map[string]string{"three": three(t), "this repository": "../../.."} {
		all, err := modules(root)
		if err != nil {
			t.Fatal(err)
		}
		var tags []string
		for _, m := range all {
			tags = append(tags, m.tag("v1.0.0"))
		}
		if tags[0] != "v1.0.0" || !slices.Contains(tags, "backends/nats/v1.0.0") || tags[len(tags)-1] != "cmd/v1.0.0" {
			t.Errorf("%s: tags %v", name, tags)
		}
	}
}

func TestACircleIsRefused(t *testing.T) {
	root := tree(t, map[string]string{
		"go.work":  "go 1.26.0\n\nuse (\n\t.\n\t./a\n)\n",
		"go.mod":   "module " + ourPath + "\n\nrequire " + ourPath + "/a v0.0.0\n",
		"a/go.mod": "module " + ourPath + "/a\n\nrequire " + ourPath + " v0.0.0\n",
	})
	if all, err := modules(root); err == nil {
		t.Errorf("ordered as %v", all)
	}
}

func TestAVersionIsSetEverywhereAndTakenBack(t *testing.T) {
	root := three(t)
	before, err := os.ReadFile(filepath.Join(root, "cmd", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"v0.1.0", "v0.0.0"} {
		if err := setVersion(root, version); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"cmd", "backends/nats"} {
			mod, err := readMod(filepath.Join(root, dir))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range mod.Require {
				if want := map[bool]string{true: version, false: "v1.2.3"}[isOurs(r.Mod.Path)]; r.Mod.Version != want {
					t.Errorf("%s requires %s, want %s", dir, r.Mod, want)
				}
			}
		}
	}
	if after, err := os.ReadFile(filepath.Join(root, "cmd", "go.mod")); err != nil || string(after) != string(before) {
		t.Errorf("cmd/go.mod was\n%s\nand is\n%s%v", before, after, err)
	}
}

func TestAModuleAloneHasNoReplacementsAndGetsThemBack(t *testing.T) {
	dir := filepath.Join(three(t), "backends", "nats")
	restore, err := alone(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mod, err := readMod(dir); err != nil || len(mod.Replace) != 0 {
		t.Errorf("it has %v, %v", mod.Replace, err)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if mod, err := readMod(dir); err != nil || len(mod.Replace) != 1 {
		t.Errorf("it has %v, %v", mod.Replace, err)
	}
}

// What nobody asked for is found in a go.sum, and what was asked for is not.
func TestAStrangerInGoSumIsFound(t *testing.T) {
	root := tree(t, map[string]string{
		"clean": "github.com/nats-io/nats.go v1.0.0 h1:x\ngithub.com/nats-io/nkeys v0.1.0/go.mod h1:x\n",
		"dirty": "github.com/nats-io/nats.go v1.0.0 h1:x\ngithub.com/aws/smithy-go v1.0.0/go.mod h1:x\n",
	})
	u := backend("nats", "nats", "nats keys")
	if lines, err := u.checkSum(filepath.Join(root, "clean")); err != nil || lines != 2 {
		t.Errorf("%d lines, %v", lines, err)
	}
	if _, err := u.checkSum(filepath.Join(root, "dirty")); err == nil || !strings.Contains(err.Error(), "github.com/aws/smithy-go") {
		t.Errorf("error %v", err)
	}
	if _, err := users[0].checkSum(filepath.Join(root, "clean")); err == nil {
		t.Error("a user of the lock alone may have the NATS client")
	}
}
