package harness

import (
	"time"

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
	// Interrupted: the run was ended early; the verdict is on what there was.
	Interrupted bool
}

// Counters say how much was done, and how fast.
type Counters struct {
	StoreOps   int64
	Events     int64
	Indefinite int64
	// Virtual is the true time that the run covered, Wall how long it took; of
	// many runs, Wall is the sum, as one core would have taken.
	Virtual time.Duration
	Wall    time.Duration
}

func (c *Counters) add(o Counters) {
	c.StoreOps += o.StoreOps
	c.Events += o.Events
	c.Indefinite += o.Indefinite
	c.Virtual += o.Virtual
	c.Wall += o.Wall
}

// Summary is what many runs of one scenario with different seeds brought.
type Summary struct {
	Base  Scenario // with the first seed's plan
	Seeds int      // how many were run
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
	// Vacuous says why an ok would prove nothing, if so.
	Vacuous     string
	Interrupted bool
}
