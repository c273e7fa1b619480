package house

import (
	"go/ast"
	"strings"
	"testing"
)

// mapRanges may range over a map: file and function, and why its order cannot be
// seen.
var mapRanges = map[string]string{
	"lock/client.go Inspect":         "copies a map",
	"lock/close.go Close":            "sorts before use",
	"lock/state.go appendAttributes": "sorts before use",
}

// mapNames are the names that are declared in a package with a map type: fields,
// variables, parameters. Names are not types; a clash shows as a finding that
// the list above can name.
func mapNames(files []*source) map[string]bool {
	names := map[string]bool{}
	for _, s := range files {
		ast.Inspect(s.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				if isMap(n.Type) {
					for _, name := range n.Names {
						names[name.Name] = true
					}
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if isMap(n.Type) || i < len(n.Values) && isMap(n.Values[i]) {
						names[name.Name] = true
					}
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if i < len(n.Rhs) && isMap(n.Rhs[i]) {
						names[lastName(left)] = true
					}
				}
			}
			return true
		})
	}
	return names
}

// isMap: a map type, or what makes one.
func isMap(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.MapType:
		return true
	case *ast.CompositeLit:
		return isMap(e.Type)
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.Ident)
		return ok && f.Name == "make" && isMap(e.Args[0])
	}
	return false
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// checkMapOrder: the order of a map differs from run to run.
func checkMapOrder(files []*source) []string {
	var found []string
	names := mapNames(files)
	for _, s := range files {
		imports := s.imports()
		for _, d := range s.tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || mapRanges[s.path+" "+f.Name.Name] != "" {
				continue
			}
			sorted := map[ast.Node]bool{}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if name := used(imports, n.Fun); strings.HasPrefix(name, "slices.Sorted") {
						sorted[n.Args[0]] = true
					} else if (name == "maps.Keys" || name == "maps.Values" || name == "maps.All") && !sorted[n] {
						found = append(found, s.at(n, "%s without slices.Sorted: the order differs from run to run", name))
					}
				case *ast.RangeStmt:
					if name := lastName(n.X); isMap(n.X) || name != "" && names[name] {
						found = append(found, s.at(n, "range over the map %s: the order differs from run to run; keep a slice beside it", name))
					}
				}
				return true
			})
		}
	}
	return found
}

func TestNoMapOrderReachesATrace(t *testing.T) {
	packages := map[string][]*source{}
	for _, s := range goFiles(load(t)) {
		if s.inDirs("lock", "sim", "fault") {
			packages[s.dir()] = append(packages[s.dir()], s)
		}
	}
	for _, files := range packages {
		report(t, checkMapOrder(files))
	}
}

func TestAMapOrderIsFound(t *testing.T) {
	for _, text := range []string{
		`type w struct{ nodes map[string]int }; func f(w *w) { for range w.nodes {} }`,
		`func f(m map[int]int) { for k := range m { _ = k } }`,
		`func f() { m := make(map[int]int); for k := range m { _ = k } }`,
		`func f() { for k := range map[int]int{1: 1} { _ = k } }`,
		`var m map[int]int; func f() { for range m {} }`,
		`import "maps"; func f(m map[int]int) { g(maps.Keys(m)) }`,
	} {
		wantFinding(t, checkMapOrder([]*source{bad(t, "sim/x.go", "package sim; "+text)}), "differs from run to run")
	}
	fine := `import ("maps"; "slices"); func f(m map[int]int, s []int) { for range s {}; for range slices.Sorted(maps.Keys(m)) {} }`
	if found := checkMapOrder([]*source{bad(t, "sim/x.go", "package sim; "+fine)}); len(found) != 0 {
		t.Error(found)
	}
}
