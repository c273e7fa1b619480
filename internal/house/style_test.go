package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

const (
	mostLinesOfFunction = 70
	mostLinesOfFile     = 400
)

// long may be longer: a file, or a file and a function, and why.
var long = map[string]string{}

// checkLength: what does not fit on a screen or two is not read as a whole.
func checkLength(s *source) []string {
	if s.isTest() {
		return nil
	}
	var found []string
	if n := strings.Count(s.text, "\n"); n > mostLinesOfFile && long[s.path] == "" {
		found = append(found, fmt.Sprintf("%s:%d: the file has %d lines, more than %d", s.path, mostLinesOfFile, n, mostLinesOfFile))
	}
	for _, d := range s.tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || long[s.path+" "+f.Name.Name] != "" {
			continue
		}
		if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > mostLinesOfFunction {
			found = append(found, s.at(f, "%s has %d lines, more than %d", f.Name.Name, n, mostLinesOfFunction))
		}
	}
	return found
}

func TestFunctionsAndFilesAreShort(t *testing.T) {
	for _, s := range goFiles(load(t)) {
		report(t, checkLength(s))
	}
}

func TestALongFunctionOrFileIsFound(t *testing.T) {
	body := strings.Repeat("\tg()\n", mostLinesOfFunction-2)
	fine := bad(t, "lock/x.go", "package lock\n\nfunc f() {\n"+body+"}\n")
	if found := checkLength(fine); len(found) != 0 {
		t.Error(found)
	}
	wantFinding(t, checkLength(bad(t, "lock/x.go", "package lock\n\nfunc f() {\n\tg()\n"+body+"}\n")), "f has 71 lines")
	wantFinding(t, checkLength(bad(t, "lock/x.go", "package lock\n"+strings.Repeat("\n", mostLinesOfFile))), "the file has 401 lines")
}

// wellKnown methods say by their name what they do.
var wellKnown = map[string]bool{
	"Error": true, "String": true, "Is": true, "As": true, "Unwrap": true, "Len": true, "Less": true, "Swap": true,
	"Push": true, "Pop": true, "MarshalJSON": true, "UnmarshalJSON": true, "MarshalText": true, "UnmarshalText": true,
}

// checkDocumented: what can be used from outside says what it is.
func checkDocumented(s *source) []string {
	if s.isTest() || s.tree.Name.Name == "main" {
		return nil
	}
	var found []string
	missing := func(n ast.Node, name string) {
		found = append(found, s.at(n, "%s has no comment", name))
	}
	for _, d := range s.tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if !d.Name.IsExported() || d.Doc != nil || d.Recv != nil && (wellKnown[d.Name.Name] || !ast.IsExported(receiver(d))) {
				continue
			}
			missing(d, d.Name.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if spec.Name.IsExported() && spec.Doc == nil && d.Doc == nil {
						missing(spec, spec.Name.Name)
					}
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						if name.IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil && d.Tok != token.IMPORT {
							missing(name, name.Name)
						}
					}
				}
			}
		}
	}
	return found
}

func receiver(d *ast.FuncDecl) string {
	e := d.Recv.List[0].Type
	for {
		switch t := e.(type) {
		case *ast.StarExpr:
			e = t.X
		case *ast.IndexExpr:
			e = t.X
		case *ast.IndexListExpr:
			e = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

func TestWhatIsExportedIsDocumented(t *testing.T) {
	for _, s := range goFiles(load(t)) {
		report(t, checkDocumented(s))
	}
}

func TestWhatIsNotDocumentedIsFound(t *testing.T) {
	for text, want := range map[string]string{
		"func F() {}":     "F has no comment",
		"type T struct{}": "T has no comment",
		"var V int":       "V has no comment",
		"const C = 1":     "C has no comment",
		"// T is.\ntype T[A any] int\nfunc (*T[A]) M() {}": "M has no comment",
	} {
		wantFinding(t, checkDocumented(bad(t, "lock/x.go", "package lock\n\n"+text)), want)
	}
	fine := "func f() {}\ntype t int\nfunc (t) M() {}\n// C are.\nconst (\n\tC = 1\n\tD = 2\n)\nvar (\n\tE int // is\n)\n// T is.\ntype T int\nfunc (T) String() string { return \"\" }"
	if found := checkDocumented(bad(t, "lock/x.go", "package lock\n\n"+fine)); len(found) != 0 {
		t.Error(found)
	}
}

// leftover matches notes to oneself and the folders of some machine. It is put
// together so that it does not match itself.
var leftover = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b|/(wo` + `rk|ro` + `ot)/|/ho` + `me/[a-z]`)

// leftovers may be there: a file, and why.
var leftovers = map[string]string{}

// checkLeftovers: what is not done is an issue, not a comment, and nobody else
// has that folder.
func checkLeftovers(s *source) []string {
	var found []string
	for i, line := range strings.Split(s.text, "\n") {
		if m := leftover.FindString(line); m != "" && leftovers[s.path] == "" {
			found = append(found, fmt.Sprintf("%s:%d: %q is left over", s.path, i+1, m))
		}
	}
	return found
}

func TestNothingIsLeftOver(t *testing.T) {
	for _, s := range load(t) {
		report(t, checkLeftovers(s))
	}
}

func TestALeftoverIsFound(t *testing.T) {
	for _, text := range []string{"// TO" + "DO: later", "see /wo" + "rk/main/x", "/ro" + "ot/go", "// FIX" + "ME"} {
		wantFinding(t, checkLeftovers(bad(t, "docs/x.md", "fine\n"+text+"\n")), "docs/x.md:2:", "is left over")
	}
	if found := checkLeftovers(bad(t, "docs/x.md", "the root/ of a work/ folder; todo lists")); len(found) != 0 {
		t.Error(found)
	}
}
