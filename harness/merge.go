package harness

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/lockproof/lockproof/linearizability"
)

var errEnough = errors.New("enough failures")

// isEnd tells an end that was asked for from an error.
func isEnd(err error) bool {
	return errors.Is(err, errEnough) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// partial is what one worker of a sweep has so far.
type partial struct {
	seeds      int
	hashes     map[int]uint64
	properties []linearizability.Property
	coverage   linearizability.Coverage
	counters   Counters
	failures   []*Result
	failed     int
	sample     *Result // of the first seed, if this worker ran it
}

func (p *partial) add(n int, r *Result) {
	p.seeds++
	if n == 0 {
		p.sample = r.keep()
	}
	p.hashes[n] = r.TraceHash
	p.properties = worstOf(p.properties, r.Verdict.Properties)
	p.coverage.Add(r.Coverage)
	p.counters.add(r.Counters)
	if r.Verdict.Verdict == linearizability.Violation {
		p.failed++
		if len(p.failures) < keptFailures {
			p.failures = append(p.failures, r.keep())
		}
	}
}

// keep makes r independent of the scratch memory that it was made in.
func (r *Result) keep() *Result {
	kept := *r
	kept.History = slices.Clone(r.History)
	return &kept
}

// worstOf keeps the worse of each property; of two violations the larger.
func worstOf(a, b []linearizability.Property) []linearizability.Property {
	if a == nil {
		return slices.Clone(b)
	}
	for i := range a {
		count := a[i].Count + b[i].Count
		worse := linearizability.Worst(a[i].Verdict, b[i].Verdict) != a[i].Verdict
		larger := a[i].Verdict == b[i].Verdict && b[i].Verdict == linearizability.Violation && b[i].Size > a[i].Size
		if worse || larger {
			a[i] = b[i]
		}
		a[i].Count = count
	}
	return a
}

// merge puts the parts of a sweep together, in the order of the seeds.
func merge(first Scenario, parts []*partial) *Summary {
	s := &Summary{Base: first}
	hashes := map[int]uint64{}
	var failures []*Result
	for _, p := range parts {
		s.Seeds += p.seeds
		s.Properties = worstOf(s.Properties, p.properties)
		s.Coverage.Add(p.coverage)
		s.Counters.add(p.counters)
		s.Failed += p.failed
		if p.sample != nil {
			s.Sample = p.sample
		}
		failures = append(failures, p.failures...)
		for n, h := range p.hashes {
			hashes[n] = h
		}
	}
	slices.SortFunc(failures, func(a, b *Result) int { return cmp.Compare(a.Scenario.Seed, b.Scenario.Seed) })
	s.Failures = failures[:min(len(failures), keptFailures)]
	for n := range s.Seeds {
		s.HashOfHashes = (s.HashOfHashes ^ hashes[n]) * 0x100000001b3
	}
	s.conclude()
	return s
}

// Summarize is the summary of one run.
func Summarize(r *Result) *Summary {
	s := &Summary{
		Base: r.Scenario, Seeds: 1, Properties: r.Verdict.Properties, Coverage: r.Coverage, Counters: r.Counters,
		HashOfHashes: r.TraceHash, Interrupted: r.Interrupted, Sample: r,
	}
	if r.Verdict.Verdict == linearizability.Violation {
		s.Failures, s.Failed = []*Result{r}, 1
	}
	s.conclude()
	return s
}

// conclude draws the verdict from the properties. An ok of runs in which nothing
// happened is no ok.
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
	if s.Vacuous = vacuous(s); s.Vacuous != "" {
		s.Verdict = linearizability.Unknown
	}
}
