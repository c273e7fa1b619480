package schemata

import (
	"go/ast"
	"go/parser"
	"go/token"
)

// isComparable: what a mutant makes of an expression can be computed beside the
// original and compared with it, without doing anything.
func isComparable(typ, text string) bool {
	switch typ {
	case "bool", "string", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64",
		"mutant_time.Duration", "mutant_lock.Revision", "Revision":
	default:
		return false
	}
	e, err := parser.ParseExpr(text)
	return err == nil && pure(e)
}

// harmless functions only look.
var harmless = map[string]bool{
	"len": true, "cap": true, "min": true, "max": true, "int": true, "int32": true, "int64": true, "uint32": true, "uint64": true,
	"errors.Is": true, "time.Duration": true, "Definite": true, "contains": true, "driftOver": true, "string": true,
	"string.HasPrefix": true, "unheard": true, "standingOf": true,
}

func pure(e ast.Expr) bool {
	fine := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case nil, *ast.Ident, *ast.SelectorExpr, *ast.BasicLit, *ast.BinaryExpr, *ast.ParenExpr, *ast.IndexExpr, *ast.StarExpr, *ast.SliceExpr:
		case *ast.UnaryExpr:
			fine = fine && n.Op != token.AND && n.Op != token.ARROW
		case *ast.CallExpr:
			fine = fine && harmless[callee(n)]
		default:
			fine = false
		}
		return fine
	})
	return fine
}

func callee(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}
