package schemata

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// module is where the package is that mutated code asks.
const module = "github.com/lockproof/lockproof"

// Schemata is a package with all of its mutants in it.
type Schemata struct {
	Mutants []*Mutant
	Texts   map[string]string // what stands in each file instead, by its path
	// Dropped are those that do not compile.
	Dropped int
}

// Mutate makes all mutants of the files that want names.
func (p *Package) Mutate(want func(name string) bool) (*Schemata, error) {
	var all []*finder
	var mutants []*Mutant
	for _, f := range p.Files {
		if !want(f.Name) {
			continue
		}
		s := p.find(f)
		all = append(all, s)
		for _, pt := range s.points {
			for _, c := range pt.choices {
				mutants = append(mutants, c.mutant)
			}
		}
	}
	bad, err := p.broken(all, mutants)
	if err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(slices.Clone(mutants), func(m *Mutant) bool { return bad[m] })
	slices.SortStableFunc(kept, func(a, b *Mutant) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	same := map[string]int{}
	for i, m := range kept {
		m.ID = i + 1
		key := m.Key()
		if same[key]++; same[key] > 1 {
			m.Func += fmt.Sprintf("#%d", same[key])
		}
	}
	texts, errs := p.render(all, func(m *Mutant) bool { return !bad[m] })
	if len(errs) > 0 {
		return nil, fmt.Errorf("the mutants of %s do not compile together: %w", p.Path, errors.Join(errs...))
	}
	return &Schemata{Mutants: kept, Texts: texts, Dropped: len(mutants) - len(kept)}, nil
}

// broken finds the mutants that do not compile. Most errors are inside the text
// of a mutant. Where a function does not end in a return any more, each mutant
// that takes a statement away is tried alone.
func (p *Package) broken(all []*finder, mutants []*Mutant) (map[*Mutant]bool, error) {
	for i, m := range mutants {
		m.ID = i + 1
	}
	bad := map[*Mutant]bool{}
	_, errs := p.render(all, func(*Mutant) bool { return true })
	for thorough := false; len(errs) > 0; {
		before := len(bad)
		open := map[string]bool{}
		for _, err := range errs {
			var in *placeError
			switch {
			case !errors.As(err, &in):
				return nil, err
			case in.mutant > 0:
				bad[mutants[in.mutant-1]] = true
			default:
				open[in.file+" "+in.fn] = true
			}
		}
		for _, m := range mutants {
			if bad[m] || !open[m.File+" "+m.Func] || !thorough && m.Now != "" && m.Kind != "continue and break" {
				continue
			}
			if _, errs := p.render(all, func(o *Mutant) bool { return o == m }); len(errs) > 0 {
				bad[m] = true
			}
		}
		if len(bad) == before && !thorough {
			thorough = true
			continue
		}
		if len(bad) == before {
			return nil, fmt.Errorf("the mutants of %s do not compile: %w", p.Path, errors.Join(errs...))
		}
		_, errs = p.render(all, func(m *Mutant) bool { return !bad[m] })
	}
	return bad, nil
}

// placeError is an error of the compiler in a function, and perhaps in the text of
// one mutant.
type placeError struct {
	file, fn string
	mutant   int
	err      error
}

// mutantAt returns the number of the mutant whose text is at offset, or 0.
func mutantAt(text string, offset int) int {
	const head = "mutant_."
	start := strings.LastIndex(text[:offset], head)
	for start >= 0 && !strings.HasPrefix(text[start:], head+"Is(") && !strings.HasPrefix(text[start:], head+"On(") && !strings.HasPrefix(text[start:], head+"Compare(") {
		start = strings.LastIndex(text[:start], head)
	}
	if start < 0 {
		return 0
	}
	n, rest := 0, text[start+strings.IndexByte(text[start:], '(')+1:]
	for rest[0] >= '0' && rest[0] <= '9' {
		n, rest = n*10+int(rest[0]-'0'), rest[1:]
	}
	// The text ends at the brace that closes the one after the parenthesis.
	depth := 0
	for i := start; i < offset; i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return 0
			}
		}
	}
	return n
}

func (e *placeError) Error() string { return fmt.Sprintf("%s %s: %v", e.file, e.fn, e.err) }

// render writes the files with the mutants that want picks, and checks them.
func (p *Package) render(all []*finder, want func(*Mutant) bool) (map[string]string, []error) {
	texts := map[string]string{}
	for _, s := range all {
		texts[s.f.Path] = s.render(want)
	}
	fset := token.NewFileSet()
	var trees []*ast.File
	names := map[string]string{}
	for _, f := range p.Files {
		text, ok := texts[f.Path]
		if !ok {
			text = f.Text
		}
		names[f.Path] = f.Name
		tree, err := parser.ParseFile(fset, f.Path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, []error{fmt.Errorf("%s: %w", f.Name, err)}
		}
		trees = append(trees, tree)
	}
	var errs []error
	conf := types.Config{Importer: withSwitch{p.importer}, Error: func(err error) {
		var te types.Error
		if errors.As(err, &te) {
			at := te.Fset.Position(te.Pos)
			err = &placeError{names[at.Filename], enclosing(trees, te.Pos), mutantAt(texts[at.Filename], at.Offset), err}
		}
		errs = append(errs, err)
	}}
	_, _ = conf.Check(p.Path, fset, trees, nil) // its errors are in errs
	return texts, errs
}

func enclosing(trees []*ast.File, pos token.Pos) string {
	for _, t := range trees {
		for _, d := range t.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Pos() <= pos && pos <= f.End() {
				return funcName(f)
			}
		}
	}
	return "var"
}

// withSwitch knows package mutant, which the original does not import.
type withSwitch struct{ types.Importer }

func (i withSwitch) Import(path string) (*types.Package, error) {
	if path != module+"/internal/mutants/mutant" {
		return i.Importer.Import(path)
	}
	p := types.NewPackage(path, "mutant")
	n := types.NewVar(token.NoPos, p, "n", types.Typ[types.Int])
	yes := types.NewTuple(types.NewVar(token.NoPos, p, "", types.Typ[types.Bool]))
	asked := types.NewSignatureType(nil, nil, nil, types.NewTuple(n), yes, false)
	differs := types.NewVar(token.NoPos, p, "differs", types.NewSignatureType(nil, nil, nil, nil, yes, false))
	p.Scope().Insert(types.NewFunc(token.NoPos, p, "Is", asked))
	p.Scope().Insert(types.NewFunc(token.NoPos, p, "On", asked))
	p.Scope().Insert(types.NewFunc(token.NoPos, p, "Compare", types.NewSignatureType(nil, nil, nil, types.NewTuple(n, differs), nil, false)))
	p.Scope().Insert(types.NewVar(token.NoPos, p, "Tracing", types.Typ[types.Bool]))
	p.MarkComplete()
	return p, nil
}

func (s *finder) render(want func(*Mutant) bool) string {
	var points []*point
	for _, pt := range s.points {
		kept := *pt
		kept.choices = slices.DeleteFunc(slices.Clone(pt.choices), func(c choice) bool { return !want(c.mutant) })
		if len(kept.choices) > 0 {
			points = append(points, &kept)
		}
	}
	// Outer before inner; a statement before an expression that is all of it.
	slices.SortStableFunc(points, func(a, b *point) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to), cmp.Compare(rank(a), rank(b)))
	})
	r := renderer{text: s.f.Text, points: points}
	body := r.span(0, len(s.f.Text))
	if len(points) == 0 {
		return body
	}
	imports := fmt.Sprintf("\nimport mutant_ %q\n", module+"/internal/mutants/mutant")
	for path, name := range s.extra {
		if strings.Contains(body, name+".") {
			imports += fmt.Sprintf("import %s %q\n", name, path)
		}
	}
	end := s.p.offset(s.f.tree.Name.End())
	return body[:end] + imports + body[end:]
}

func rank(pt *point) int {
	if pt.statement {
		return 0
	}
	return 1
}

// renderer writes a file; points are nested and in order.
type renderer struct {
	text   string
	points []*point
}

// span writes the text from from to to with the points within.
func (r *renderer) span(from, to int) string {
	var b strings.Builder
	for len(r.points) > 0 && r.points[0].from >= from && r.points[0].to <= to {
		pt := r.points[0]
		r.points = r.points[1:]
		b.WriteString(r.text[from:pt.from])
		inner := r.span(pt.from, pt.to)
		b.WriteString(pt.wrap(inner))
		from = pt.to
	}
	b.WriteString(r.text[from:to])
	return b.String()
}

func (pt *point) wrap(inner string) string {
	var b strings.Builder
	if pt.statement {
		for _, c := range pt.choices {
			fmt.Fprintf(&b, "if mutant_.Is(%d) { %s\n} else ", c.mutant.ID, c.text)
		}
		text := b.String() + "{ " + inner + "\n}"
		if pt.from == pt.to {
			text = ";" + text // what comes before may be on the same line
		}
		return text
	}
	fmt.Fprintf(&b, "func() %s { ", pt.typ)
	compared := ""
	for _, c := range pt.choices {
		is := "Is"
		if isComparable(pt.typ, c.text) {
			is = "On"
			compared += fmt.Sprintf("mutant_.Compare(%d, func() bool { return mutant_v != (%s)\n}); ", c.mutant.ID, c.text)
		}
		fmt.Fprintf(&b, "if mutant_.%s(%d) { return %s\n}; ", is, c.mutant.ID, c.text)
	}
	if compared == "" {
		return b.String() + "return " + inner + "\n}()"
	}
	return b.String() + "var mutant_v " + pt.typ + " = " + inner + "\nif mutant_.Tracing { " + compared + "}; return mutant_v }()"
}
