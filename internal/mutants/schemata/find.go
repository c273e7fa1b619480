package schemata

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// find collects the points of f.
func (p *Package) find(f *File) *finder {
	s := &finder{p: p, f: f, at: map[[2]int]*point{}, alone: map[ast.Stmt]bool{}, extra: map[string]string{}}
	for _, d := range f.tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Body == nil {
				continue
			}
			s.fn = funcName(d)
			s.block(d.Body.List, nil, false)
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue // a constant must stay one; its uses are mutated
			}
			s.fn = "var"
			s.walk(d)
		}
	}
	return s
}

func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	switch x := t.(type) {
	case *ast.IndexExpr:
		t = x.X
	case *ast.IndexListExpr:
		t = x.X
	}
	return t.(*ast.Ident).Name + "." + d.Name.Name
}

// block finds the mutants of statements in a list. loop is the innermost loop;
// breaks tells whether a break here would leave something else.
func (s *finder) block(list []ast.Stmt, loop ast.Stmt, breaks bool) {
	for _, st := range list {
		s.statement(st, loop, breaks)
	}
}

func (s *finder) statement(st ast.Stmt, loop ast.Stmt, breaks bool) {
	switch st := st.(type) {
	case *ast.BlockStmt:
		s.block(st.List, loop, breaks)
	case *ast.LabeledStmt:
		s.statement(st.Stmt, loop, breaks)
	case *ast.IfStmt:
		s.walk(st.Init)
		s.condition(st.Cond, true)
		if b, ok := ast.Unparen(st.Cond).(*ast.BinaryExpr); len(st.Body.List) == 1 && st.Else == nil && !(ok && b.Op == token.LOR) {
			s.alone[st.Body.List[0]] = true
		}
		s.block(st.Body.List, loop, breaks)
		if st.Else != nil {
			s.statement(st.Else, loop, breaks)
		}
	case *ast.ForStmt:
		s.walk(st.Init)
		s.walk(st.Post)
		if st.Cond != nil {
			s.condition(st.Cond, false) // "true" would only hang
		}
		s.block(st.Body.List, st, false)
	case *ast.RangeStmt:
		s.walk(st.X)
		s.block(st.Body.List, st, false)
		if n := len(st.Body.List); n > 0 {
			s.rangeOnce(st)
		}
	case *ast.SwitchStmt:
		s.walk(st.Init)
		s.walk(st.Tag)
		for _, c := range st.Body.List {
			c := c.(*ast.CaseClause)
			for _, e := range c.List {
				if st.Tag == nil {
					s.condition(e, true)
				} else {
					s.walk(e)
				}
			}
			s.block(c.Body, loop, true)
		}
	case *ast.TypeSwitchStmt:
		s.walk(st.Init)
		for _, c := range st.Body.List {
			s.block(c.(*ast.CaseClause).Body, loop, true)
		}
	case *ast.SelectStmt:
		for _, c := range st.Body.List {
			s.block(c.(*ast.CommClause).Body, loop, true)
		}
	default:
		s.simple(st, loop, breaks)
	}
}

// simple finds the mutants of a statement that holds no other.
func (s *finder) simple(st ast.Stmt, loop ast.Stmt, breaks bool) {
	switch st := st.(type) {
	case *ast.ExprStmt:
		if s.onMutex(st.X) {
			return
		}
		s.stmt(st, "call deleted", "")
	case *ast.DeferStmt:
		if s.onMutex(st.Call) {
			return
		}
		s.stmt(st, "defer deleted", "")
	case *ast.GoStmt, *ast.SendStmt:
		s.stmt(st, "statement deleted", "")
	case *ast.AssignStmt:
		if st.Tok != token.DEFINE && !onlyBlank(st) {
			s.stmt(st, "assignment deleted", "")
			s.opAssign(st)
		}
	case *ast.IncDecStmt:
		s.stmt(st, "assignment deleted", "")
	case *ast.ReturnStmt:
		s.stmt(st, "return deleted", "")
		s.results(st)
	case *ast.BranchStmt:
		if st.Label == nil && st.Tok != token.GOTO && st.Tok != token.FALLTHROUGH {
			s.stmt(st, st.Tok.String()+" deleted", "")
			if loop != nil && !breaks {
				s.stmt(st, "continue and break", map[token.Token]string{token.CONTINUE: "break", token.BREAK: "continue"}[st.Tok])
			}
		}
	}
	s.walk(st)
}

// rangeOnce leaves a loop after its first round.
func (s *finder) rangeOnce(st *ast.RangeStmt) {
	end := s.p.offset(st.Body.Rbrace)
	m := s.mutant(st.X, "loop once", "(first only)")
	m.Was = "range " + m.Was
	s.points = append(s.points, &point{from: end, to: end, statement: true, choices: []choice{{m, "break"}}})
}

func onlyBlank(st *ast.AssignStmt) bool {
	for _, l := range st.Lhs {
		if id, ok := l.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	// The call is what counts.
	for _, r := range st.Rhs {
		if _, ok := r.(*ast.CallExpr); ok {
			return false
		}
	}
	return true
}

var opposite = map[token.Token]string{
	token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+=", token.MUL_ASSIGN: "/=", token.QUO_ASSIGN: "*=",
	token.SHL_ASSIGN: ">>=", token.SHR_ASSIGN: "<<=", token.OR_ASSIGN: "&=", token.AND_ASSIGN: "|=", token.XOR_ASSIGN: "|=",
}

func (s *finder) opAssign(st *ast.AssignStmt) {
	op, ok := opposite[st.Tok]
	if !ok || !isNumber(s.p.info.TypeOf(st.Lhs[0])) {
		return
	}
	s.stmt(st, "arithmetic", s.f.text(s.p, st.Lhs[0])+" "+op+" "+s.f.text(s.p, st.Rhs[0]))
}

// results replaces each error that is returned by nil, and each bool by its
// opposite unless a mutant of the expression does so anyway.
func (s *finder) results(st *ast.ReturnStmt) {
	for _, e := range st.Results {
		if isNil(e) {
			continue
		}
		t := s.p.info.TypeOf(e)
		switch {
		case len(st.Results) == 1 && isTuple(t):
		case types.Identical(t, types.Universe.Lookup("error").Type()) || implementsError(t):
			s.result(st, e, "error dropped", "nil")
		case isBool(t) && !isOperation(e):
			s.result(st, e, "negated", "!("+s.f.text(s.p, e)+")")
		}
	}
}

// result replaces one result of a return statement.
func (s *finder) result(st *ast.ReturnStmt, e ast.Expr, kind, now string) {
	var texts []string
	for _, r := range st.Results {
		if r == e {
			texts = append(texts, now)
		} else {
			texts = append(texts, s.f.text(s.p, r))
		}
	}
	s.stmt(st, kind, "return "+strings.Join(texts, ", "))
}

func isNil(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && (id.Name == "nil" || id.Name == "true" || id.Name == "false")
}

func isTuple(t types.Type) bool { _, ok := t.(*types.Tuple); return ok }

func isOperation(e ast.Expr) bool {
	switch e.(type) {
	case *ast.BinaryExpr, *ast.UnaryExpr:
		return true
	}
	return false
}

func implementsError(t types.Type) bool {
	_, pointer := t.(*types.Pointer)
	return pointer && types.Implements(t, types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}

// onMutex: without its Lock or Unlock a test hangs or dies at once, and without
// both there is a data race, which the race detector is for. Neither says
// anything about the tests.
func (s *finder) onMutex(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	t := s.p.info.TypeOf(sel.X)
	return t != nil && (strings.HasSuffix(t.String(), "sync.Mutex") || strings.HasSuffix(t.String(), "sync.RWMutex"))
}
