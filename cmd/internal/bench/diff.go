package bench

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// DefaultAlpha is the level of significance of a Diff that names none.
const DefaultAlpha = 0.05

// DiffOptions are how two results are compared. The zero value works.
type DiffOptions struct {
	// Alpha is the share of unchanged metrics that may be called changed by
	// chance, between 0 and 1. Default DefaultAlpha. At 0.05 each side needs at
	// least 4 samples before anything can be told, at 0.01 at least 5.
	Alpha float64
}

// Verdict is what can be said of a metric in two results.
type Verdict string

// The verdicts.
const (
	// Same: no significant change. It may be too small for so few samples.
	Same Verdict = "same"
	// Improved and Regressed: a significant change, in a metric that says which
	// way is better.
	Improved  Verdict = "improved"
	Regressed Verdict = "regressed"
	// Changed: a significant change in a metric for information.
	Changed Verdict = "changed"
	// Untold: the results do not hold what it takes to tell; Change.Why says
	// what is lacking.
	Untold Verdict = "cannot tell"
)

// Comparison is what Diff found.
type Comparison struct {
	Kind  Kind    `json:"kind"`
	Alpha float64 `json:"alpha"`
	// Changes has one entry for each metric that both results have, in the
	// order of the new result.
	Changes []Change `json:"changes"`
	// Means has one entry for each name and unit of metrics.
	Means []Mean `json:"means,omitempty"`
	// OnlyOld and OnlyNew name the cells, or "cell metric", of one result alone.
	OnlyOld []string `json:"only_old,omitempty"`
	OnlyNew []string `json:"only_new,omitempty"`
	// Warnings say what makes the comparison doubtful as a whole.
	Warnings []string `json:"warnings,omitempty"`
}

// Change is one metric of one cell in both results.
type Change struct {
	Cell   string    `json:"cell"`
	Metric string    `json:"metric"`
	Unit   string    `json:"unit"`
	Better Direction `json:"better,omitempty"`
	// Old and New are the medians of the samples, or the values where there are
	// none.
	Old float64 `json:"old"`
	New float64 `json:"new"`
	// Ratio is New / Old; 0 where Old or New is not above 0.
	Ratio float64 `json:"ratio,omitempty"`
	// P is the probability of samples at least so different, had nothing
	// changed (two-sided Mann-Whitney U test). 1 where it is Untold.
	P          float64 `json:"p"`
	OldSamples int     `json:"old_samples"`
	NewSamples int     `json:"new_samples"`
	Verdict    Verdict `json:"verdict"`
	Why        string  `json:"why,omitempty"`
}

// Mean is the geometric mean of the ratios of all cells in one metric. It tells
// of a drift that is too small to be significant in any one of them.
type Mean struct {
	Metric string  `json:"metric"`
	Unit   string  `json:"unit"`
	Ratio  float64 `json:"ratio"`
	Cells  int     `json:"cells"`
}

// Diff compares two results of one kind, cell by cell and metric by metric.
// Cells are matched by name, metrics by name and unit. Metrics are compared by
// their samples alone, with the Mann-Whitney U test, which assumes nothing of
// how they are distributed; a Distribution keeps no samples of rounds and is not
// compared. It fails if the results are of different kinds or damaged.
//
// Each metric is tested by itself: of 100 unchanged ones, 100 x Alpha come out
// as changed. Gate's threshold is there for these.
func Diff(old, current *Result, o DiffOptions) (*Comparison, error) {
	if old == nil || current == nil {
		return nil, errors.New("bench: Diff needs two results")
	}
	if o.Alpha == 0 {
		o.Alpha = DefaultAlpha
	}
	if math.IsNaN(o.Alpha) || o.Alpha < 0 || o.Alpha >= 1 {
		return nil, fmt.Errorf("bench: DiffOptions.Alpha %v must be above 0 and under 1", o.Alpha)
	}
	for _, r := range []*Result{old, current} {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	if old.Kind != current.Kind {
		return nil, fmt.Errorf("bench: a result of %q cannot be compared with one of %q", old.Kind, current.Kind)
	}
	c := &Comparison{Kind: current.Kind, Alpha: o.Alpha, Warnings: doubts(old, current)}
	for _, cell := range current.Cells {
		i := slices.IndexFunc(old.Cells, func(x Cell) bool { return x.Name == cell.Name })
		if i < 0 {
			c.OnlyNew = append(c.OnlyNew, cell.Name)
			continue
		}
		c.cell(old.Cells[i], cell)
	}
	for _, cell := range old.Cells {
		if !slices.ContainsFunc(current.Cells, func(x Cell) bool { return x.Name == cell.Name }) {
			c.OnlyOld = append(c.OnlyOld, cell.Name)
		}
	}
	c.Means = means(c.Changes)
	return c, nil
}

// cell compares two cells of one name.
func (c *Comparison) cell(old, current Cell) {
	other := ""
	if !slices.Equal(old.Labels, current.Labels) {
		other = fmt.Sprintf("the setting is another one: %v, was %v", current.Labels, old.Labels)
	}
	for _, m := range current.Metrics {
		before, ok := metricOf(old, m)
		if !ok {
			c.OnlyNew = append(c.OnlyNew, current.Name+" "+m.Name)
			continue
		}
		change := compareMetric(before, m, c.Alpha)
		change.Cell = current.Name
		if other != "" {
			change = change.untold(other)
		}
		c.Changes = append(c.Changes, change)
	}
	for _, m := range old.Metrics {
		if _, ok := metricOf(current, m); !ok {
			c.OnlyOld = append(c.OnlyOld, old.Name+" "+m.Name)
		}
	}
}

// metricOf returns c's metric of the name and the unit of m.
func metricOf(c Cell, m Metric) (Metric, bool) {
	found, ok := c.Metric(m.Name)
	return found, ok && found.Unit == m.Unit
}

func (c Change) untold(why string) Change {
	c.Verdict, c.Why, c.P = Untold, why, 1
	return c
}

// compareMetric judges one metric.
func compareMetric(old, current Metric, alpha float64) Change {
	c := Change{
		Metric: current.Name, Unit: current.Unit, Better: current.Better,
		Old: old.Value, New: current.Value, OldSamples: len(old.Samples), NewSamples: len(current.Samples),
	}
	if len(old.Samples) == 0 || len(current.Samples) == 0 {
		c.Ratio = ratio(c.Old, c.New)
		return c.untold("no samples")
	}
	if slices.ContainsFunc(slices.Concat(old.Samples, current.Samples), unfit) {
		return c.untold("a sample is not a number")
	}
	thresholds := benchmath.Thresholds{CompareAlpha: alpha}
	before := benchmath.NewSample(slices.Clone(old.Samples), &thresholds)
	after := benchmath.NewSample(slices.Clone(current.Samples), &thresholds)
	c.Old, c.New = Median(before.Values), Median(after.Values)
	c.Ratio = ratio(c.Old, c.New)
	if least := leastP(len(old.Samples), len(current.Samples)); least > alpha {
		return c.untold(fmt.Sprintf("%d and %d samples: too few to tell anything at a level of %v",
			len(old.Samples), len(current.Samples), alpha))
	}
	c.P = benchmath.AssumeNothing.Compare(before, after).P // 1 if all samples are equal
	c.Verdict = Same
	if c.P <= alpha && c.New != c.Old {
		c.Verdict = direction(current.Better, c.New > c.Old)
	}
	return c
}

func unfit(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// direction names a significant change.
func direction(better Direction, rose bool) Verdict {
	switch better {
	case LowerIsBetter, HigherIsBetter:
		if rose == (better == HigherIsBetter) {
			return Improved
		}
		return Regressed
	}
	return Changed
}

// leastP is the smallest P that the U test can return for so many samples: that
// of two sets that do not overlap, 2 / (m+n choose m).
func leastP(m, n int) float64 {
	p := 2.0
	for i := 1; i <= m; i++ {
		p *= float64(i) / float64(n+i)
	}
	return min(p, 1)
}

func ratio(old, current float64) float64 {
	if unfit(old) || unfit(current) || old <= 0 || current <= 0 {
		return 0
	}
	return current / old
}

// means returns the geometric mean of each metric that has a ratio in two cells
// or more, in the order of their first appearance.
func means(changes []Change) []Mean {
	var all []Mean
	for _, c := range changes {
		if c.Ratio == 0 || c.Verdict == Untold {
			continue
		}
		i := slices.IndexFunc(all, func(m Mean) bool { return m.Metric == c.Metric && m.Unit == c.Unit })
		if i < 0 {
			i = len(all)
			all = append(all, Mean{Metric: c.Metric, Unit: c.Unit})
		}
		all[i].Ratio += math.Log(c.Ratio)
		all[i].Cells++
	}
	all = slices.DeleteFunc(all, func(m Mean) bool { return m.Cells < 2 })
	for i := range all {
		all[i].Ratio = math.Exp(all[i].Ratio / float64(all[i].Cells))
	}
	return all
}

// doubts says what differs between the circumstances of two results.
func doubts(old, current *Result) []string {
	var all []string
	if old.Machine != current.Machine {
		all = append(all, fmt.Sprintf("measured on different machines or with another Go: %v, was %v; only ratios within one run can be compared",
			current.Machine, old.Machine))
	}
	for _, r := range []struct {
		which string
		*Result
	}{{"old", old}, {"new", current}} {
		if r.Incomplete {
			all = append(all, "the "+r.which+" result is incomplete")
		}
	}
	for _, note := range current.Notes {
		if !slices.Contains(old.Notes, note) {
			all = append(all, "only the new result says: "+note)
		}
	}
	for _, note := range old.Notes {
		if !slices.Contains(current.Notes, note) {
			all = append(all, "only the old result says: "+note)
		}
	}
	return all
}

// String is the machine in one line.
func (m Machine) String() string {
	cpu := m.CPU
	if cpu == "" {
		cpu = "unnamed processor"
	}
	return fmt.Sprintf("%s/%s, %s, %d cores, %s", m.OS, m.Arch, cpu, m.Cores, m.Go)
}

// Gate returns the changes that should fail a build: significant, and worse by
// more than threshold. A threshold of 0.1 lets a latency rise by a tenth, and a
// rate fall to 1/1.1 of what it was. A metric whose better value was 0 fails by
// any significant rise. What is Untold never fails; show Comparison's changes,
// or a gate that can tell nothing looks like one that found nothing.
func (c *Comparison) Gate(threshold float64) []Change {
	var found []Change
	for _, change := range c.Changes {
		if change.Verdict == Regressed && change.times() > 1+threshold {
			found = append(found, change)
		}
	}
	return found
}

// times is how many times worse a regressed metric has become.
func (c Change) times() float64 {
	switch {
	case c.Ratio == 0:
		return math.Inf(1)
	case c.Better == HigherIsBetter:
		return 1 / c.Ratio
	}
	return c.Ratio
}
