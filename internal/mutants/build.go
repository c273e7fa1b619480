package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/lockproof/lockproof/internal/mutants/schemata"
)

const judgePackage = "./internal/mutants/judge"

// binaries are a part with all of its mutants, compiled, and what the original
// did.
type binaries struct {
	// Of is what they were made of: they serve until it changes.
	Of      string
	Judge   string
	Plan    string
	Units   []unit
	Reached map[int]int // in so many seeds a mutant makes a difference
}

// loadBinaries reads the binaries of an earlier run, if they are those.
func loadBinaries(path, of string) *binaries {
	b := &binaries{}
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, b) != nil || b.Of != of {
		return nil
	}
	return b
}

func (b *binaries) save(path string) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// build compiles the judge and the tests with the mutants in them.
func build(ctx context.Context, o options, p part, s *schemata.Schemata) (*binaries, error) {
	dir, err := filepath.Abs(filepath.Join(o.work, p.name))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range s.Texts {
		mutated := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(mutated, []byte(text), 0o644); err != nil {
			return nil, err
		}
		overlay.Replace[path] = mutated
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	b := &binaries{Judge: filepath.Join(dir, "judge"), Plan: filepath.Join(dir, "plan.json")}
	if err := goTool(ctx, "build", "-overlay", file, "-o", b.Judge, judgePackage); err != nil {
		return nil, err
	}
	for _, pkg := range p.units {
		u := unit{Pkg: pkg, Path: filepath.Join(dir, filepath.Base(pkg)+".test")}
		if u.Dir, err = filepath.Abs(pkg); err != nil {
			return nil, err
		}
		if err := goTool(ctx, "test", "-c", "-overlay", file, "-o", u.Path, pkg); err != nil {
			return nil, err
		}
		b.Units = append(b.Units, u)
	}
	return b, nil
}

func goTool(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &errs, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, errs.Bytes())
	}
	return nil
}

// fingerprint is over all source of this module that goes into the packages, and
// over the test data beside it: while it stays, so does what was found.
func fingerprint(ctx context.Context, tests bool, pkgs ...string) (string, error) {
	args := []string{"list", "-deps", "-json=Dir,Module,GoFiles,TestGoFiles,XTestGoFiles,EmbedFiles,ForTest,DepOnly"}
	if tests {
		args = append(args, "-test")
	}
	out, err := exec.CommandContext(ctx, "go", append(args, pkgs...)...).Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	files := map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var l struct {
			Dir                                            string
			Module                                         *struct{ Main bool }
			GoFiles, TestGoFiles, XTestGoFiles, EmbedFiles []string
			DepOnly                                        bool
		}
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		if l.Module == nil || !l.Module.Main {
			continue
		}
		own := slices.Concat(l.GoFiles, l.EmbedFiles)
		if tests && !l.DepOnly {
			own = slices.Concat(own, l.TestGoFiles, l.XTestGoFiles)
			data, _ := filepath.Glob(filepath.Join(l.Dir, "testdata", "*")) // the pattern is fine
			for _, d := range data {
				files[d] = true
			}
		}
		for _, name := range own {
			files[filepath.Join(l.Dir, name)] = true
		}
	}
	files["go.mod"] = true
	return hashFiles(files)
}

func hashFiles(files map[string]bool) (string, error) {
	var sorted []string
	for f := range files {
		sorted = append(sorted, f)
	}
	slices.Sort(sorted)
	h := sha256.New()
	for _, f := range sorted {
		text, err := os.ReadFile(f)
		switch {
		case err == nil:
			fmt.Fprintf(h, "%s %d\n", filepath.Base(f), len(text))
			h.Write(text)
		case filepath.IsAbs(f) && (errors.Is(err, os.ErrNotExist) || isFolder(f)):
			// A test binary's main is made by the go tool; a folder is not read.
		default:
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
