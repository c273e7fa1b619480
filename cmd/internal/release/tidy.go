package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
)

// tidyAll tidies every module of the workspace, or with diff says what would
// change.
//
// `go install` refuses a module whose go.mod has replacements, so that cmd has
// none, and cannot be tidied by itself before what it requires is published. It is
// tidied in a copy of its go.mod that has them.
func tidyAll(ctx context.Context, root string, diff bool) error {
	all, err := modules(root)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range all {
		changed, err := tidy(ctx, root, m, all, diff)
		if err != nil {
			return fmt.Errorf("%s: %w", m.dir, err)
		}
		for _, name := range changed {
			if diff {
				errs = append(errs, fmt.Errorf("%s/%s is not tidy; `go run ./cmd/internal/release tidy` makes it so", m.dir, name))
			} else {
				fmt.Println("tidied", filepath.ToSlash(filepath.Join(m.dir, name)))
			}
		}
	}
	return errors.Join(errs...)
}

// tidy works on copies of go.mod and go.sum, and returns which of the two differ
// from what they were.
func tidy(ctx context.Context, root string, m module, all []module, diff bool) (changed []string, err error) {
	dir := filepath.Join(root, m.dir)
	temp, err := os.MkdirTemp("", "lockproof-tidy-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	mod, err := readMod(dir)
	if err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	for _, r := range mod.Replace {
		kept[r.Old.Path] = true
	}
	if err := replaceOurs(mod, root, all); err != nil {
		return nil, err
	}
	mod.Syntax.Name = filepath.Join(temp, "go.mod")
	if err := writeMod(mod); err != nil {
		return nil, err
	}
	if sum, err := os.ReadFile(filepath.Join(dir, "go.sum")); err == nil {
		if err := os.WriteFile(filepath.Join(temp, "go.sum"), sum, 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := tool(ctx, dir, []string{"GOWORK=off", "GOFLAGS=-mod=mod"}, "mod", "tidy", "-modfile="+mod.Syntax.Name); err != nil {
		return nil, err
	}
	if mod, err = readMod(temp); err != nil {
		return nil, err
	}
	if err := dropReplacements(mod, kept); err != nil {
		return nil, err
	}
	if err := writeMod(mod); err != nil {
		return nil, err
	}
	return putBack(temp, dir, diff)
}

// replaceOurs lets mod find our other modules in the checkout at root.
func replaceOurs(mod *modfile.File, root string, all []module) error {
	for _, other := range all {
		if other.path == mod.Module.Mod.Path {
			continue
		}
		if err := mod.AddReplace(other.path, "", filepath.Join(root, other.dir), ""); err != nil {
			return err
		}
	}
	return nil
}

// dropReplacements takes replaceOurs back. Those that a module keeps lead to the
// root, from two folders below it.
func dropReplacements(mod *modfile.File, kept map[string]bool) error {
	for _, r := range append([]*modfile.Replace(nil), mod.Replace...) {
		if err := mod.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return err
		}
	}
	if kept[ourPath] {
		return mod.AddReplace(ourPath, "", "../..", "")
	}
	return nil
}

// putBack replaces go.mod and go.sum where they have changed.
func putBack(temp, dir string, diff bool) (changed []string, err error) {
	for _, name := range []string{"go.mod", "go.sum"} {
		now, err := os.ReadFile(filepath.Join(temp, name))
		if err != nil {
			return nil, err
		}
		before, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && bytes.Equal(now, before) {
			continue
		}
		changed = append(changed, name)
		if diff {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), now, 0o644); err != nil {
			return nil, err
		}
	}
	return changed, nil
}
