package harness

import (
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
)

// Result is what one run of a scenario brought.
type Result struct {
	Scenario Scenario
	// Server names what stood behind the backend, with its version.
	Server  string
	Params  linearizability.Params
	History linearizability.History
	Verdict linearizability.Verdict
	// Coverage is what the history went through, with the latencies it holds.
	Coverage linearizability.Coverage
	// TraceHash is over every decision of a simulated run; 0 of a live one.
	TraceHash uint64
	Counters  Counters
	// Stuck is how the subject brought the simulation to a standstill, with the
	// stacks of its goroutines; "" if it did not.
	Stuck string
	// Interrupted: the run was ended early; the verdict is on what there was, and
	// never ok.
	Interrupted bool
}

// Counters say how much was done, and how fast.
type Counters struct {
	StoreOps   int64
	Events     int64
	Indefinite int64
	// Virtual is the true time that was covered, over all runs.
	Virtual time.Duration
	// Wall is how long it took, from the first run's start to the last one's end.
	Wall time.Duration
	// CoreTime is what Wall would have been on one core that did nothing else. It
	// is the processor time of the whole process, garbage collector included, or,
	// where the system does not tell that, Wall times the cores that could be
	// busy. It is 0 where it says nothing: of a live run, which mostly waits, and
	// of one run among others of a sweep.
	CoreTime time.Duration
}

func (c *Counters) add(o Counters) {
	c.StoreOps += o.StoreOps
	c.Events += o.Events
	c.Indefinite += o.Indefinite
	c.Virtual += o.Virtual
	c.Wall += o.Wall
	c.CoreTime += o.CoreTime
}

// Summary is what many runs of one scenario with different seeds brought.
type Summary struct {
	Base  Scenario // with the first seed's plan
	Seeds int      // how many were run
	// Wanted is how many were to be run; 0 of a sweep with a budget of time.
	Wanted int
	// Groups are the kinds of faults between which a sweep divided its seeds, if
	// it did.
	Groups [][]fault.Kind
	// Verdict is the worst over all; Properties the worst of each.
	Verdict    linearizability.Status
	Properties []linearizability.Property
	Coverage   linearizability.Coverage
	Counters   Counters
	// HashOfHashes is over all trace hashes in the order of the seeds.
	HashOfHashes uint64
	// Sample is the run of the first seed.
	Sample *Result
	// Failures are the first few failing runs, by seed; Failed counts them all.
	Failures []*Result
	Failed   int
	// Undecided are the first few runs that a check gave up on, by seed;
	// UndecidedCount counts them all.
	Undecided      []*Result
	UndecidedCount int
	// Vacuous says why an ok would prove nothing, if so.
	Vacuous string
	// Interrupted: it was ended before all was run; the verdict is never ok.
	Interrupted bool
}
