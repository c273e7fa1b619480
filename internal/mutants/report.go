package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// report is results/mutation.json; mutation.md says the same for people.
type report struct {
	Schema   string        `json:"schema"`
	HandMade []handMadeRow `json:"hand_made"`
	Parts    []*partReport `json:"parts"`
	// Unexplained survivors; Stale are entries of explained.txt that match no
	// mutant any more, or one that is caught though it is called equivalent.
	Unexplained int      `json:"unexplained"`
	Stale       []string `json:"stale,omitempty"`
}

type partReport struct {
	Name    string     `json:"name"`
	Seeds   int        `json:"seeds"`
	Made    int        `json:"made"`
	Dropped int        `json:"do_not_compile"`
	Run     int        `json:"run"`
	OneIn   int        `json:"one_in"`
	Total   score      `json:"total"`
	Files   []score    `json:"files"`
	Mutants []*outcome `json:"mutants"`

	// swept: the simulator was asked first, so that its score says something.
	swept bool
}

// score counts the mutants of a file, or of all.
type score struct {
	File       string `json:"file"`
	Run        int    `json:"run"`
	Equivalent int    `json:"equivalent"`
	// Reached are those of the others that made a difference to some value in a
	// sweep; only they can be caught by it.
	Reached   int `json:"reached"`
	Simulator int `json:"simulator"`
	Caught    int `json:"caught"`
	Accepted  int `json:"accepted"`
}

func (s *score) real() int { return s.Run - s.Equivalent }

func (r *report) add(p part, f *found) {
	r.Schema = "lockproof.mutation/v1"
	r.Parts = append(r.Parts, &partReport{
		Name: p.name, Seeds: p.seeds, Made: f.made, Dropped: f.dropped, Run: len(f.outcomes), OneIn: p.oneIn,
		Mutants: f.outcomes, swept: p.sweepFirst,
	})
}

// explain gives each mutant its reason and counts.
func (r *report) explain(all []*explanation) {
	files := map[string]bool{}
	for _, p := range r.Parts {
		for _, o := range p.Mutants {
			files[o.File] = true
			for _, e := range all {
				if !matches(e.pattern, o.Key) {
					continue
				}
				e.used++
				o.Class, o.Reason = e.class, e.reason
				if o.caught() && !strings.Contains(e.pattern, "[...]") {
					r.Stale = append(r.Stale, fmt.Sprintf("line %d: %s: is caught (%s%s)", e.line, e.pattern, o.Simulator, o.Test))
				}
				break
			}
			if o.caught() {
				o.Class, o.Reason = "", ""
			} else if o.Class == "" {
				r.Unexplained++
			}
		}
		p.count()
	}
	for _, e := range all {
		file, _, _ := strings.Cut(e.pattern, " ")
		if e.used == 0 && files[file] {
			r.Stale = append(r.Stale, fmt.Sprintf("line %d: %s: there is no such mutant", e.line, e.pattern))
		}
	}
}

func (p *partReport) count() {
	byFile := map[string]*score{}
	p.Total = score{File: "all"}
	for _, o := range p.Mutants {
		s := byFile[o.File]
		if s == nil {
			s = &score{File: o.File}
			byFile[o.File] = s
		}
		for _, s := range []*score{s, &p.Total} {
			s.count(o)
		}
	}
	for _, s := range byFile {
		p.Files = append(p.Files, *s)
	}
	slices.SortFunc(p.Files, func(a, b score) int { return cmp.Compare(a.File, b.File) })
}

func (s *score) count(o *outcome) {
	s.Run++
	if o.Class == equivalent {
		s.Equivalent++
		return
	}
	if o.Reached > 0 {
		s.Reached++
	}
	if o.Simulator != "" {
		s.Simulator++
	}
	switch {
	case o.caught():
		s.Caught++
	case o.Class == accepted:
		s.Accepted++
	}
}

func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d %%", n*100/of)
}

// print says in a few lines how it went.
func (r *report) print(w io.Writer) {
	for _, p := range r.Parts {
		t := p.Total
		fmt.Fprintf(w, "%s: %d of %d mutants run, %d equivalent; caught %s", p.Name, p.Run, p.Made, t.Equivalent, percent(t.Caught, t.real()))
		if p.swept {
			fmt.Fprintf(w, ", by the simulator %s (%s of the %d that a sweep reaches)",
				percent(t.Simulator, t.real()), percent(t.Simulator, t.Reached), t.Reached)
		}
		fmt.Fprintln(w)
		for _, o := range p.Mutants {
			if !o.caught() && o.Class == "" {
				fmt.Fprintf(w, "  survived: %s:%d %s: %s => %s%s\n", o.File, o.Line, o.Func, o.Was, orDeleted(o.Now), p.course(o))
			}
		}
	}
	for _, s := range r.Stale {
		fmt.Fprintf(w, "explained.txt %s\n", s)
	}
}

func orDeleted(now string) string {
	if now == "" {
		return "(deleted)"
	}
	return now
}

// course says how far a survivor came in the sweep.
func (p *partReport) course(o *outcome) string {
	switch {
	case o.Reached == 0:
		return " [never reached]"
	case o.Differs:
		return fmt.Sprintf(" [reached in %d seeds, other traces]", o.Reached)
	}
	return fmt.Sprintf(" [reached in %d seeds, same traces]", o.Reached)
}

func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "mutation.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "mutation.md"), []byte(r.markdown()), 0o644)
}
