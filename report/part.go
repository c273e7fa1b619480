package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// Part is one part of a report: a sweep over seeds or one run. Exactly one of
// Summary and Result is set.
type Part struct {
	Summary *harness.Summary
	Result  *harness.Result
	// Folders are the run folders that were written, by seed: a failure whose
	// folder is known is replayed from there.
	Folders map[uint64]string
}

// view is what all renderings of a part say.
type view struct {
	subject, backend, server string
	seed                     uint64
	seeds                    int // 0 for one run
	failed                   int
	verdict                  lin.Status
	sentence                 string
	warnings                 []string
	properties               []lin.Property
	coverage                 *lin.Coverage
	counters                 harness.Counters
	ttl                      time.Duration
	traceHash                uint64
	vacuous                  string
	interrupted              bool
	storeBroken              bool
	failures                 []Failure
}

// Failure is one run in which a property did not hold.
type Failure struct {
	Seed     uint64 `json:"seed"`
	Property string `json:"property"`
	Message  string `json:"message"`
	// Replay is a command line to paste.
	Replay string `json:"replay"`
}

func (p Part) view() view {
	switch {
	case p.Summary != nil && p.Summary.Seeds == 1 && p.Summary.Sample != nil:
		return p.ofOne()
	case p.Summary != nil:
		return p.ofSummary()
	}
	if p.Result != nil {
		return p.ofResult()
	}
	return view{sentence: "nothing was run"}
}

func (p Part) ofResult() view {
	r := p.Result
	v := view{
		subject: named(r.Scenario.Subject, "recorded history"), backend: r.Scenario.Backend, server: r.Server,
		seed: r.Scenario.Seed, verdict: r.Verdict.Verdict, sentence: resultSentence(r), warnings: resultWarnings(r),
		properties: r.Verdict.Properties, coverage: &r.Coverage, counters: r.Counters, ttl: r.Params.TTL,
		traceHash: r.TraceHash, interrupted: r.Interrupted, storeBroken: r.Verdict.StoreContractBroken,
	}
	if f, failed := p.failure(r); failed {
		v.failures, v.failed = []Failure{f}, 1
	}
	return v
}

// ofOne is the view of a summary of one run: that of the run, but that a run in
// which nothing happened is no pass.
func (p Part) ofOne() view {
	s := p.Summary
	v := Part{Result: s.Sample, Folders: p.Folders}.ofResult()
	v.verdict, v.vacuous = s.Verdict, s.Vacuous
	if s.Vacuous != "" {
		v.sentence = summarySentence(s)
	}
	return v
}

func (p Part) ofSummary() view {
	s := p.Summary
	v := view{
		subject: s.Base.Subject, backend: s.Base.Backend, seed: s.Base.Seed, seeds: s.Seeds, failed: s.Failed,
		verdict: s.Verdict, properties: sweepProperties(s), coverage: &s.Coverage, counters: s.Counters, ttl: s.Base.TTL.D(),
		traceHash: s.HashOfHashes, vacuous: s.Vacuous, interrupted: s.Interrupted,
	}
	for _, r := range s.Failures {
		v.storeBroken = v.storeBroken || r.Verdict.StoreContractBroken
		if f, failed := p.failure(r); failed {
			v.failures = append(v.failures, f)
		}
	}
	v.sentence = summarySentence(s)
	if v.storeBroken {
		v.warnings = append(v.warnings, storeBrokenText)
	}
	if s.Interrupted {
		v.warnings = append(v.warnings, interruptedText)
	}
	return v
}

// sweepProperties are the properties of a sweep, with details that speak of the
// sweep: what was found in one run says in which, and what held, in how many.
func sweepProperties(s *harness.Summary) []lin.Property {
	properties := slices.Clone(s.Properties)
	if s.Seeds < 2 {
		return properties
	}
	for i := range properties {
		p := &properties[i]
		switch p.Verdict {
		case lin.OK:
			p.Detail = "held in " + plain.Counted(int64(s.Seeds), "seed")
		case lin.Violation:
			p.Detail = seedOf(s, *p) + p.Detail
		}
		// They are positions in one run's history, which is not at hand.
		p.Events = nil
	}
	return properties
}

func seedOf(s *harness.Summary, p lin.Property) string {
	for _, r := range s.Failures {
		if same, ok := r.Verdict.Property(p.Name); ok && same.Verdict == p.Verdict && same.Detail == p.Detail {
			return "seed " + strconv.FormatUint(r.Scenario.Seed, 10) + ": "
		}
	}
	return ""
}

// failure describes a failed run by the first property that counts.
func (p Part) failure(r *harness.Result) (Failure, bool) {
	for _, property := range r.Verdict.Properties {
		if property.Verdict != lin.Violation || property.Informational {
			continue
		}
		f := Failure{Seed: r.Scenario.Seed, Property: property.Name, Message: property.Detail}
		if r.Scenario.Subject != "" { // a history alone does not say how it came about
			f.Replay = ReplayLine(r.Scenario)
		}
		if dir, ok := p.Folders[r.Scenario.Seed]; ok {
			f.Replay = replayFolderLine(dir)
		}
		return f, true
	}
	return Failure{}, false
}

func replayFolderLine(dir string) string { return "locksim replay " + shellWord(dir) }

func summarySentence(s *harness.Summary) string {
	seeds := plain.Counted(int64(s.Seeds), "seed")
	switch {
	case s.Verdict == lin.Violation && s.Failed > 0 && s.Seeds > 1:
		return fmt.Sprintf("%s of %s failed; %s", plain.Count(int64(s.Failed)), seeds, propertiesSentence(s.Verdict, sweepProperties(s)))
	case s.Vacuous != "":
		return "nothing was violated in " + seeds + ", but that proves nothing: " + s.Vacuous
	case s.Verdict == lin.OK:
		return "no property was violated in " + seeds
	}
	if s.Seeds == 1 {
		return propertiesSentence(s.Verdict, s.Properties)
	}
	return "in " + seeds + ", " + propertiesSentence(s.Verdict, sweepProperties(s))
}

// title names a part in one line without its verdict.
func (v *view) title() string {
	text := v.subject
	if v.backend != "" {
		text += " on " + worldName(v.backend)
	}
	if v.server != "" {
		text += " (" + v.server + ")"
	}
	if v.seeds > 0 {
		return text + ", " + plain.Counted(int64(v.seeds), "seed") + " from " + strconv.FormatUint(v.seed, 10)
	}
	return text + ", seed " + strconv.FormatUint(v.seed, 10)
}

// perSecond is n in a time that was measured, and 0 for none.
func perSecond(n int64, wall time.Duration) float64 {
	if wall <= 0 {
		return 0
	}
	return float64(n) / wall.Seconds()
}

// Worst is the verdict on all parts together; without any it is Unknown.
func Worst(parts ...Part) lin.Status {
	worst := lin.NotApplicable
	for _, p := range parts {
		v := p.view()
		worst = lin.Worst(worst, v.verdict)
	}
	if worst == lin.NotApplicable {
		return lin.Unknown
	}
	return worst
}
