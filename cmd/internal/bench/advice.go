package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rate is how often something happens, in an hour.
type Rate float64

// period is a length of time that people count in.
type period struct {
	name  string
	hours float64
}

func periods() []period {
	return []period{{"hour", 1}, {"day", 24}, {"week", 7 * 24}, {"month", hoursPerMonth}, {"year", 12 * hoursPerMonth}}
}

// ParseRate reads a rate such as 1/month; hour, day, week, month and year are
// known.
func ParseRate(text string) (Rate, error) {
	number, name, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	if err == nil && n > 0 && !math.IsInf(n, 0) {
		for _, p := range periods() {
			if p.name == name {
				return Rate(n / p.hours), nil
			}
		}
	}
	return 0, fmt.Errorf("%q is not a rate such as 1/month, 0.5/week or 3/day", text)
}

// period is the shortest one in which it happens at least once, or a year.
func (r Rate) period() period {
	all := periods()
	for _, p := range all {
		if float64(r)*p.hours >= 0.995 {
			return p
		}
	}
	return all[len(all)-1]
}

// String is "a day".
func (p period) String() string {
	if p.name == "hour" {
		return "an hour"
	}
	return "a " + p.name
}

// leastRate, in a year, is the least that is written as a number.
const leastRate = 0.01

// String says it in the shortest period in which it happens at least once: "4 a
// day".
func (r Rate) String() string {
	p := r.period()
	switch n := float64(r) * p.hours; {
	case n == 0:
		return "none"
	case n < 0.995*leastRate:
		return fmt.Sprintf("under %v %s", leastRate, p)
	default:
		return figure(n) + " " + p.String()
	}
}

// times is "once a week" or "4 times a day".
func (r Rate) times() string {
	p := r.period()
	if n := figure(float64(r) * p.hours); n != "1" {
		return n + " times " + p.String()
	}
	return "once " + p.String()
}

// figure writes a number with as many digits as matter, and thousands apart.
func figure(f float64) string {
	if f < 99.5 {
		return strconv.FormatFloat(round(f, 2), 'f', -1, 64)
	}
	digits := strconv.FormatFloat(round(f, 3), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// round keeps so many significant digits.
func round(f float64, digits int) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'g', digits, 64), 64) // what was formatted parses
	return rounded
}

// seconds writes a time as people say it, to two digits or more.
func seconds(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return figure(float64(d)/float64(time.Microsecond)) + " µs"
	case d < time.Second:
		return figure(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return strconv.FormatFloat(round(d.Seconds(), 3), 'f', -1, 64) + " s"
}

// option is one setting that can be chosen, and what it was found to cost.
type option struct {
	ttl, renew time.Duration
	failover   time.Duration // p99
	requests   float64       // an hour
	// False failovers: as the profile has it, and if its episodes came twice as
	// often or lasted twice as long.
	falses, oftener, longer Estimate
}

func (o option) String() string {
	return fmt.Sprintf("ttl %s, renew %s", seconds(o.ttl), seconds(o.renew))
}

// A tie: failovers that differ by less than a fiftieth, and requests and false
// failovers that differ by less than a hundredth, are as good as each other.
// Chance decides such differences, and nobody would notice them.
const (
	tieOfFailovers = 1.02
	tieOfOthers    = 1.01
)

// tied gives figures that lie together the least of them, so that they compare as
// equal.
func tied(values []float64, factor float64) []float64 {
	sorted := slices.Sorted(slices.Values(values))
	least := make(map[float64]float64)
	for i, v := range sorted {
		least[v] = v
		if i > 0 {
			if first := least[sorted[i-1]]; v <= first*factor {
				least[v] = first
			}
		}
	}
	all := make([]float64, len(values))
	for i, v := range values {
		all[i] = least[v]
	}
	return all
}

// frontOf returns the indices of the options on the Pareto front of p99 failover
// time, false failovers and requests, up to ties: the fastest first, and of those
// that are as fast the one with the fewest requests.
func frontOf(options []option) []int {
	var failovers, falses, requests []float64
	for _, o := range options {
		failovers, requests = append(failovers, float64(o.failover)), append(requests, o.requests)
		falses = append(falses, float64(o.falses.Rate))
	}
	failovers, falses, requests = tied(failovers, tieOfFailovers), tied(falses, tieOfOthers), tied(requests, tieOfOthers)
	points := make([][]float64, len(options))
	for i := range options {
		points[i] = []float64{failovers[i], falses[i], requests[i]}
	}
	kept := front(points)
	slices.SortStableFunc(kept, func(a, b int) int {
		return cmp.Or(cmp.Compare(failovers[a], failovers[b]), cmp.Compare(requests[a], requests[b]), cmp.Compare(falses[a], falses[b]))
	})
	return kept
}

// choose finds the first of the front of which it is shown, with 95 % confidence,
// that false failovers are at most as frequent as the budget allows; -1 if none
// is.
func choose(front []option, budget Rate) int {
	return slices.IndexFunc(front, func(o option) bool { return o.falses.High <= budget })
}

// fronted are the options on the front, in order.
func fronted(options []option) []option {
	var all []option
	for _, i := range frontOf(options) {
		all = append(all, options[i])
	}
	return all
}

// advise chooses, and says in one sentence what that is, on what evidence, what
// the neighbours on the front would gain and cost, and what it would be if the
// profile were wrong. Where nothing qualifies it says so, and whether longer
// measuring could change that.
func advise(options []option, budget Rate) string {
	all := fronted(options)
	if len(all) == 0 {
		return "nothing was measured to choose from"
	}
	chosen := choose(all, budget)
	if chosen < 0 {
		return noAdvice(all, budget)
	}
	o := all[chosen]
	parts := []string{fmt.Sprintf("%s: p99 failover %s, %s, %s requests an hour", o, seconds(o.failover), evidence(o), figure(o.requests))}
	if i := beside(all, chosen, -1); i >= 0 {
		parts = append(parts, neighbour(o, all[i]))
	}
	if i := beside(all, chosen, +1); i < len(all) {
		parts = append(parts, neighbour(o, all[i]))
	}
	return strings.Join(parts, "; ") + sensitivity(options, o, budget)
}

// sensitivity says what would be chosen if cuts, pauses and sleeps were not as the
// profile has them.
func sensitivity(options []option, o option, budget Rate) string {
	if o.oftener == o.falses && o.longer == o.falses {
		return "" // the profile has none
	}
	var parts []string
	for _, other := range []struct {
		what string
		of   func(option) Estimate
	}{
		{"came twice as often", func(o option) Estimate { return o.oftener }},
		{"lasted twice as long", func(o option) Estimate { return o.longer }},
	} {
		changed := slices.Clone(options)
		for i := range changed {
			changed[i].falses = other.of(changed[i])
		}
		all := fronted(changed)
		then := fmt.Sprintf("no setting of these (this one would have %s)", other.of(o).Rate.falses())
		if i := choose(all, budget); i >= 0 && (all[i].ttl != o.ttl || all[i].renew != o.renew) {
			then = all[i].String()
		} else if i >= 0 {
			then = "the same"
		}
		parts = append(parts, other.what+": "+then)
	}
	return ". If the episodes " + strings.Join(parts, "; if they ")
}

// beside finds the neighbour in one direction: the next one with another ttl, for
// that is what makes a difference, or else the very next. Where there is none it
// is before the first or after the last.
func beside(all []option, chosen, step int) int {
	for i := chosen + step; i >= 0 && i < len(all); i += step {
		if all[i].ttl != all[chosen].ttl {
			return i
		}
	}
	return chosen + step
}

// evidence is how many false failovers there are.
func evidence(o option) string {
	e := o.falses
	hours := e.Rate.period().hours
	in := func(r Rate) string { return strconv.FormatFloat(round(float64(r)*hours, 3), 'f', -1, 64) }
	switch {
	case e.High == 0:
		return "no false failovers"
	case float64(e.Rate)*hours < leastRate:
		return fmt.Sprintf("no false failovers seen (with 95 %% confidence at most %s)", e.High)
	}
	return fmt.Sprintf("%s (95 %% confidence: %s to %s)", e.Rate.falses(), in(e.Low), in(e.High))
}

// noAdvice names the option with the fewest false failovers.
func noAdvice(all []option, budget Rate) string {
	best := slices.MinFunc(all, func(a, b option) int {
		return cmp.Or(cmp.Compare(a.falses.High, b.falses.High), cmp.Compare(a.failover, b.failover))
	})
	text := fmt.Sprintf("no setting was shown to stay below %s: the best is %s with %s and a p99 failover of %s",
		budget.falses(), best, evidence(best), seconds(best.failover))
	if best.falses.Low >= budget {
		return text + "; longer leases, more renewals in each or a better network are needed"
	}
	return text + "; more episodes may show it"
}

// falses is the rate with what it counts.
func (r Rate) falses() string {
	text, p := r.String(), r.period().String()
	number := strings.TrimSuffix(text, " "+p)
	switch number {
	case "none":
		return "no false failovers"
	case "1":
		return "1 false failover " + p
	}
	return number + " false failovers " + p
}

// neighbour says what another option would gain and cost.
func neighbour(o, other option) string {
	var gains, costs []string
	note := func(better bool, text string) {
		if better {
			gains = append(gains, text)
		} else {
			costs = append(costs, text)
		}
	}
	if d := other.failover - o.failover; d != 0 {
		note(d < 0, seconds(d.Abs()))
	}
	if d := other.falses.Rate - o.falses.Rate; d != 0 {
		note(d < 0, Rate(math.Abs(float64(d))).falses())
	}
	if d := other.requests - o.requests; math.Abs(d) >= 0.5 {
		note(d < 0, figure(math.Abs(d))+" requests an hour")
	}
	text := other.String() + " would "
	if len(gains) > 0 {
		text += "save " + listed(gains)
		if len(costs) > 0 {
			text += " and "
		}
	}
	if len(costs) > 0 {
		text += "cost " + listed(costs)
	}
	if len(gains)+len(costs) == 0 {
		text += "be as good"
	}
	return text
}

// listed writes "a, b and c" without the last comma.
func listed(parts []string) string {
	last := len(parts) - 1
	if last < 1 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:last], ", ") + " and " + parts[last]
}
