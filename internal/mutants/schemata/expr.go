package schemata

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strconv"
)

// condition finds the mutants of what decides over a branch.
func (s *finder) condition(e ast.Expr, mayBeTrue bool) {
	inner := ast.Unparen(e)
	b, logical := inner.(*ast.BinaryExpr)
	logical = logical && (b.Op == token.LAND || b.Op == token.LOR)
	// Of a && b, "a" alone and "b" alone are harder to tell from it than "true" is.
	if mayBeTrue && (!logical || b.Op == token.LOR) {
		s.expr(e, "condition", "true")
	}
	if !logical || b.Op == token.LAND {
		s.expr(e, "condition", "false")
	}
	s.decided(inner, true)
	s.walkIn(inner)
}

// decided finds the mutants of a bool that is known to be one. whole: it is all
// of a condition or an operand of && or ||, and so is replaced by true and false
// elsewhere.
func (s *finder) decided(e ast.Expr, whole bool) {
	b, ok := e.(*ast.BinaryExpr)
	if !ok {
		return
	}
	x, y := s.f.text(s.p, b.X), s.f.text(s.p, b.Y)
	edge := map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}
	not := map[token.Token]string{token.EQL: "!=", token.NEQ: "==", token.LSS: ">=", token.LEQ: ">", token.GTR: "<=", token.GEQ: "<"}
	switch b.Op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		s.expr(e, "boundary", x+" "+edge[b.Op]+" "+y)
		fallthrough
	case token.EQL, token.NEQ:
		if !whole {
			s.expr(e, "negated", x+" "+not[b.Op]+" "+y)
		}
	case token.LAND, token.LOR:
		if l, ok := ast.Unparen(b.X).(*ast.BinaryExpr); !ok || l.Op != b.Op {
			s.expr(e, "operand dropped", y)
		}
		s.expr(e, "operand dropped", x)
		s.decided(ast.Unparen(b.X), true)
		s.decided(ast.Unparen(b.Y), true)
	}
}

// walkIn walks what is within e, but for the comparisons that decided has seen.
func (s *finder) walkIn(e ast.Expr) {
	switch x := e.(type) {
	case *ast.ParenExpr:
		s.walkIn(x.X)
	case *ast.BinaryExpr:
		switch x.Op {
		case token.LAND, token.LOR:
			s.walkIn(x.X)
			s.walkIn(x.Y)
			return
		case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
			s.walk(x.X)
			s.walk(x.Y)
			return
		}
		s.walk(x)
	case *ast.UnaryExpr:
		s.walk(x.X) // !x is negated by true and false
	default:
		s.walk(e)
	}
}

// walk finds the mutants of all expressions within n, and of the bodies of
// functions that are written there.
func (s *finder) walk(n ast.Node) {
	if n == nil {
		return
	}
	ast.Inspect(n, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && s.constant(e) {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncLit:
			s.block(n.Body.List, nil, false)
			return false
		case *ast.ArrayType, *ast.StructType, *ast.InterfaceType, *ast.FuncType, *ast.MapType:
			return false
		case *ast.GenDecl:
			return n.Tok != token.CONST
		case *ast.BinaryExpr:
			return s.binary(n)
		case *ast.UnaryExpr:
			s.unary(n)
		case *ast.BasicLit:
			s.literal(n)
		case *ast.Ident:
			s.ident(n)
		case *ast.CallExpr:
			s.call(n)
		case *ast.CompositeLit:
			s.fields(n)
		}
		return true
	})
}

// constant changes an expression that is a constant as a whole, such as -1 or
// 1<<20, whose parts have no type of their own. It reports whether e is one.
func (s *finder) constant(e ast.Expr) bool {
	switch e.(type) {
	case *ast.BinaryExpr, *ast.UnaryExpr, *ast.ParenExpr, *ast.CallExpr:
	default:
		return false
	}
	tv := s.p.info.Types[e]
	if tv.Value == nil {
		return false
	}
	if isNumber(tv.Type) {
		s.expr(e, "constant", "2 * ("+s.f.text(s.p, e)+")")
	}
	return true
}

// binary reports whether what is within is still to be walked.
func (s *finder) binary(b *ast.BinaryExpr) bool {
	x, y := s.f.text(s.p, b.X), s.f.text(s.p, b.Y)
	switch b.Op {
	case token.LAND, token.LOR:
		s.decided(b, true)
		s.walkIn(b)
		return false
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		s.decided(b, false)
		return true
	}
	other := map[token.Token]string{
		token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*", token.REM: "*",
		token.SHL: ">>", token.SHR: "<<", token.AND: "|", token.OR: "&", token.XOR: "&", token.AND_NOT: "&",
	}
	if isNumber(s.p.info.TypeOf(b)) {
		s.expr(b, "arithmetic", x+" "+other[b.Op]+" "+y)
	}
	return true
}

func (s *finder) unary(u *ast.UnaryExpr) {
	if u.Op == token.NOT || u.Op == token.SUB {
		s.expr(u, "sign", s.f.text(s.p, u.X))
	}
}

// literal changes a whole number: none to one, one to none, others to twice.
func (s *finder) literal(l *ast.BasicLit) {
	tv := s.p.info.Types[l]
	if l.Kind != token.INT || tv.Value == nil || !isNumber(tv.Type) {
		return
	}
	n, exact := constant.Int64Val(constant.ToInt(tv.Value))
	if !exact {
		return
	}
	switch n {
	case 0:
		s.expr(l, "constant", "1")
	case 1:
		s.expr(l, "constant", "0")
	default:
		s.expr(l, "constant", strconv.FormatInt(n*2, 10))
	}
}

// ident changes a truth value, or the use of a number that the package named.
func (s *finder) ident(id *ast.Ident) {
	switch id.Name {
	case "true", "false":
		if s.p.info.Uses[id] == types.Universe.Lookup(id.Name) {
			s.expr(id, "constant", map[string]string{"true": "false", "false": "true"}[id.Name])
		}
		return
	}
	c, ok := s.p.info.Uses[id].(*types.Const)
	if !ok || c.Pkg() != s.p.pkg || !isNumber(c.Type()) || s.enumerated(c) {
		return
	}
	s.expr(id, "constant", "2*"+id.Name)
}

// enumerated: one of a row of names, where twice the number is nonsense.
func (s *finder) enumerated(c *types.Const) bool {
	named, ok := c.Type().(*types.Named)
	if !ok || named.Obj().Pkg() != s.p.pkg {
		return false
	}
	n := 0
	for _, name := range s.p.pkg.Scope().Names() {
		if other, ok := s.p.pkg.Scope().Lookup(name).(*types.Const); ok && types.Identical(other.Type(), c.Type()) {
			n++
		}
	}
	return n > 1
}

func (s *finder) call(c *ast.CallExpr) {
	id, ok := c.Fun.(*ast.Ident)
	if !ok || len(c.Args) < 2 || s.p.info.Types[c].Value != nil {
		return
	}
	other := map[string]string{"min": "max", "max": "min"}[id.Name]
	if other == "" || s.p.info.Uses[id] != types.Universe.Lookup(id.Name) {
		return
	}
	text := s.f.text(s.p, c)
	s.expr(c, "arithmetic", other+text[len(id.Name):])
}

// fields leaves out each field of a struct that is made here.
func (s *finder) fields(lit *ast.CompositeLit) {
	t := s.p.info.TypeOf(lit)
	if t == nil {
		return
	}
	if _, ok := t.Underlying().(*types.Struct); !ok {
		return
	}
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch v := ast.Unparen(kv.Value).(type) {
		case *ast.BasicLit, *ast.FuncLit:
			continue
		case *ast.Ident:
			if isNil(v) {
				continue
			}
		}
		field := s.p.info.TypeOf(kv.Key)
		if obj, ok := s.p.info.Uses[kv.Key.(*ast.Ident)]; ok {
			field = obj.Type()
		}
		if field == nil {
			continue
		}
		if _, ok := field.Underlying().(*types.Signature); ok {
			continue // to call nil is found at once
		}
		if typ := s.typeText(field); typ != "" {
			s.exprOf(kv.Value, typ, "field left out", "*new("+typ+")").Now = "(zero)"
		}
	}
}

func isNumber(t types.Type) bool {
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsNumeric != 0
}

func isBool(t types.Type) bool {
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// typeOf writes down the type of e as this file can name it.
func (s *finder) typeOf(e ast.Expr) string {
	t := s.p.info.TypeOf(e)
	if t == nil {
		return ""
	}
	return s.typeText(types.Default(t))
}

func (s *finder) typeText(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == s.p.pkg {
			return ""
		}
		name := "mutant_" + p.Name()
		s.extra[p.Path()] = name
		return name
	})
}
