package schemata

import (
	"fmt"
	"go/ast"
)

// Mutant is one change.
type Mutant struct {
	ID   int    // counts from 1 within a package; may change with any edit
	File string // as File.Name
	Func string // the function or method, or "var" at package level
	Line int
	Kind string
	Was  string // what is changed, on one line
	Now  string // what it becomes; "" if it is deleted
}

// Key names the mutant without line numbers, so that the name outlives edits
// elsewhere. Number tells apart those that are otherwise the same.
func (m *Mutant) Key() string {
	now := m.Now
	if now == "" {
		now = "(deleted)"
	}
	return fmt.Sprintf("%s %s: %s => %s", m.File, m.Func, m.Was, now)
}

// point is a range of a file with its mutants.
type point struct {
	from, to  int
	statement bool   // else an expression
	typ       string // of an expression
	choices   []choice
}

type choice struct {
	mutant *Mutant
	text   string // what stands there instead
}

// finder collects the points of one file.
type finder struct {
	p      *Package
	f      *File
	fn     string
	points []*point
	at     map[[2]int]*point // expressions by range: a node is one point
	// alone are statements that are all that a condition decides over; the
	// condition's "false" deletes them.
	alone map[ast.Stmt]bool
	// extra are imports that types written down need.
	extra map[string]string
}

// expr adds a mutant that replaces e. The original text of all within stays,
// since a process is one mutant at a time.
func (s *finder) expr(e ast.Expr, kind, now string) {
	if typ := s.typeOf(e); typ != "" {
		s.exprOf(e, typ, kind, now)
	}
}

func (s *finder) exprOf(e ast.Expr, typ, kind, now string) *Mutant {
	from, to := s.p.offset(e.Pos()), s.p.offset(e.End())
	pt := s.at[[2]int{from, to}]
	if pt == nil {
		pt = &point{from: from, to: to, typ: typ}
		s.at[[2]int{from, to}] = pt
		s.points = append(s.points, pt)
	}
	m := s.mutant(e, kind, now)
	pt.choices = append(pt.choices, choice{m, now})
	return m
}

// stmt adds a mutant that replaces the statement n; now "" deletes it.
func (s *finder) stmt(n ast.Stmt, kind, now string) {
	if now == "" && s.alone[n] {
		return
	}
	from, to := s.p.offset(n.Pos()), s.p.offset(n.End())
	var pt *point
	for _, old := range s.points {
		if old.statement && old.from == from && old.to == to {
			pt = old
		}
	}
	if pt == nil {
		pt = &point{from: from, to: to, statement: true}
		s.points = append(s.points, pt)
	}
	pt.choices = append(pt.choices, choice{s.mutant(n, kind, now), now})
}

func (s *finder) mutant(n ast.Node, kind, now string) *Mutant {
	return &Mutant{
		File: s.f.Name, Func: s.fn, Line: s.p.fset.Position(n.Pos()).Line, Kind: kind,
		Was: oneLine(s.f.text(s.p, n)), Now: oneLine(now),
	}
}
