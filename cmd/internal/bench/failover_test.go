package bench_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/subjects"
)

var failoverParts = []string{"detect", "acquire", "resume", "outage", "failover"}

// checkFailover checks that the parts of a cell fit together.
func checkFailover(t *testing.T, c bench.Cell, trials int, ttl time.Duration) {
	t.Helper()
	for _, name := range failoverParts {
		d := distribution(t, c, name)
		if d.Count != int64(trials) {
			t.Errorf("%s: %d of %d trials in %s", c.Name, d.Count, trials, name)
		}
		m := metric(t, c, name+"/ttl")
		q, _ := d.Quantile(0.5)
		if len(m.Samples) != trials || math.Abs(m.Value-float64(q.Value)/float64(ttl)) > 1e-9 {
			t.Errorf("%s: %s is %+v, its median %d ns", c.Name, name, m, q.Value)
		}
	}
	mean := func(name string) float64 { return distribution(t, c, name).Mean }
	if sum, whole := mean("detect")+mean("acquire"), mean("failover"); math.Abs(sum-whole) > 1 {
		t.Errorf("%s: detect and acquire are %g together, the failover %g", c.Name, sum, whole)
	}
	if phase := distribution(t, c, "phase"); phase.Min < 0 {
		t.Errorf("%s: a holder failed %d ns before it renewed", c.Name, -phase.Min)
	}
	if refused := metric(t, c, "stale accesses refused").Value; refused != 0 {
		t.Errorf("%s: %g stale accesses", c.Name, refused)
	}
}

func TestFailoverOnNATSOfEveryKind(t *testing.T) {
	// Long enough for a holder to keep its lock on a busy machine.
	const ttl, trials = 1500 * time.Millisecond, 6
	r, err := bench.MeasureFailover(t.Context(), bench.FailoverConfig{
		Contender: contender(t, "nats", "reference", subjects.Settings{TTL: ttl}), Trials: trials, Parallel: trials, Waiters: 2,
		Healthy: 500 * time.Millisecond, HealthyHolders: 3, Network: bench.Network{Latency: time.Millisecond, Jitter: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []bench.Failure{bench.Crash, bench.Partition, bench.PartitionRequests, bench.PartitionReplies, bench.Restart} {
		checkFailover(t, cell(t, r, "nats/"+string(f)), trials, ttl)
	}
	// What a failover takes is the rest of the lease, and what comes on top; no
	// renewal arrives after these failures.
	for _, f := range []bench.Failure{bench.Crash, bench.Partition, bench.PartitionRequests} {
		c := cell(t, r, "nats/"+string(f))
		late := distribution(t, c, bench.LatenessName)
		rest := float64(ttl+ttl/100) - distribution(t, c, "phase").Mean
		if sum := rest + late.Mean; late.Count != trials || math.Abs(sum-distribution(t, c, "failover").Mean) > 1 || !strings.Contains(strings.Join(c.Notes, "\n"), "is arithmetic") {
			t.Errorf("%s: %g ns are left of the lease and %g come on top, but a failover takes %g", f, rest, late.Mean, distribution(t, c, "failover").Mean)
		}
	}
	if _, ok := cell(t, r, "nats/partition-replies").Distribution(bench.LatenessName); ok {
		t.Error("a holder whose requests arrive goes on renewing: nothing is known of its lease")
	}
	// A holder that is cut off writes on until its lease is over; one that crashed
	// does not.
	outage := func(f bench.Failure) float64 { return distribution(t, cell(t, r, "nats/"+string(f)), "outage").Mean }
	failover := distribution(t, cell(t, r, "nats/partition"), "failover").Mean
	if outage(bench.Partition) >= failover || outage(bench.Crash) < distribution(t, cell(t, r, "nats/crash"), "failover").Mean {
		t.Errorf("outages of %g and %g ns, a failover of %g", outage(bench.Partition), outage(bench.Crash), failover)
	}
	// Nobody is granted a lock by a server that is down.
	if down := distribution(t, cell(t, r, "nats/restart"), "failover"); down.Min < int64(ttl+ttl/2) {
		t.Errorf("granted %s after a server went down that was down for longer", time.Duration(down.Min))
	}
	if held := metric(t, cell(t, r, "nats/healthy/latency=1ms/jitter=1ms/loss=0"), "held").Value; held <= 0 || held > 60*3 {
		t.Errorf("three holders held locks for %g s", held)
	}
	if r.Incomplete {
		t.Errorf("incomplete: %v", r.Notes)
	}
}

func TestWhatIsSlowShowsInItsPart(t *testing.T) {
	const ttl, trials, delay = 600 * time.Millisecond, 6, 40 * time.Millisecond
	// Client 0 of each pair holds, client 1 waits.
	store := slow(t, subjects.Settings{TTL: ttl}, func(client int) time.Duration {
		if client%2 == 1 {
			return delay
		}
		return 0
	})
	r, err := bench.MeasureFailover(t.Context(), bench.FailoverConfig{Contender: store, Trials: trials})
	if err != nil {
		t.Fatal(err)
	}
	slowStore := cell(t, r, "memory/crash")
	checkFailover(t, slowStore, trials, ttl)
	if d := distribution(t, slowStore, "acquire"); d.Min < int64(delay) {
		t.Errorf("the store took %s longer, and an acquire %s", delay, time.Duration(d.Min))
	}
	r, err = bench.MeasureFailover(t.Context(), bench.FailoverConfig{
		Contender: contender(t, "memory", "reference", subjects.Settings{TTL: ttl}), Trials: trials, ResourceLatency: delay,
	})
	if err != nil {
		t.Fatal(err)
	}
	slowResource := cell(t, r, "memory/crash")
	checkFailover(t, slowResource, trials, ttl)
	if d := distribution(t, slowResource, "resume"); d.Min < int64(2*delay) {
		t.Errorf("two accesses of the resource took %s each, and to resume %s", delay, time.Duration(d.Min))
	}
}

func TestABadNetworkCostsHealthyHoldersTheirLocks(t *testing.T) {
	r, err := bench.MeasureFailover(t.Context(), bench.FailoverConfig{
		Contender: contender(t, "memory", "reference", subjects.Settings{TTL: 150 * time.Millisecond}), Failures: []bench.Failure{},
		Healthy: 3 * time.Second, HealthyHolders: 10, Network: bench.Network{LossPerMille: 400},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := cell(t, r, "memory/healthy/latency=0s/jitter=0s/loss=400")
	rate, seen, held := metric(t, c, "false failovers"), metric(t, c, "false failovers seen").Value, metric(t, c, "held").Value
	if seen < 1 || math.Abs(rate.Value-seen/held*3600) > 1e-6*rate.Value || rate.Low >= rate.Value || rate.High <= rate.Value {
		t.Errorf("%g losses in %g s, that is %+v", seen, held, rate)
	}
	if len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "extrapolated") {
		t.Errorf("notes %v", c.Notes)
	}
}

func TestAnInterruptedFailoverTellsWhatThereIs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	batches := 0
	r, err := bench.MeasureFailover(ctx, bench.FailoverConfig{
		Contender: contender(t, "memory", "reference", subjects.Settings{TTL: 300 * time.Millisecond}), Trials: 1000, Parallel: 4,
		Progress: func(_, _ time.Duration) {
			if batches++; batches == 2 {
				cancel()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := cell(t, r, "memory/crash")
	if n := distribution(t, c, "failover").Count; n > 8 || !r.Incomplete || len(c.Notes) == 0 {
		t.Errorf("%d trials, incomplete %v, %v", n, r.Incomplete, c.Notes)
	}
}

func TestFailuresThatCannotBeBroughtAboutAreRefused(t *testing.T) {
	c := contender(t, "memory", "reference", subjects.Settings{})
	for text, want := range map[string]string{
		"partition": "no network", "restart": "not ours to stop", "pause": "goroutines of this process", "quake": "there are crash",
	} {
		if _, err := bench.ParseFailures(text, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if all, err := bench.ParseFailures("all", c); err != nil || len(all) != 1 || all[0] != bench.Crash {
		t.Errorf("all failures of memory are %v, %v", all, err)
	}
	if two, err := bench.ParseFailures("partition, crash,crash", bench.AnyFailure()); err != nil || len(two) != 2 {
		t.Errorf("%v, %v", two, err)
	}
	for want, f := range map[string]bench.FailoverConfig{
		"trials -1":     {Contender: c, Trials: -1},
		"loss of 2000":  {Contender: c, Network: bench.Network{LossPerMille: 2000}},
		"no network":    {Contender: c, Healthy: time.Second, Network: bench.Network{Latency: time.Second}},
		"downtime -1s":  {Contender: c, Downtime: -time.Second},
		"waiters 9999":  {Contender: c, Waiters: 9999},
		"no network b":  {Contender: c, Failures: []bench.Failure{bench.Partition}},
		"without a nam": {},
	} {
		if _, err := bench.MeasureFailover(t.Context(), f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
