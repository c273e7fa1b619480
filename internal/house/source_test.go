package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/lockproof/lockproof"

// source is one file of the tree.
type source struct {
	path string // from the root of the tree, with slashes
	text string
	tree *ast.File // nil unless it is Go
	fset *token.FileSet
}

func (s *source) dir() string  { return path.Dir(s.path) }
func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) inDirs(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return within(s.dir(), d) })
}

// within reports whether dir is root or below it.
func within(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

// at says where in s something is wrong, and what.
func (s *source) at(n ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.fset.Position(n.Pos()).Line, fmt.Sprintf(format, args...))
}

// imports maps the name by which a package goes in s to its path.
func (s *source) imports() map[string]string {
	out := map[string]string{}
	for _, spec := range s.tree.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(p)
		if strings.HasPrefix(name, "v") && len(name) > 1 && strings.Trim(name[1:], "0123456789") == "" {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		out[name] = p
	}
	return out
}

// used returns "path.Name" if n is a selector of an imported package.
func used(imports map[string]string, n ast.Node) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok || imports[x.Name] == "" {
		return ""
	}
	return imports[x.Name] + "." + sel.Sel.Name
}

func parse(name, text string) (*source, error) {
	s := &source{path: name, text: text, fset: token.NewFileSet()}
	if !strings.HasSuffix(name, ".go") {
		return s, nil
	}
	var err error
	s.tree, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

var readable = []string{".go", ".md", ".sh", ".yml", ".yaml", ".json", ".mod", ".html", ".css", ".js", ".txt", ".toml", ".py"}

// load returns the files of all modules; see read.
func load(t *testing.T) []*source {
	t.Helper()
	files, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(files, func(s *source) bool { return s.path == "lock/rules.go" }) {
		t.Fatal("this is not the root of the tree")
	}
	return files
}

var loaded = sync.OnceValues(func() ([]*source, error) { return read("../..") })

// read reads all modules of the tree, without test data and hidden folders.
func read(root string) ([]*source, error) {
	var out []*source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains(readable, filepath.Ext(p)) {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(rel), string(text))
		out = append(out, s)
		return err
	})
	return out, err
}

// goFiles keeps the files of Go; those that are no tests, unless tests are
// asked for.
func goFiles(all []*source, tests ...bool) []*source {
	var out []*source
	for _, s := range all {
		if s.tree != nil && (!s.isTest() || len(tests) > 0) {
			out = append(out, s)
		}
	}
	return out
}

// bad parses a source that breaks a rule.
func bad(t *testing.T, name, text string) *source {
	t.Helper()
	s, err := parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantFinding asserts that found is one message with each of want in it.
func wantFinding(t *testing.T, found []string, want ...string) {
	t.Helper()
	if len(found) != 1 {
		t.Errorf("found %q, want one message with %q", found, want)
		return
	}
	for _, w := range want {
		if !strings.Contains(found[0], w) {
			t.Errorf("found %q, which does not contain %q", found[0], w)
		}
	}
}

func report(t *testing.T, found []string) {
	t.Helper()
	for _, f := range found {
		t.Error(f)
	}
}
