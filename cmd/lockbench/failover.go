package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// failoverFlags are the flags of lockbench failover, as given.
type failoverFlags struct {
	lock     lockFlags
	failures string
	trials   int
	parallel int
	waiters  int
	downtime time.Duration
	resource time.Duration
	healthy  time.Duration
	holders  int
	latency  time.Duration
	jitter   time.Duration
	loss     string
	output   outputFlags
}

func failoverCommand() *cobra.Command {
	var f failoverFlags
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Measure how long a lock is without a working holder when one fails",
		Long: "Lets holders fail at a random phase of their lease and times detect (until a waiting client first tries),\n" +
			"acquire (until it is granted), resume (until its first protected write is done) and outage (from the last\n" +
			"protected write of the old holder to the first of the new one), in shares of the ttl. Then the price:\n" +
			"how often a healthy holder loses its lock on a network with --latency, --jitter and --loss.",
		Args: takesNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	f.lock.register(fl, time.Second)
	fl.StringVar(&f.failures, "failures", "all", "all, or some of crash, partition, partition-requests, partition-replies, restart")
	fl.IntVar(&f.trials, "trials", 60, "failures of each kind")
	fl.IntVar(&f.parallel, "parallel", 20, "how many locks fail side by side")
	fl.IntVar(&f.waiters, "waiters", 1, "clients that wait for each lock")
	fl.DurationVar(&f.downtime, "downtime", 0, "how long a server that is restarted is down (default 1.5 ttl)")
	fl.DurationVar(&f.resource, "resource-latency", 0, "how long one access of the protected resource takes")
	fl.DurationVar(&f.healthy, "healthy", 20*time.Second, "how long healthy holders are watched, 0s for not at all")
	fl.IntVar(&f.holders, "holders", 30, "how many healthy holders")
	fl.DurationVar(&f.latency, "latency", 5*time.Millisecond, "delay of each way between a healthy holder and the server")
	fl.DurationVar(&f.jitter, "jitter", 20*time.Millisecond, "up to so much more")
	fl.StringVar(&f.loss, "loss", "1%", "share of a healthy holder's requests, and of the replies, that are lost")
	f.output.register(fl)
	return cmd
}

func (f *failoverFlags) run(cmd *cobra.Command) error {
	loss, err := f.check(cmd)
	if err != nil {
		return err
	}
	out, err := f.output.open(cmd)
	if err != nil {
		return err
	}
	defer out.close()
	c := bench.FailoverConfig{
		Trials: f.trials, Parallel: f.parallel, Waiters: f.waiters, Downtime: f.downtime, ResourceLatency: f.resource,
		Healthy: f.healthy, HealthyHolders: f.holders,
		Network: bench.Network{Latency: f.latency, Jitter: f.jitter, LossPerMille: loss},
	}
	closeAll, err := f.lock.open(cmd.Context(), &c.Contender)
	if err != nil {
		return err
	}
	if c.Contender.Address(0) == "" && !cmd.Flags().Changed("latency") && !cmd.Flags().Changed("jitter") {
		c.Network.Latency, c.Network.Jitter = 0, 0 // no network, so none by default
	}
	c.Failures, err = bench.ParseFailures(f.failures, c.Contender)
	if err != nil {
		return out.finish(nil, fmt.Errorf("--failures: %w", err), closeAll())
	}
	bar := out.progress("measuring on " + c.Contender.Backend)
	c.Progress = bar.set
	result, err := bench.MeasureFailover(cmd.Context(), c)
	bar.done()
	return out.finish(result, err, closeAll())
}

// check refuses what can be told to be wrong without a server.
func (f *failoverFlags) check(cmd *cobra.Command) (lossPerMille int64, err error) {
	if err := f.lock.check(cmd); err != nil {
		return 0, err
	}
	for _, n := range []struct {
		flag  string
		value int
	}{{"trials", f.trials}, {"parallel", f.parallel}, {"waiters", f.waiters}, {"holders", f.holders}} {
		if n.value < 1 {
			return 0, fmt.Errorf("--%s is %d and must be at least 1", n.flag, n.value)
		}
	}
	if cmd.Flags().Changed("downtime") && f.downtime <= 0 {
		return 0, fmt.Errorf("--downtime is %s and must be more than 0", f.downtime)
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"resource-latency", f.resource}, {"healthy", f.healthy}, {"latency", f.latency}, {"jitter", f.jitter}} {
		if d.value < 0 {
			return 0, fmt.Errorf("--%s is %s and must not be negative", d.flag, d.value)
		}
	}
	if f.failures != "all" {
		// A contender that can have every failure tells the names that exist from
		// those that do not.
		if _, err := bench.ParseFailures(f.failures, bench.AnyFailure()); err != nil {
			return 0, fmt.Errorf("--failures: %w", err)
		}
	}
	return perMille(f.loss)
}

// perMille reads a share such as "0.5%".
func perMille(text string) (int64, error) {
	share, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if !strings.HasSuffix(text, "%") || err != nil || !(share >= 0 && share <= 100) {
		return 0, fmt.Errorf("--loss %q is not a share between 0%% and 100%%", text)
	}
	if m := 10 * share; m != math.Trunc(m) {
		return 0, fmt.Errorf("--loss %s is finer than a tenth of a percent", text)
	}
	return int64(10 * share), nil
}
