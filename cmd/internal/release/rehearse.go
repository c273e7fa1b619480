package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// rehearse releases the tree to a folder, as CONTRIBUTING.md says that a release
// is made, and then does with it what users do.
//
//	copy of the tree ─► one version everywhere ─► root zipped ─► backends built, zipped ─► cmd tidied, built, zipped
//	                                                                          outside: go get, go build, go install
func rehearse(ctx context.Context, root, version string) (err error) {
	temp, err := os.MkdirTemp("", "lockproof-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	tree, shelf, outside := filepath.Join(temp, "tree"), filepath.Join(temp, "proxy"), filepath.Join(temp, "outside")
	for _, dir := range []string{tree, shelf, outside} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	p, err := newProxy(ctx, shelf)
	if err != nil {
		return err
	}
	if err := checkout(ctx, root, tree); err != nil {
		return err
	}
	all, err := modules(tree)
	if err != nil {
		return err
	}
	if err := p.forget(all, version); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.forget(all, version)) }()
	if err := release(ctx, p, tree, all, version); err != nil {
		return err
	}
	return useAll(ctx, p, outside, version)
}

// release publishes all modules of the tree.
func release(ctx context.Context, p *proxy, tree string, all []module, version string) error {
	if err := setVersion(tree, version); err != nil {
		return err
	}
	for _, m := range all {
		begun := time.Now()
		dir := filepath.Join(tree, filepath.FromSlash(m.dir))
		// Each builds with what is published, and not with what is beside it.
		restore, err := alone(dir)
		if err != nil {
			return err
		}
		if _, err := tool(ctx, dir, p.env, "mod", "tidy"); err != nil {
			return fmt.Errorf("%s on its own: %w", m.dir, err)
		}
		if _, err := tool(ctx, dir, p.env, "build", "./..."); err != nil {
			return fmt.Errorf("%s on its own: %w", m.dir, err)
		}
		if err := restore(); err != nil {
			return err
		}
		if err := p.publish(m, dir, version); err != nil {
			return fmt.Errorf("pack %s: %w", m.dir, err)
		}
		fmt.Printf("released  %-28s tag %-32s %s\n", m.dir, m.tag(version), time.Since(begun).Round(100*time.Millisecond))
	}
	return nil
}

// alone takes the replacements out of a module's go.mod, as they do not count for
// who imports it; restore puts go.mod back as it was.
func alone(dir string) (restore func() error, err error) {
	mod, err := readMod(dir)
	if err != nil {
		return nil, err
	}
	before, err := mod.Format()
	if err != nil {
		return nil, err
	}
	if err := dropReplacements(mod, nil); err != nil {
		return nil, err
	}
	name := mod.Syntax.Name
	return func() error { return os.WriteFile(name, before, 0o644) }, writeMod(mod)
}
