package main

import (
	"fmt"
	"strings"
)

// markdown is results/mutation.md.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# Mutation testing\n\nMade by `make mutants`. A mutant is the source with one small mistake in it. It is caught if a sweep of the\n" +
		"simulator finds a broken property, or a run that does not end or judge, or if a unit test of its package fails. `reached` are\n" +
		"those that made a difference to some value in some seed of the sweep: what is not reached, no sweep of the default workload\n" +
		"can catch. Statements on a mutex are not mutated, which the race detector is for. How it is done: `internal/mutants`.\n")
	r.handMade(&b)
	for _, p := range r.Parts {
		p.markdown(&b)
	}
	return b.String()
}

func (r *report) handMade(b *strings.Builder) {
	caught := 0
	for _, row := range r.HandMade {
		if row.After > 0 {
			caught++
		}
	}
	fmt.Fprintf(b, "\n## Locks that are broken on purpose\n\n%d of %d are caught by the property that they break.\n\n"+
		"| lock | what it does | breaks | caught after seeds |\n| --- | --- | --- | --- |\n", caught, len(r.HandMade))
	for _, row := range r.HandMade {
		after := fmt.Sprint(row.After)
		if row.After == 0 {
			after = "**not caught**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", row.Name, strings.TrimPrefix(row.Summary, "mutant: "), row.Breaks, after)
	}
}

func (p *partReport) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n%d mutants that compile; %d were run", p.Name, p.Made, p.Run)
	if p.Run < p.Made {
		fmt.Fprintf(b, " (one in %d, chosen by a hash of its name)", p.OneIn)
	}
	if p.swept {
		fmt.Fprintf(b, ". The sweep has %d seeds; the unit tests were asked about what it did not catch.\n", p.Seeds)
	} else {
		fmt.Fprintf(b, ". The unit tests were asked first, then %d seeds of the reference and the locks that are broken on purpose.\n", p.Seeds)
	}
	b.WriteString("\n| file | run | equivalent | reached | by simulator | caught | accepted | survived |\n" +
		"| --- | --: | --: | --: | --: | --: | --: | --: |\n")
	for _, s := range append(p.Files, p.Total) {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d (%s) | %d (%s) | %d | %d |\n", s.File, s.Run, s.Equivalent, s.Reached,
			s.Simulator, percent(s.Simulator, s.real()), s.Caught, percent(s.Caught, s.real()), s.Accepted, s.real()-s.Caught-s.Accepted)
	}
	p.survivors(b)
}

func (p *partReport) survivors(b *strings.Builder) {
	for _, class := range []struct{ name, title string }{
		{"", "Survived, not explained"}, {accepted, "Survived, and why that is accepted"}, {equivalent, "Equivalent, and why"},
	} {
		first := true
		for _, o := range p.Mutants {
			if o.caught() || o.Class != class.name {
				continue
			}
			if first {
				fmt.Fprintf(b, "\n### %s\n\n", class.title)
				first = false
			}
			fmt.Fprintf(b, "- %s:%d %s: `%s` becomes `%s`%s", o.File, o.Line, o.Func, o.Was, orDeleted(o.Now), p.course(o))
			if o.Reason != "" {
				fmt.Fprintf(b, ". %s", o.Reason)
			}
			b.WriteString("\n")
		}
	}
}
