package bench

import (
	"fmt"
	"strconv"
	"time"
)

// result is the cell of the rounds that there were.
func (t *contest) result(who Contender) Cell {
	name := fmt.Sprintf("contended/clients=%d/locks=%d", len(t.seats), len(t.names))
	labels := []Label{
		{"loop", "closed"}, {"clients", strconv.Itoa(len(t.seats))}, {"locks", strconv.Itoa(len(t.names))},
		{"think", t.c.Think.String()}, {"hold", t.c.Hold.String()},
	}
	if t.rate > 0 {
		rate := strconv.FormatFloat(t.rate, 'f', -1, 64)
		name = fmt.Sprintf("open/clients=%d/locks=%d/rate=%s", len(t.seats), len(t.names), rate)
		labels[0].Value = "open"
		labels[3] = Label{"rate", rate}
	}
	c := who.cell(name, labels...)
	c.addDistribution(t.all.acquires.describe("acquire"))
	c.addDistribution(t.swaps.describe("raw CAS"))
	c.addDistribution(t.all.handOffs.describe("hand-off"))
	c.addRatio("acquire/CAS", t.acquireRatios)
	c.addRatio("hand-off/CAS", t.handOffRatios)
	if t.count == 0 || t.lasted <= 0 {
		return c
	}
	inTime := 0.0
	for _, n := range t.grants {
		inTime += n
	}
	throughput := inTime / t.lasted.Seconds()
	c.Metrics = append(c.Metrics,
		Metric{Name: "throughput", Unit: "ops/s", Value: throughput, Better: HigherIsBetter},
		Metric{Name: "grants", Unit: "grants", Value: float64(t.count)})
	if t.seats[0].Counts != nil {
		c.addCounts(t.counts, t.count)
	}
	if len(t.grants) > 1 && inTime > 0 {
		c.Metrics = append(c.Metrics, Metric{Name: "fairness", Unit: "Jain", Value: Jain(t.grants), Better: HigherIsBetter})
	}
	c.unreleased(t.unreleased)
	if t.waiting > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf(
			"%d acquires still waited some time after a round; they count with the time that they had waited until then, which is less than they would have", t.waiting))
	}
	if t.rate > 0 {
		t.judgeOffer(&c, throughput)
	}
	return c
}

// judgeOffer says how much of the schedule was kept. What was not is said: the
// figures of an overloaded lock say how long the measurement was, and those of a
// machine that wakes up late say how busy it was.
func (t *contest) judgeOffer(c *Cell, throughput float64) {
	offered := float64(t.offered) / t.lasted.Seconds()
	c.Metrics = append(c.Metrics, Metric{Name: "offered", Unit: "ops/s", Value: offered})
	c.addDistribution(t.late.describe("wake-up"))
	if throughput < 0.95*offered {
		c.Notes = append(c.Notes, fmt.Sprintf(
			"%.4g acquires a second were offered and %.4g achieved: more than this lock on this machine can do, so that times grow with the length of the measurement",
			offered, throughput))
	}
	if t.unserved > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf(
			"%d of %d acquires were not begun before a round ended; they count with the time that they had waited until then, which is less than they would have",
			t.unserved, t.offered))
	}
	if late, ok := c.Distribution("wake-up"); ok {
		acquire, _ := c.Distribution("acquire")
		l, _ := late.Quantile(0.5)
		if a, _ := acquire.Quantile(0.5); 4*l.Value > a.Value {
			c.Notes = append(c.Notes, fmt.Sprintf(
				"half of the idle clients woke up more than %s after an acquire was due, which counts as its latency: the machine is too busy, or the rate too high, for finer figures",
				time.Duration(l.Value).Round(time.Microsecond)))
		}
	}
}
