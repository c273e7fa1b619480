package harness

import (
	"cmp"
	"errors"
	"slices"

	"github.com/lockproof/lockproof/linearizability"
)

var errEnough = errors.New("enough failures")

// partial is what one worker of a sweep has so far.
type partial struct {
	seeds      int
	hashes     map[int]uint64
	properties []found
	coverage   linearizability.Coverage
	counters   Counters
	failures   []*Result
	failed     int
	undecided  []*Result
	gaveUp     int
	sample     *Result // of the first seed, if this worker ran it
}

func (p *partial) add(n int, r *Result) {
	p.seeds++
	if n == 0 {
		p.sample = r.keep()
	}
	p.hashes[n] = r.TraceHash
	p.properties = worstOf(p.properties, foundIn(n, r.Verdict.Properties))
	p.coverage.Add(r.Coverage)
	p.counters.add(r.Counters)
	switch r.Verdict.Verdict {
	case linearizability.Violation:
		p.failed++
		if len(p.failures) < keptFailures {
			p.failures = append(p.failures, r.keep())
		}
	case linearizability.Unknown:
		p.gaveUp++
		if len(p.undecided) < keptFailures {
			p.undecided = append(p.undecided, r.keep())
		}
	}
}

// keep makes r independent of the scratch memory that it was made in.
func (r *Result) keep() *Result {
	kept := *r
	kept.History = slices.Clone(r.History)
	return &kept
}

// found is a property as the n-th run of a sweep had it.
type found struct {
	linearizability.Property
	n int
}

func foundIn(n int, properties []linearizability.Property) []found {
	all := make([]found, len(properties))
	for i, p := range properties {
		all[i] = found{p, n}
	}
	return all
}

// worstOf keeps the worse of each property, of two violations the larger, and of
// two that are equal that of the earlier run: whatever the order in which parts
// are put together, the same remains. A worker that ran nothing has none.
func worstOf(a, b []found) []found {
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...)
	}
	for i := range a {
		count := a[i].Count + b[i].Count
		if preferred(b[i], a[i]) {
			a[i] = b[i]
		}
		a[i].Count = count
	}
	return a
}

func preferred(b, a found) bool {
	if a.Verdict != b.Verdict {
		return linearizability.Worst(a.Verdict, b.Verdict) == b.Verdict
	}
	if a.Verdict == linearizability.Violation && a.Size != b.Size {
		return b.Size > a.Size
	}
	return b.n < a.n
}

// merge puts the parts of a sweep together, in the order of the seeds.
func merge(first Scenario, parts []*partial) *Summary {
	s := &Summary{Base: first}
	hashes := map[int]uint64{}
	var failures, undecided []*Result
	var properties []found
	for _, p := range parts {
		s.Seeds += p.seeds
		properties = worstOf(properties, p.properties)
		s.Coverage.Add(p.coverage)
		s.Counters.add(p.counters)
		s.Failed += p.failed
		if p.sample != nil {
			s.Sample = p.sample
		}
		failures = append(failures, p.failures...)
		s.UndecidedCount += p.gaveUp
		undecided = append(undecided, p.undecided...)
		for n, h := range p.hashes {
			hashes[n] = h
		}
	}
	for _, p := range properties {
		s.Properties = append(s.Properties, p.Property)
	}
	s.Failures, s.Undecided = firstFew(failures), firstFew(undecided)
	for n := range s.Seeds {
		s.HashOfHashes = (s.HashOfHashes ^ hashes[n]) * 0x100000001b3
	}
	return s
}

// firstFew are the runs with the lowest seeds.
func firstFew(all []*Result) []*Result {
	slices.SortFunc(all, func(a, b *Result) int { return cmp.Compare(a.Scenario.Seed, b.Scenario.Seed) })
	return all[:min(len(all), keptFailures)]
}

// Summarize is the summary of one run.
func Summarize(r *Result) *Summary {
	s := &Summary{
		Base: r.Scenario, Seeds: 1, Wanted: 1, Properties: r.Verdict.Properties, Coverage: r.Coverage, Counters: r.Counters,
		HashOfHashes: r.TraceHash, Interrupted: r.Interrupted, Sample: r,
	}
	switch r.Verdict.Verdict {
	case linearizability.Violation:
		s.Failures, s.Failed = []*Result{r}, 1
	case linearizability.Unknown:
		s.Undecided, s.UndecidedCount = []*Result{r}, 1
	}
	s.conclude()
	return s
}

// conclude draws the verdict from the properties. An ok of runs in which nothing
// happened is no ok, and neither is one of a part of what was asked for.
func (s *Summary) conclude() {
	s.Verdict = linearizability.NotApplicable
	for _, p := range s.Properties {
		if !p.Informational {
			s.Verdict = linearizability.Worst(s.Verdict, p.Verdict)
		}
	}
	if s.Verdict == linearizability.NotApplicable {
		s.Verdict = linearizability.Unknown
	}
	if s.Verdict != linearizability.OK {
		return
	}
	if s.Interrupted {
		s.Verdict = linearizability.Unknown
		return
	}
	if s.Vacuous = vacuous(s); s.Vacuous != "" {
		s.Verdict = linearizability.Unknown
	}
}
