package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	lin "github.com/lockproof/lockproof/linearizability"
)

// Schema names the format that JSON writes. The package comment describes it.
const Schema = "lockproof.run/v1"

type jsonDocument struct {
	Schema   string   `json:"schema"`
	ExitCode int      `json:"exit_code"`
	Errors   []string `json:"errors,omitempty"`
	jsonRun
	Runs []jsonRun `json:"runs,omitempty"`
}

type jsonRun struct {
	Subject string     `json:"subject"`
	Backend string     `json:"backend"`
	Server  string     `json:"server,omitempty"`
	Verdict lin.Status `json:"verdict"`
	Message string     `json:"message"`
	// Promised lists what the lock was held to.
	Promised            string          `json:"promised,omitempty"`
	Seed                *uint64         `json:"seed,omitempty"`
	Seeds               int             `json:"seeds"`
	Wanted              int             `json:"seeds_wanted,omitempty"`
	Failed              int             `json:"failed"`
	Undecided           int             `json:"undecided"`
	Vacuous             string          `json:"vacuous,omitempty"`
	Interrupted         bool            `json:"interrupted,omitempty"`
	StoreContractBroken bool            `json:"store_contract_broken,omitempty"`
	TTL                 time.Duration   `json:"ttl_ns,omitempty"`
	Classes             classVerdicts   `json:"classes,omitempty"`
	Properties          []lin.Property  `json:"properties"`
	Coverage            *jsonCoverage   `json:"coverage,omitempty"`
	TraceHash           string          `json:"trace_hash,omitempty"`
	Throughput          *jsonThroughput `json:"throughput,omitempty"`
	Latency             *jsonLatency    `json:"latency,omitempty"`
	Failover            *jsonFailover   `json:"failover,omitempty"`
	Failures            []Failure       `json:"failures"`
}

// classVerdicts are the worst of each class.
type classVerdicts map[lin.Class]lin.Status

func classesOf(properties []lin.Property) classVerdicts {
	all := classVerdicts{}
	for _, g := range byClass(properties) {
		if g.class != "" {
			all[g.class] = g.verdict
		}
	}
	return all
}

type jsonCoverage struct {
	lin.Coverage
	Unanswered int64 `json:"unanswered_requests"`
}

type jsonThroughput struct {
	StoreOps              int64   `json:"store_ops"`
	Events                int64   `json:"events"`
	VirtualSeconds        float64 `json:"virtual_seconds"`
	WallSeconds           float64 `json:"wall_seconds"`
	StoreOpsPerSecond     float64 `json:"store_ops_per_second"`
	XRealTime             float64 `json:"x_real_time"`
	CoreSeconds           float64 `json:"core_seconds,omitempty"`
	StoreOpsPerCoreSecond float64 `json:"store_ops_per_core_second,omitempty"`
	XRealTimePerCore      float64 `json:"x_real_time_per_core,omitempty"`
}

type jsonLatency struct {
	Healed      Quantiles `json:"uncontended_healed"`
	Uncontended Quantiles `json:"uncontended"`
	Contended   Quantiles `json:"contended"`
	HandOff     Quantiles `json:"hand_off"`
}

type jsonFailover struct {
	Quantiles
	OverTTL *jsonRatios `json:"over_ttl,omitempty"`
}

type jsonRatios struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// JSON writes one object, indented and ended by a newline. Of one part it is that
// part; of several it is what they come to, with each in "runs". errs is what went
// wrong besides.
func JSON(w io.Writer, errs []string, parts ...Part) error {
	doc := jsonDocument{Schema: Schema, ExitCode: ExitCode(errs, parts...), Errors: errs}
	runs := make([]jsonRun, len(parts))
	for i, p := range parts {
		v := p.view()
		runs[i] = v.json()
	}
	if len(runs) == 1 {
		doc.jsonRun = runs[0]
	} else {
		doc.jsonRun = combined(runs)
		doc.Runs = runs
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("report: write JSON: %w", err)
	}
	return nil
}

func (v *view) json() jsonRun {
	c := v.counters
	run := jsonRun{
		Subject: v.subject, Backend: v.backend, Server: v.server, Verdict: v.verdict, Message: v.sentence, Promised: v.promised,
		Seeds: v.ran(), Wanted: v.wanted, Failed: v.failed, Undecided: v.undecided, Vacuous: v.vacuous, Interrupted: v.interrupted,
		StoreContractBroken: v.storeBroken, TTL: v.ttl,
		Classes: classesOf(v.properties), Properties: append([]lin.Property{}, v.properties...), Failures: append([]Failure{}, v.failures...),
		Throughput: &jsonThroughput{
			StoreOps: c.StoreOps, Events: c.Events, VirtualSeconds: rounded(c.Virtual.Seconds()),
			WallSeconds: rounded(c.Wall.Seconds()), StoreOpsPerSecond: rounded(perSecond(c.StoreOps, c.Wall)),
			XRealTime:   rounded(perSecond(int64(c.Virtual), c.Wall) / float64(time.Second)),
			CoreSeconds: rounded(c.CoreTime.Seconds()), StoreOpsPerCoreSecond: rounded(perSecond(c.StoreOps, c.CoreTime)),
			XRealTimePerCore: rounded(perSecond(int64(c.Virtual), c.CoreTime) / float64(time.Second)),
		},
	}
	if !v.recorded {
		run.Seed = &v.seed
	}
	if v.traceHash != 0 {
		run.TraceHash = hexHash(v.traceHash)
	}
	if v.coverage != nil {
		run.Coverage = &jsonCoverage{*v.coverage, c.Indefinite}
		run.Latency = &jsonLatency{
			QuantilesOf(v.coverage.Calm), QuantilesOf(v.coverage.Uncontended),
			QuantilesOf(v.coverage.ContendedWait), QuantilesOf(v.coverage.Handoff),
		}
		run.Failover = newFailover(QuantilesOf(v.coverage.Failover), v.ttl)
	}
	return run
}

// ran is how many runs there were.
func (v *view) ran() int {
	if v.coverage == nil { // not run at all
		return 0
	}
	if v.wanted > 1 || v.seeds > 0 {
		return v.seeds
	}
	return 1
}

func newFailover(q Quantiles, ttl time.Duration) *jsonFailover {
	f := &jsonFailover{Quantiles: q}
	if ttl > 0 && q.Count > 0 {
		over := func(d time.Duration) float64 { return rounded(float64(d) / float64(ttl)) }
		f.OverTTL = &jsonRatios{over(q.P50), over(q.P90), over(q.P99), over(q.Max)}
	}
	return f
}

// combined is what several parts come to: the worst verdict, the worst of each
// property, and all failures. What cannot be added up is only in the parts.
func combined(runs []jsonRun) jsonRun {
	all := jsonRun{Verdict: lin.Unknown, Properties: []lin.Property{}, Failures: []Failure{}, Message: "nothing was run"}
	for i, run := range runs {
		if i == 0 {
			all.Subject, all.Backend, all.Verdict, all.Message = run.Subject, run.Backend, run.Verdict, run.Message
		}
		if i > 0 {
			all.Subject, all.Backend = joined(all.Subject, run.Subject), joined(all.Backend, run.Backend)
		}
		if lin.Worst(all.Verdict, run.Verdict) != all.Verdict {
			all.Verdict, all.Message = run.Verdict, run.Message
		}
		all.Properties = worstProperties(all.Properties, run.Properties)
		all.Failures = append(all.Failures, run.Failures...)
		all.Failed += run.Failed
		all.Undecided += run.Undecided
		all.Seeds += run.Seeds
		all.Interrupted = all.Interrupted || run.Interrupted
		all.StoreContractBroken = all.StoreContractBroken || run.StoreContractBroken
	}
	all.Classes = classesOf(all.Properties)
	return all
}

func joined(a, b string) string {
	if a == b {
		return a
	}
	return a + "+" + b
}

func worstProperties(a, b []lin.Property) []lin.Property {
next:
	for _, p := range b {
		for i := range a {
			if a[i].Name != p.Name {
				continue
			}
			if lin.Worst(a[i].Verdict, p.Verdict) != a[i].Verdict {
				a[i] = p
			}
			continue next
		}
		a = append(a, p)
	}
	return a
}

// rounded keeps six digits that count: the rest of a measured number is noise.
func rounded(f float64) float64 {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(f))))
	return math.Round(f*scale) / scale
}
