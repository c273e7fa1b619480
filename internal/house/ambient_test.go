package house

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
	"testing"
)

// checkLockUsesRuntime: all that waits, runs beside or draws a number goes
// through Runtime, for the same lines must run in the simulator.
func checkLockUsesRuntime(s *source) []string {
	if !s.inDirs("lock") || s.isTest() || strings.HasPrefix(path.Base(s.path), "runtime_") {
		return nil
	}
	const use = "; the lock goes through Runtime, or it could not run in the simulator"
	forbidden := map[string]bool{
		"math/rand": true, "math/rand/v2": true, "crypto/rand": true,
		"time.Now": true, "time.Since": true, "time.Until": true, "time.After": true, "time.AfterFunc": true,
		"time.NewTimer": true, "time.NewTicker": true, "time.Tick": true, "time.Sleep": true,
		"context.WithTimeout": true, "context.WithTimeoutCause": true, "context.WithDeadline": true,
		"context.WithDeadlineCause": true, "context.AfterFunc": true,
	}
	var found []string
	imports := s.imports()
	ast.Inspect(s.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, s.at(n, "a go statement%s", use))
		case *ast.ChanType:
			found = append(found, s.at(n, "a channel%s", use))
		case *ast.SendStmt:
			found = append(found, s.at(n, "a send%s", use))
		case *ast.SelectStmt:
			found = append(found, s.at(n, "a select%s", use))
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				found = append(found, s.at(n, "a receive%s", use))
			}
		case *ast.ImportSpec:
			if p := strings.Trim(n.Path.Value, `"`); forbidden[p] {
				found = append(found, s.at(n, "%s%s", p, use))
			}
		case *ast.SelectorExpr:
			if name := used(imports, n); forbidden[name] {
				found = append(found, s.at(n, "%s%s", name, use))
			}
		}
		return true
	})
	return found
}

func TestTheLockGoesThroughItsRuntime(t *testing.T) {
	for _, s := range goFiles(load(t)) {
		report(t, checkLockUsesRuntime(s))
	}
}

func TestALockThatGoesPastItsRuntimeIsFound(t *testing.T) {
	for text, want := range map[string]string{
		`func f() { go f() }`:                           "go statement",
		`type t struct{ c chan int }`:                   "a channel",
		`func f(t t) { t.c <- 1 }`:                      "a send",
		`func f(t t) { <-t.c }`:                         "a receive",
		`func f() { select {} }`:                        "a select",
		`import "time"; var t = time.Now`:               "time.Now",
		`import clock "time"; var t = clock.NewTimer`:   "time.NewTimer",
		`import "context"; var c = context.AfterFunc`:   "context.AfterFunc",
		`import "context"; var c = context.WithTimeout`: "context.WithTimeout",
		`import "math/rand/v2"; var n rand.Rand`:        "math/rand/v2",
		`import _ "crypto/rand"`:                        "crypto/rand",
	} {
		wantFinding(t, checkLockUsesRuntime(bad(t, "lock/election/x.go", "package election; "+text)), want)
		if found := checkLockUsesRuntime(bad(t, "lock/runtime_plan9.go", "package lock; "+text)); len(found) != 0 {
			t.Error(found)
		}
	}
}

// clockReaders may read the machine's clock.
var clockReaders = map[string]string{
	"lock/runtime_real.go": "it is the clock",
}

// packageVariables may be more than an error or an assertion.
var packageVariables = map[string]string{
	"fault.table":       "what each kind of fault is; never written",
	"lock.processStart": "anchors the monotonic clock, once",
	"sim.eventNames":    "a table that is never written",
	"sim.opNames":       "a table that is never written",
}

// checkNothingAmbient: two runs of one scenario in one process, or in two on
// different machines, must not differ.
func checkNothingAmbient(s *source) []string {
	if !s.inDirs("lock", "sim", "fault") || s.isTest() {
		return nil
	}
	var found []string
	imports := s.imports()
	ast.Inspect(s.tree, func(n ast.Node) bool {
		switch name := used(imports, n); name {
		case "time.Now", "time.Since", "time.Until":
			if clockReaders[s.path] == "" {
				found = append(found, s.at(n, "%s: nothing here may depend on the time of day", name))
			}
		case "os.Getenv", "os.LookupEnv", "os.Environ", "os.Args":
			found = append(found, s.at(n, "%s: nothing here may depend on the environment", name))
		}
		return true
	})
	for _, d := range s.tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				found = append(found, s.at(d, "func init: nothing happens on import"))
			}
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				found = append(found, checkVariables(s, d, imports)...)
			}
		}
	}
	return found
}

func checkVariables(s *source, d *ast.GenDecl, imports map[string]string) []string {
	var found []string
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if name.Name == "_" || packageVariables[path.Base(s.dir())+"."+name.Name] != "" {
				continue
			}
			if i < len(v.Values) {
				call, ok := v.Values[i].(*ast.CallExpr)
				if ok && (used(imports, call.Fun) == "errors.New" || used(imports, call.Fun) == "fmt.Errorf") {
					continue
				}
			}
			found = append(found, s.at(name, "package variable %s: no state outlives a run; pass it, or name it here with a reason", name.Name))
		}
	}
	return found
}

func TestNothingAmbientReachesARun(t *testing.T) {
	for _, s := range goFiles(load(t)) {
		report(t, checkNothingAmbient(s))
	}
}

func TestAmbientStateIsFound(t *testing.T) {
	for text, want := range map[string]string{
		`import "time"; func f() { time.Since(time.Time{}) }`: "time.Since",
		`import "os"; func f() { os.Getenv("SEED") }`:         "os.Getenv",
		`func init() {}`:               "func init",
		`var cache = map[string]int{}`: "package variable cache",
		`import "errors"; var errX, count = errors.New("x"), int64(0)`: "package variable count",
	} {
		wantFinding(t, checkNothingAmbient(bad(t, "sim/x.go", "package sim; "+text)), "sim/x.go", want)
	}
	fine := `import "errors"; var _ error = nil; var ErrX = errors.New("x"); type t struct{}; func (t) init() {}`
	if found := checkNothingAmbient(bad(t, "fault/x.go", "package fault; "+fine)); len(found) != 0 {
		t.Error(found)
	}
}
