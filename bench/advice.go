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

// String says it in the shortest period in which it happens at least once: "4 a
// day".
func (r Rate) String() string {
	if r == 0 {
		return "none"
	}
	all := periods()
	p := all[len(all)-1]
	for _, longer := range all {
		if float64(r)*longer.hours >= 0.995 {
			p = longer
			break
		}
	}
	article := "a"
	if p.name == "hour" {
		article = "an"
	}
	return fmt.Sprintf("%s %s %s", figure(float64(r)*p.hours), article, p.name)
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
	falses     int64         // false failovers in held hours
	held       time.Duration
	requests   float64 // an hour
}

func (o option) String() string {
	return fmt.Sprintf("ttl %s, renew %s", seconds(o.ttl), seconds(o.renew))
}

// rate is the best estimate of the false failovers.
func (o option) rate() Rate { return perHour(float64(o.falses), o.held) }

// most is the upper end of its interval of 95 % confidence.
func (o option) most() Rate {
	_, high := PoissonInterval(o.falses)
	return perHour(high, o.held)
}

func perHour(n float64, d time.Duration) Rate {
	if d <= 0 {
		return Rate(math.Inf(1))
	}
	return Rate(n / d.Hours())
}

// frontOf returns the options on the Pareto front of p99 failover time, false
// failovers and requests, the fastest first.
func frontOf(options []option) []option {
	points := make([][]float64, len(options))
	for i, o := range options {
		points[i] = []float64{float64(o.failover), float64(o.rate()), o.requests}
	}
	var kept []option
	for _, i := range front(points) {
		kept = append(kept, options[i])
	}
	slices.SortStableFunc(kept, func(a, b option) int {
		return cmp.Or(cmp.Compare(a.failover, b.failover), cmp.Compare(a.requests, b.requests))
	})
	return kept
}

// advise chooses from the front the fastest failover of which it is shown, with
// 95 % confidence, that false failovers are at most as frequent as the budget
// allows, and says in one sentence what that is, on what evidence, and what the
// neighbours on the front would gain and cost. Where nothing qualifies it says
// so, and whether longer measuring could change that.
func advise(options []option, budget Rate) string {
	all := frontOf(options)
	if len(all) == 0 {
		return "nothing was measured to choose from"
	}
	chosen := slices.IndexFunc(all, func(o option) bool { return o.most() <= budget })
	if chosen < 0 {
		return noAdvice(all, budget)
	}
	o := all[chosen]
	parts := []string{fmt.Sprintf("%s: p99 failover %s, %s (with 95 %% confidence at most %s), %s requests an hour",
		o, seconds(o.failover), evidence(o), o.most(), figure(o.requests))}
	if i := beside(all, chosen, -1); i >= 0 {
		parts = append(parts, neighbour(o, all[i]))
	}
	if i := beside(all, chosen, +1); i < len(all) {
		parts = append(parts, neighbour(o, all[i]))
	}
	return strings.Join(parts, "; ")
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

func evidence(o option) string {
	word := "failovers"
	if o.falses == 1 {
		word = "failover"
	}
	return fmt.Sprintf("%d false %s in %s h", o.falses, word, figure(o.held.Hours()))
}

// noAdvice names the option with the fewest false failovers.
func noAdvice(all []option, budget Rate) string {
	best := slices.MinFunc(all, func(a, b option) int {
		return cmp.Or(cmp.Compare(a.most(), b.most()), cmp.Compare(a.failover, b.failover))
	})
	text := fmt.Sprintf("no setting was shown to stay below %s: the best is %s with %s (with 95 %% confidence at most %s) and a p99 failover of %s",
		budget.falses(), best, evidence(best), best.most(), seconds(best.failover))
	_, none := PoissonInterval(0)
	low, _ := PoissonInterval(best.falses)
	switch enough := none / float64(budget); {
	case perHour(low, best.held) >= budget:
		return text + "; longer leases, more renewals in each or a better network are needed"
	case best.falses == 0:
		return text + fmt.Sprintf("; that is for lack of hours: %s h without any would show it", figure(100*math.Ceil(enough/100)))
	}
	return text + "; more hours may show it"
}

// falses is the rate with what it counts.
func (r Rate) falses() string {
	number, rest, _ := strings.Cut(r.String(), " ")
	if number == "1" {
		return "1 false failover " + rest
	}
	return number + " false failovers " + rest
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
	if d := other.rate() - o.rate(); d != 0 {
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
