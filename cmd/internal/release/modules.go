package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// ourPath is the path of the root module; those of all others begin with it.
const ourPath = "github.com/lockproof/lockproof"

// module is one of the workspace.
type module struct {
	path string
	dir  string // from the root, with slashes; "." is the root itself
}

// tag is what a release of the module is tagged with.
func (m module) tag(version string) string {
	if m.dir == "." {
		return version
	}
	return m.dir + "/" + version
}

// modules lists the modules of the workspace, each after those that it requires.
func modules(root string) ([]module, error) {
	name := filepath.Join(root, "go.work")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork(name, text, nil)
	if err != nil {
		return nil, err
	}
	var all []module
	for _, use := range work.Use {
		dir := filepath.ToSlash(filepath.Clean(use.Path))
		mod, err := readMod(filepath.Join(root, dir))
		if err != nil {
			return nil, err
		}
		all = append(all, module{mod.Module.Mod.Path, dir})
	}
	return inOrder(root, all)
}

// inOrder sorts modules so that none comes before one that it requires.
func inOrder(root string, all []module) ([]module, error) {
	var ordered []module
	done := map[string]bool{}
	for len(ordered) < len(all) {
		before := len(ordered)
		for _, m := range all {
			mod, err := readMod(filepath.Join(root, m.dir))
			if err != nil {
				return nil, err
			}
			ready := !done[m.path]
			for _, r := range mod.Require {
				if isOurs(r.Mod.Path) && !done[r.Mod.Path] {
					ready = false
				}
			}
			if ready {
				ordered, done[m.path] = append(ordered, m), true
			}
		}
		if len(ordered) == before {
			return nil, fmt.Errorf("the modules require each other in a circle, or one that go.work does not use")
		}
	}
	return ordered, nil
}

func isOurs(path string) bool { return path == ourPath || strings.HasPrefix(path, ourPath+"/") }

func readMod(dir string) (*modfile.File, error) {
	name := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(name, text, nil)
}

func writeMod(mod *modfile.File) error {
	mod.Cleanup()
	text, err := mod.Format()
	if err != nil {
		return err
	}
	return os.WriteFile(mod.Syntax.Name, text, 0o644)
}

// setVersion lets all modules of the tree at root require each other in one
// version.
func setVersion(root, version string) error {
	all, err := modules(root)
	if err != nil {
		return err
	}
	for _, m := range all {
		mod, err := readMod(filepath.Join(root, m.dir))
		if err != nil {
			return err
		}
		for _, r := range mod.Require {
			if isOurs(r.Mod.Path) {
				if err := mod.AddRequire(r.Mod.Path, version); err != nil {
					return err
				}
			}
		}
		if err := writeMod(mod); err != nil {
			return err
		}
	}
	return nil
}

// tool runs the go command in a folder, with environment variables besides, and
// returns what it printed. What it said goes into the error.
func tool(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	return runIn(ctx, dir, env, "go", args...)
}

func runIn(ctx context.Context, dir string, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(program), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}
