package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	modpath "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// proxy is a module proxy in a folder, with the settings to use it.
type proxy struct {
	dir   string
	cache string   // the module cache in use
	env   []string // for the go command
}

// newProxy makes a proxy in dir that stands before the one in use.
func newProxy(ctx context.Context, dir string) (*proxy, error) {
	var now struct{ GOPROXY, GONOSUMDB, GOMODCACHE string }
	text, err := tool(ctx, dir, nil, "env", "-json", "GOPROXY", "GONOSUMDB", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), &now); err != nil {
		return nil, err
	}
	noSum := ourPath + "," + ourPath + "/*"
	if now.GONOSUMDB != "" {
		noSum += "," + now.GONOSUMDB
	}
	return &proxy{dir: dir, cache: now.GOMODCACHE, env: []string{
		"GOWORK=off", "GOFLAGS=-mod=mod -modcacherw",
		"GOPROXY=file://" + filepath.ToSlash(dir) + "," + now.GOPROXY,
		"GONOSUMDB=" + noSum, "GOPRIVATE=", // which would go past the proxy
		// A version is the same for ever to the go command, so it keeps an index of its
		// packages, and would not see one that came since the last rehearsal.
		"GODEBUG=goindex=0",
	}}, nil
}

// publish packs the module in source as the tag of a release would be.
func (p *proxy) publish(m module, source, version string) error {
	dir := filepath.Join(p.dir, filepath.FromSlash(m.path), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{version + ".info": info, version + ".mod": mod, "list": []byte(version + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	out, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	err = zip.CreateFromDir(out, modpath.Version{Path: m.path, Version: version}, source)
	return errors.Join(err, out.Close())
}

// forget removes a version of our modules from the module cache, which would take
// a rehearsal for the release.
func (p *proxy) forget(all []module, version string) error {
	var errs []error
	for _, m := range all {
		path, err := modpath.EscapePath(m.path)
		if err != nil {
			return err
		}
		errs = append(errs, os.RemoveAll(filepath.Join(p.cache, filepath.FromSlash(path)+"@"+version)))
		downloaded := filepath.Join(p.cache, "cache", "download", filepath.FromSlash(path), "@v")
		names, err := filepath.Glob(filepath.Join(downloaded, version+".*"))
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, os.Remove(name))
		}
		// It lists what was there when it was asked.
		if err := os.Remove(filepath.Join(downloaded, "list")); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// checkout copies the tracked files of the repository, as they are now.
func checkout(ctx context.Context, root, to string) error {
	names, err := runIn(ctx, root, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(names, "\x00"), "\x00") {
		from, target := filepath.Join(root, filepath.FromSlash(name)), filepath.Join(to, filepath.FromSlash(name))
		info, err := os.Lstat(from)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, and not yet committed
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file, which no module can have", name)
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, text, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}
