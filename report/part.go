package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// Part is one part of a report: a sweep over seeds or one run. Exactly one of
// Summary, Result and NotRun is set.
type Part struct {
	Summary *harness.Summary
	Result  *harness.Result
	NotRun  *NotRun
	// Folders are the run folders that were written, by seed: a failure whose
	// folder is known is replayed from there.
	Folders map[uint64]string
	// Differs says in what a replay differs from what was recorded. What it shows
	// is then not what was asked for, so that its verdict is unknown.
	Differs string
}

// NotRun is a part that was to be run and has no result.
type NotRun struct {
	Subject, Backend string
	Err              error
	// Interrupted: it is the user who ended it.
	Interrupted bool
}

// view is what all renderings of a part say.
type view struct {
	subject, backend, server string
	seed                     uint64
	recorded                 bool // a history alone, which has no seed
	seeds                    int  // 0 for one run
	wanted                   int  // how many seeds were to be run, 0 if that was left to time
	failed, undecided        int
	verdict                  lin.Status
	sentence                 string
	warnings, notes          []string
	promised                 string
	properties               []lin.Property
	coverage                 *lin.Coverage
	counters                 harness.Counters
	ttl                      time.Duration
	traceHash                uint64
	vacuous                  string
	interrupted              bool
	cannotRun                bool
	storeBroken              bool
	failures                 []Failure
	// doubts are why the verdict is unknown, other than by a property.
	doubts []doubt
}

// doubt is a reason for which what the properties say is not enough; its name is
// that of a test case that did not pass.
type doubt struct{ name, message string }

// Failure is one run in which a property did not hold, or could not be judged.
type Failure struct {
	Seed     uint64     `json:"seed"`
	Verdict  lin.Status `json:"verdict"`
	Class    lin.Class  `json:"class,omitempty"`
	Property string     `json:"property"`
	Message  string     `json:"message"`
	// Replay is a command line to paste.
	Replay string `json:"replay"`
}

func (p Part) view() view {
	var v view
	switch {
	case p.NotRun != nil:
		return p.NotRun.view()
	case p.Summary != nil && p.Summary.Seeds == 1 && p.Summary.Wanted < 2 && p.Summary.Sample != nil:
		v = p.ofOne()
	case p.Summary != nil:
		v = p.ofSummary()
	case p.Result != nil:
		v = p.ofResult()
	default:
		return view{sentence: "nothing was run"}
	}
	if v.vacuous != "" {
		v.doubts = append(v.doubts, doubt{"not-vacuous", v.vacuous})
	}
	if v.interrupted {
		v.doubts = append(v.doubts, doubt{"not-interrupted", v.sentence})
	}
	if p.Differs != "" {
		v.verdict, v.sentence = lin.Unknown, "this is not the run that was recorded: "+p.Differs
		v.doubts = append(v.doubts, doubt{"as-recorded", p.Differs})
	}
	return v
}

func (n *NotRun) view() view {
	v := view{subject: n.Subject, backend: n.Backend, recorded: true, interrupted: n.Interrupted, cannotRun: !n.Interrupted}
	v.sentence = "it could not be run: " + n.Err.Error()
	if n.Interrupted {
		v.sentence = "interrupted before there was a result"
	}
	v.doubts = []doubt{{"could-be-run", v.sentence}}
	return v
}

func (p Part) ofResult() view {
	r := p.Result
	v := view{
		subject: named(r.Scenario.Subject, "recorded history"), backend: r.Scenario.Backend, server: r.Server,
		seed: r.Scenario.Seed, recorded: r.Scenario.Subject == "", verdict: r.Verdict.Verdict, sentence: resultSentence(r), warnings: resultWarnings(r),
		properties: r.Verdict.Properties, coverage: &r.Coverage, counters: r.Counters, ttl: r.Params.TTL,
		traceHash: r.TraceHash, interrupted: r.Interrupted, storeBroken: r.Verdict.StoreContractBroken,
	}
	v.promise(r)
	if f, found := p.failure(r); found {
		v.failures = []Failure{f}
		if f.Verdict == lin.Violation {
			v.failed = 1
		} else {
			v.undecided = 1
		}
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
		subject: s.Base.Subject, backend: s.Base.Backend, seed: s.Base.Seed, seeds: s.Seeds, wanted: s.Wanted, failed: s.Failed,
		undecided: s.UndecidedCount, verdict: s.Verdict, properties: sweepProperties(s), coverage: &s.Coverage, counters: s.Counters,
		ttl: s.Base.TTL.D(), traceHash: s.HashOfHashes, vacuous: s.Vacuous, interrupted: s.Interrupted,
	}
	for _, r := range slices.Concat(s.Failures, s.Undecided) {
		v.storeBroken = v.storeBroken || r.Verdict.StoreContractBroken
		if f, found := p.failure(r); found {
			v.failures = append(v.failures, f)
		}
	}
	v.sentence = summarySentence(s)
	if v.storeBroken {
		v.warnings = append(v.warnings, storeBrokenText)
	}
	if s.Sample != nil {
		v.promise(s.Sample)
	}
	if note := groupsNote(s); note != "" {
		v.notes = append(v.notes, note)
	}
	return v
}

// promise says what the lock was held to.
func (v *view) promise(r *harness.Result) {
	v.promised = r.Params.Promises.String()
	v.notes = append(v.notes, "Promised: "+v.promised+".")
}

// groupsNote says between which faults the seeds were divided.
func groupsNote(s *harness.Summary) string {
	if len(s.Groups) < 2 {
		return ""
	}
	names := make([]string, len(s.Groups))
	for i, kinds := range s.Groups {
		names[i] = faultsWord(kinds)
	}
	each := plain.Counted(int64(s.Seeds/len(s.Groups)), "seed")
	if s.Seeds%len(s.Groups) > 0 {
		each += " or one more"
	}
	return each + " with each of these faults: " + strings.Join(names, "; ") + "."
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
		case lin.Violation, lin.Unknown:
			p.Detail = seedOf(s, *p) + p.Detail
		}
		// They are positions in one run's history, which is not at hand.
		p.Events = nil
	}
	return properties
}

// classGroup is the properties of one class, and the worst of those that count.
type classGroup struct {
	class      lin.Class
	verdict    lin.Status
	properties []lin.Property
}

// byClass keeps safety, notice, liveness and cost apart, in the order in which the
// properties name them. What was recorded before there were classes has none.
func byClass(properties []lin.Property) []classGroup {
	var groups []classGroup
	for _, p := range properties {
		at := slices.IndexFunc(groups, func(g classGroup) bool { return g.class == p.Class })
		if at < 0 {
			at = len(groups)
			groups = append(groups, classGroup{class: p.Class, verdict: lin.NotApplicable})
		}
		groups[at].properties = append(groups[at].properties, p)
		if !p.Informational {
			groups[at].verdict = lin.Worst(groups[at].verdict, p.Verdict)
		}
	}
	return groups
}

func seedOf(s *harness.Summary, p lin.Property) string {
	for _, r := range slices.Concat(s.Failures, s.Undecided) {
		if same, ok := r.Verdict.Property(p.Name); ok && same.Verdict == p.Verdict && same.Detail == p.Detail {
			return "seed " + strconv.FormatUint(r.Scenario.Seed, 10) + ": "
		}
	}
	return ""
}

// failure describes a run that is no pass by the first property that says so.
func (p Part) failure(r *harness.Result) (Failure, bool) {
	if r.Verdict.Verdict != lin.Violation && r.Verdict.Verdict != lin.Unknown {
		return Failure{}, false
	}
	for _, property := range r.Verdict.Properties {
		if property.Verdict != r.Verdict.Verdict || property.Informational {
			continue
		}
		f := Failure{Seed: r.Scenario.Seed, Verdict: property.Verdict, Class: property.Class, Property: property.Name, Message: property.Detail}
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
	found := propertiesSentence(s.Verdict, sweepProperties(s))
	switch {
	case s.Interrupted:
		return interruptedSentence(s)
	case s.Verdict == lin.Violation && s.Failed > 0 && s.Seeds > 1:
		return fmt.Sprintf("%s of %s failed; %s", plain.Count(int64(s.Failed)), seeds, found)
	case s.Vacuous != "":
		return "nothing was violated in " + seeds + ", but that proves nothing: " + s.Vacuous
	case s.Verdict == lin.OK:
		return "no property was violated in " + seeds
	case s.Seeds == 1:
		return found
	case s.UndecidedCount > 0:
		return fmt.Sprintf("%s of %s could not be decided; %s", plain.Count(int64(s.UndecidedCount)), seeds, found)
	}
	return "in " + seeds + ", " + found
}

// interruptedSentence says how far a sweep came, and what it found until then.
func interruptedSentence(s *harness.Summary) string {
	text := "interrupted after " + plain.Counted(int64(s.Seeds), "seed")
	if s.Wanted > 0 {
		text = "interrupted after " + plain.Count(int64(s.Seeds)) + " of " + plain.Counted(int64(s.Wanted), "seed")
	}
	switch {
	case s.Seeds == 0:
		return text
	case s.Failed > 0:
		return fmt.Sprintf("%s, of which %s failed; %s", text, plain.Count(int64(s.Failed)), propertiesSentence(s.Verdict, sweepProperties(s)))
	case s.UndecidedCount > 0:
		return fmt.Sprintf("%s, of which %s could not be decided; %s", text, plain.Count(int64(s.UndecidedCount)),
			propertiesSentence(s.Verdict, sweepProperties(s)))
	}
	return text + "; no property was violated until then"
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
	switch {
	case v.recorded:
		return text
	case v.wanted > 1 && v.seeds < v.wanted:
		return text + ", " + plain.Count(int64(v.seeds)) + " of " + plain.Counted(int64(v.wanted), "seed") + " from " + strconv.FormatUint(v.seed, 10)
	case v.seeds > 0:
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

// The exit codes of a command that reports parts.
const (
	ExitOK        = 0
	ExitViolation = 1
	ExitUnknown   = 2
	ExitCannotRun = 3
)

// ExitCode is what a command that reports parts ends with, where errs is what
// went wrong besides, in the writing of an output for example. A violation
// outweighs everything: that a disk was full does not hide it. Otherwise what
// went wrong outweighs a verdict that is not whole without it.
func ExitCode(errs []string, parts ...Part) int {
	worst, cannotRun := Worst(parts...), len(errs) > 0
	for _, p := range parts {
		v := p.view()
		cannotRun = cannotRun || v.cannotRun
	}
	switch {
	case worst == lin.Violation:
		return ExitViolation
	case cannotRun:
		return ExitCannotRun
	case worst == lin.Unknown:
		return ExitUnknown
	}
	return ExitOK
}
