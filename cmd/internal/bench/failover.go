package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockproof/lockproof/harness/target"
)

// Failure is what happens to a holder.
type Failure string

// The failures. Crash: the process is gone, and its connections with it. The
// partitions cut the holder off from the store, both ways or one, while it goes on
// running. Restart: the store's server is stopped for longer than a lease and
// started again; nothing happens to the holder itself.
const (
	Crash             Failure = "crash"
	Partition         Failure = "partition"
	PartitionRequests Failure = "partition-requests"
	PartitionReplies  Failure = "partition-replies"
	Restart           Failure = "restart"
	// Pause and Kill are of a process that is stopped or killed by a signal.
	// They need holders in processes of their own, which are not there yet.
	Pause Failure = "pause"
	Kill  Failure = "kill"
)

// Failures lists all kinds that can be asked for.
func Failures() []Failure {
	return []Failure{Crash, Partition, PartitionRequests, PartitionReplies, Restart, Pause, Kill}
}

// ParseFailures reads kinds separated by commas; "all" are those that c can
// have.
func ParseFailures(text string, c Contender) ([]Failure, error) {
	if text == "all" {
		return possible(c), nil
	}
	var found []Failure
	for name := range strings.SplitSeq(text, ",") {
		f := Failure(strings.TrimSpace(name))
		if !slices.Contains(Failures(), f) {
			return nil, fmt.Errorf("unknown failure %q; there are %s", f, join(Failures()))
		}
		if err := c.can(f); err != nil {
			return nil, err
		}
		if !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	return found, nil
}

// AnyFailure stands for a contender that is not known yet: what it is refused, all
// are.
func AnyFailure() Contender {
	none := func() error { return nil }
	return Contender{
		Seat:    func(context.Context, Place) (*Seat, error) { return nil, errors.New("not a contender") },
		Address: func(int) string { return "somewhere" },
		Faults:  target.Faults{Stop: none, Start: none},
	}
}

func join(failures []Failure) string {
	names := make([]string, len(failures))
	for i, f := range failures {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}

func possible(c Contender) []Failure {
	return slices.DeleteFunc(Failures(), func(f Failure) bool { return c.can(f) != nil })
}

// can says why a failure cannot be brought about.
func (c Contender) can(f Failure) error {
	switch {
	case c.Seat == nil:
		return fmt.Errorf("%s: the lock %s can be measured from outside only", f, c.Name)
	case f == Pause || f == Kill:
		return fmt.Errorf("%s: holders are goroutines of this process, which cannot be stopped or killed one by one", f)
	case f == Restart && (c.Faults.Stop == nil || c.Faults.Start == nil):
		return fmt.Errorf("%s: the server of %s is not ours to stop, or would lose its data", f, c.Backend)
	case f != Crash && f != Restart && !c.networked():
		return fmt.Errorf("%s: there is no network before %s that could be cut", f, c.Backend)
	}
	return nil
}

func (c Contender) networked() bool { return c.Address != nil && c.Address(0) != "" }

// Network is what a healthy holder must live with.
type Network struct {
	// Latency is added to each way between client and server, and up to Jitter
	// more, drawn for each chunk of bytes.
	Latency, Jitter time.Duration
	// LossPerMille of the requests are lost, and as many of the replies. The
	// caller does not hear of it.
	LossPerMille int64
}

// FailoverConfig says what MeasureFailover measures. Contender is required; what
// is 0 has the default that is named.
//
// Each trial has a lock of its own, a holder, and clients that wait for the lock,
// all on connections of their own. The holder writes to a protected resource
// every WriteEvery for as long as it believes in its lease, and fails at a random
// phase of it. The resource is in this process and refuses a token that is lower
// than one that it has seen, on reads and on writes. Four parts are timed:
//
//	last write   failure        first try       grant        first write
//	of the old      │               │             │            of the new
//	    ·───────────┼───────────────┼─────────────┼─────────────────·
//	                │◄── detect ───►│◄─ acquire ─►│◄──── resume ───►│
//	    │◄────────────────────── outage ───────────────────────────►│
//
//	detect    from the failure until a waiting client first sends a write to the
//	          lock's key
//	acquire   from then until Acquire returns
//	resume    from then until the new holder has read the resource and written to
//	          it, with its token
//	outage    from the moment at which the resource took the last write of the old
//	          holder to that of the first write of the new one
//
// "failover" is detect and acquire together, and "beyond the lease" what it took
// longer than the lease itself, which is arithmetic. The old holder's last write comes at
// most WriteEvery before it failed or ceased to believe; where it went on
// writing after the failure (a partition), the outage is shorter than the
// failover. "phase" is how long before the failure the holder had sent its last
// successful write to the lock's key.
type FailoverConfig struct {
	Contender Contender
	// Failures: a cell for each. Default: all that the contender can have.
	Failures []Failure
	// Trials of a cell. Default 60.
	Trials int
	// Parallel trials at a time. Default 20.
	Parallel int
	// Waiters are the clients that wait for one lock. Default 1.
	Waiters int
	// WriteEvery is from one protected write of a holder to the next. Default
	// TTL/200, at least 1 ms.
	WriteEvery time.Duration
	// ResourceLatency is added to each access of the resource.
	ResourceLatency time.Duration
	// Downtime of a server that is restarted. Default 1.5 TTL.
	Downtime time.Duration
	// Healthy is how long HealthyHolders (default 30) hold locks on a network
	// that is no worse than Network: how often one loses its lock although it is
	// well is the price of a short lease. 0: that is not measured.
	Healthy        time.Duration
	HealthyHolders int
	Network        Network
	// Progress is told how much of the time is over, about; nil: nobody is.
	Progress func(done, total time.Duration)
}

func (c FailoverConfig) withDefaults() FailoverConfig {
	if c.Failures == nil {
		c.Failures = possible(c.Contender)
	}
	if c.Trials == 0 {
		c.Trials = 60
	}
	if c.Parallel == 0 {
		c.Parallel = 20
	}
	c.Parallel = min(c.Parallel, c.Trials)
	if c.Waiters == 0 {
		c.Waiters = 1
	}
	ttl := c.Contender.Settings.TTL
	if c.WriteEvery == 0 {
		c.WriteEvery = max(ttl/200, time.Millisecond)
	}
	if c.Downtime == 0 {
		c.Downtime = ttl + ttl/2
	}
	if c.HealthyHolders == 0 {
		c.HealthyHolders = 30
	}
	if c.Progress == nil {
		c.Progress = func(time.Duration, time.Duration) {}
	}
	return c
}

// Validate refuses what cannot be measured.
func (c FailoverConfig) Validate() error {
	if err := c.Contender.validate(); err != nil {
		return err
	}
	c = c.withDefaults()
	for _, n := range []struct {
		name        string
		value, most int
	}{{"trials", c.Trials, 100_000}, {"parallel", c.Parallel, maxClients}, {"waiters", c.Waiters, maxClients}, {"holders", c.HealthyHolders, maxClients}} {
		if err := within(n.name, n.value, n.most); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"write interval", c.WriteEvery}, {"downtime", c.Downtime}, {"resource latency", c.ResourceLatency + 1}, {"healthy time", c.Healthy + 1},
		{"latency", c.Network.Latency + 1}, {"jitter", c.Network.Jitter + 1}} {
		if d.value <= 0 || d.value > maxDuration {
			return fmt.Errorf("%s %s is not between 0 and %s", d.name, d.value, maxDuration)
		}
	}
	if p := c.Network.LossPerMille; p < 0 || p > 1000 {
		return fmt.Errorf("loss of %d per mille is not between 0 and 1000", p)
	}
	if c.Network.Latency+c.Network.Jitter > 0 && c.Healthy > 0 && !c.Contender.networked() {
		return fmt.Errorf("there is no network before %s that could have a latency or jitter", c.Contender.Backend)
	}
	for _, f := range c.Failures {
		if err := c.Contender.can(f); err != nil {
			return err
		}
	}
	return nil
}

// failoverRun is one MeasureFailover under way.
type failoverRun struct {
	c      FailoverConfig
	ttl    time.Duration
	result *Result
	seed   uint64
	trials int // begun so far
	done   time.Duration
	total  time.Duration
}

// MeasureFailover measures how long a lock is without a holder that works when
// one fails, and what that readiness costs: how often a holder that is well loses
// its lock. When ctx ends it returns what there is, Incomplete, and no error; any
// other end before all is measured is an error, beside what there is.
func MeasureFailover(ctx context.Context, c FailoverConfig) (*Result, error) {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &failoverRun{c: c, ttl: c.Contender.Settings.TTL, result: Here(Failover), seed: uint64(time.Now().UnixNano())}
	if c.Contender.Server != "" {
		r.result.Notes = append(r.result.Notes, c.Contender.Backend+": "+c.Contender.Server)
	}
	batches := (c.Trials + c.Parallel - 1) / c.Parallel
	each := r.ttl + 2*c.Contender.Settings.RenewEvery
	for _, f := range c.Failures {
		r.total += time.Duration(batches) * each
		if f == Restart {
			r.total += time.Duration(batches) * c.Downtime
		}
	}
	r.total += c.Healthy
	err := r.measure(ctx)
	if ctx.Err() != nil {
		r.result.Incomplete = true
		r.result.Notes = append(r.result.Notes, "interrupted: what had been measured until then")
		return r.result, nil
	}
	return r.result, err
}

func (r *failoverRun) measure(ctx context.Context) error {
	for _, f := range r.c.Failures {
		if err := r.cell(ctx, f); err != nil {
			return err
		}
	}
	if r.c.Healthy > 0 {
		return r.price(ctx)
	}
	return nil
}

func (r *failoverRun) advance(d time.Duration) {
	r.done = min(r.done+d, r.total)
	r.c.Progress(r.done, r.total)
}
