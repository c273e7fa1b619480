// Package bench measures locks on real stores: what an acquire costs, how long
// the gap is when a holder dies, and what a lease setting costs. lockbench is
// its command.
//
// A measurement returns a Result and prints nothing. Whatever can be given as a
// ratio within one run is: absolute times are those of one machine on one day.
package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Schema is the version of a result file.
const Schema = "lockproof.bench/v1"

// Kind says what was measured.
type Kind string

// The kinds of results.
const (
	Acquire  Kind = "acquire"
	Failover Kind = "failover"
	Sweep    Kind = "sweep"
	Compare  Kind = "compare"
)

// Result is one run of lockbench, as its JSON file keeps it.
type Result struct {
	Schema string `json:"schema"`
	Kind   Kind   `json:"kind"`
	// Command is what to type to measure the same again.
	Command string    `json:"command"`
	Commit  string    `json:"commit,omitempty"`
	Date    time.Time `json:"date"`
	Machine Machine   `json:"machine"`
	Cells   []Cell    `json:"cells"`
	// Notes are what a reader of the figures must know: a stand-in for a server,
	// a rate that was not reached, an interruption.
	Notes []string `json:"notes,omitempty"`
	// Incomplete: it was interrupted, or a cell has fewer samples than were asked
	// for. The notes say which.
	Incomplete bool `json:"incomplete,omitempty"`
	// Advice is what follows from a sweep, with its evidence, in one sentence.
	Advice string `json:"advice,omitempty"`
}

// Machine is where a measurement was made.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	CPU   string `json:"cpu,omitempty"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
}

// Cell is one setting, measured.
type Cell struct {
	// Name is unique in its Result, and the name of a Go benchmark: words
	// between slashes, without spaces ("nats/contended/clients=8").
	Name string `json:"name"`
	// Labels are the setting, in the order in which they are shown.
	Labels        []Label        `json:"labels,omitempty"`
	Metrics       []Metric       `json:"metrics,omitempty"`
	Distributions []Distribution `json:"distributions,omitempty"`
	Notes         []string       `json:"notes,omitempty"`
}

// Label is one part of a setting, such as ttl=1s.
type Label struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Direction says which way a metric is better.
type Direction string

// The directions. A metric without one is for information.
const (
	LowerIsBetter  Direction = "lower"
	HigherIsBetter Direction = "higher"
)

// Metric is a figure of a cell.
type Metric struct {
	Name string `json:"name"`
	// Unit is as in Go benchmarks: "ns", "ops/s", "x" for a ratio, "requests".
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	// Low and High bound Value with 95 % confidence; both are 0 if there is no
	// such interval, as with fewer than 9 rounds.
	Low    float64   `json:"low,omitempty"`
	High   float64   `json:"high,omitempty"`
	Better Direction `json:"better,omitempty"`
	// Samples are the values of the rounds that Value was made of, as far as
	// there were rounds. Two results are compared by them.
	Samples []float64 `json:"samples,omitempty"`
}

// Distribution is how long something took, many times over, in nanoseconds.
type Distribution struct {
	// Name is what was timed: "acquire", "raw CAS", "detect".
	Name  string  `json:"name"`
	Count int64   `json:"count"`
	Min   int64   `json:"min"`
	Max   int64   `json:"max"`
	Mean  float64 `json:"mean"`
	// Quantiles rise. One that Count samples do not bound on both sides with 95 %
	// confidence is not among them: p50 takes 6, p90 36, p99 368, p99.9 3,688.
	Quantiles []Quantile `json:"quantiles"`
	// Curve is the cumulative distribution, for a chart: at most some hundred
	// points, rising in both coordinates.
	Curve []Point `json:"curve,omitempty"`
}

// Quantile is the value below which a share of the samples lies.
type Quantile struct {
	Share float64 `json:"share"` // 0.5 for the median
	Value int64   `json:"value"`
	// Low and High bound it with 95 % confidence; both 0 where they would be the
	// least and the greatest sample.
	Low  int64 `json:"low,omitempty"`
	High int64 `json:"high,omitempty"`
}

// Point of a cumulative distribution.
type Point struct {
	Value int64   `json:"value"`
	Share float64 `json:"share"`
}

// Quantile returns the quantile of that share; ok is false if it is not kept.
func (d Distribution) Quantile(share float64) (q Quantile, ok bool) {
	for _, q := range d.Quantiles {
		if q.Share == share {
			return q, true
		}
	}
	return Quantile{}, false
}

// Label returns the value of a label, or "".
func (c Cell) Label(key string) string {
	for _, l := range c.Labels {
		if l.Key == key {
			return l.Value
		}
	}
	return ""
}

// Metric returns the metric of that name; ok is false if there is none.
func (c Cell) Metric(name string) (m Metric, ok bool) {
	for _, m := range c.Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}

// Distribution returns the distribution of that name; ok is false if there is
// none.
func (c Cell) Distribution(name string) (d Distribution, ok bool) {
	for _, d := range c.Distributions {
		if d.Name == name {
			return d, true
		}
	}
	return Distribution{}, false
}

// Write writes r as an indented JSON file.
func (r *Result) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Read reads a result file. The error says whether it is one at all, and of
// which version.
func Read(b []byte) (*Result, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not a result of lockbench: %w", err)
	}
	if head.Schema != Schema {
		return nil, fmt.Errorf("a result with schema %q, and this lockbench reads %q", head.Schema, Schema)
	}
	var r Result
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("a damaged result of lockbench: %w", err)
	}
	return &r, r.Validate()
}

// Validate says what a result lacks to be shown or compared.
func (r *Result) Validate() error {
	switch r.Kind {
	case Acquire, Failover, Sweep, Compare:
	default:
		return fmt.Errorf("result of an unknown kind %q", r.Kind)
	}
	seen := make(map[string]bool)
	for _, c := range r.Cells {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("result with two cells called %q, or one without a name", c.Name)
		}
		seen[c.Name] = true
		for _, d := range c.Distributions {
			if d.Count < 1 || d.Min > d.Max {
				return fmt.Errorf("cell %s: distribution %q of %d samples from %d to %d", c.Name, d.Name, d.Count, d.Min, d.Max)
			}
		}
	}
	return nil
}
