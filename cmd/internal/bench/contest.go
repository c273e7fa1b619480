package bench

import (
	"fmt"
	"strconv"
	"time"
)

// Names of what a contest counts.
const (
	// HandOffName is the distribution from a release that somebody waits for to
	// the grant to another client.
	HandOffName = "hand-off"
	// TakenAgainName is the same to the grant to the releaser itself.
	TakenAgainName = "taken again"
	// HandedOnName and RetakenName are how often these were seen.
	HandedOnName = "handed to another"
	RetakenName  = "taken again by its releaser"
)

// name and labels of the cell.
func (t *contest) cell(who Contender) Cell {
	clients, locks := strconv.Itoa(len(t.seats)), strconv.Itoa(len(t.names))
	labels := []Label{{"loop", string(t.loop)}, {"clients", clients}, {"locks", locks}}
	hold := Label{"hold", t.c.Hold.String()}
	switch t.loop {
	case openLoop:
		rate := strconv.FormatFloat(t.rate, 'f', -1, 64)
		return who.cell("open/clients="+clients+"/locks="+locks+"/rate="+rate, append(labels, Label{"rate", rate}, hold)...)
	case turnsLoop:
		if t.poll > 0 {
			hold.Value += " and up to a poll"
		}
		return who.cell("hand-off/clients="+clients, append(labels, Label{"think", t.c.Think.String()}, hold)...)
	}
	return who.cell("contended/clients="+clients+"/locks="+locks, append(labels, Label{"think", t.c.Think.String()}, hold)...)
}

// result is the cell of the rounds that there were.
func (t *contest) result(who Contender) Cell {
	c := t.cell(who)
	c.addDistribution(t.all.handOffs.describe(HandOffName))
	c.addDistribution(t.all.retakes.describe(TakenAgainName))
	if t.loop != turnsLoop { // in turns an acquire is mostly the others' holding
		c.addDistribution(t.all.acquires.describe("acquire"))
	}
	c.addDistribution(t.swaps.describe("raw CAS"))
	t.addRatios(&c)
	if t.count == 0 || t.lasted <= 0 {
		return c
	}
	handed, retaken := t.all.handOffs.TotalCount(), t.all.retakes.TotalCount()
	c.Metrics = append(c.Metrics,
		Metric{Name: HandedOnName, Unit: "grants", Value: float64(handed)},
		Metric{Name: RetakenName, Unit: "grants", Value: float64(retaken)},
		Metric{Name: "grants", Unit: "grants", Value: float64(t.count)})
	if t.loop == turnsLoop {
		if t.seats[0].Counts != nil && handed > 0 {
			c.Metrics = append(c.Metrics, Metric{Name: "requests/hand-off", Unit: "requests", Value: float64(t.asked.Requests) / float64(handed), Better: LowerIsBetter})
		}
		t.addNotes(&c)
		return c
	}
	inTime := 0.0
	for _, n := range t.grants {
		inTime += n
	}
	throughput := inTime / t.lasted.Seconds()
	c.Metrics = append(c.Metrics, Metric{Name: "throughput", Unit: "ops/s", Value: throughput, Better: HigherIsBetter})
	if t.seats[0].Counts != nil {
		c.addCounts(t.counts, t.count)
	}
	if len(t.grants) > 1 && inTime > 0 {
		c.Metrics = append(c.Metrics, Metric{Name: "fairness", Unit: "Jain", Value: Jain(t.grants), Better: HigherIsBetter})
	}
	t.addNotes(&c)
	if 10*retaken > handed+retaken {
		c.Notes = append(c.Notes, fmt.Sprintf(
			"of %d releases that somebody waited for, the releaser itself took the lock again after %d: the hand-offs that are left are those that came before it did, and say little; the cell hand-off has them all",
			handed+retaken, retaken))
	}
	if t.loop == openLoop {
		t.judgeOffer(&c, throughput)
	}
	return c
}

// addRatios divides by the raw compare-and-swap what depends on the processor as
// that does, and by the poll what is mostly the sleep of those who wait.
func (t *contest) addRatios(c *Cell) {
	if t.poll > 0 {
		d, _ := c.Distribution(HandOffName)
		if q, ok := d.Quantile(0.5); ok && t.loop == turnsLoop {
			poll := float64(t.poll)
			c.Metrics = append(c.Metrics, Metric{Name: "hand-off/poll", Unit: "x", Value: float64(q.Value) / poll,
				Low: float64(q.Low) / poll, High: float64(q.High) / poll, Better: LowerIsBetter})
		}
		return
	}
	if t.loop == turnsLoop {
		c.addRatio("hand-off/CAS", t.handOffRatios)
	} else if t.c.Hold == 0 {
		c.addRatio("acquire/CAS", t.acquireRatios)
	}
}

// addNotes says what was cut off.
func (t *contest) addNotes(c *Cell) {
	c.unreleased(t.unreleased)
	if t.waiting > 0 && t.loop == turnsLoop {
		c.Notes = append(c.Notes, fmt.Sprintf("%d clients still waited some time after a round", t.waiting))
	} else if t.waiting > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf(
			"%d acquires still waited some time after a round; they count with the time that they had waited until then, which is less than they would have", t.waiting))
	}
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
