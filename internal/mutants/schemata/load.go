// Package schemata makes mutants of Go source: small changes, each a mistake that
// a programmer could have made. All mutants of a package are compiled into one
// binary, as branches that ask package mutant which of them the process is (Untch,
// Offutt, Harrold: Mutation analysis using mutant schemata, 1993). So a thousand
// mutants cost one build.
package schemata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Package is one package, parsed and checked.
type Package struct {
	Path  string
	Dir   string // absolute
	Files []*File

	fset     *token.FileSet
	pkg      *types.Package
	info     *types.Info
	importer types.Importer
}

// File is one of its files that is no test.
type File struct {
	Name string // from the module's root, with slashes
	Path string // absolute
	Text string
	tree *ast.File
}

type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
	Module                  *struct{ Path, Dir string }
}

// Load reads a package of the module in the current folder, with the types of
// all that it imports.
func Load(pattern string) (*Package, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly,Module", pattern)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", pattern, err)
	}
	exports := map[string]string{}
	var target *listed
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list %s: %w", pattern, err)
		}
		exports[l.ImportPath] = l.Export
		if !l.DepOnly {
			if target != nil {
				return nil, fmt.Errorf("%s is more than one package", pattern)
			}
			target = &l
		}
	}
	if target == nil || target.Module == nil {
		return nil, fmt.Errorf("%s is no package of this module", pattern)
	}
	p := &Package{Path: target.ImportPath, Dir: target.Dir, fset: token.NewFileSet()}
	p.importer = importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})
	for _, name := range target.GoFiles {
		if err := p.read(target.Module.Dir, name); err != nil {
			return nil, err
		}
	}
	return p, p.check()
}

func (p *Package) read(root, name string) error {
	path := filepath.Join(p.Dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	tree, err := parser.ParseFile(p.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	p.Files = append(p.Files, &File{Name: filepath.ToSlash(rel), Path: path, Text: string(text), tree: tree})
	return nil
}

func (p *Package) check() error {
	p.info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
	}
	var trees []*ast.File
	for _, f := range p.Files {
		trees = append(trees, f.tree)
	}
	var err error
	p.pkg, err = (&types.Config{Importer: p.importer}).Check(p.Path, p.fset, trees, p.info)
	return err
}

// text is the source of a node.
func (f *File) text(p *Package, n ast.Node) string {
	return f.Text[p.offset(n.Pos()):p.offset(n.End())]
}

func (p *Package) offset(pos token.Pos) int { return p.fset.Position(pos).Offset }

// oneLine shortens source for a table.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 90 {
		return string(r[:87]) + "..."
	}
	return text
}
