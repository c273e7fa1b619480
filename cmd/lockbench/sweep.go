package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/cli"
	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/lock"
)

// sweepFlags are the flags of lockbench sweep, as given.
type sweepFlags struct {
	backend    string
	ttl        string
	renew      string
	clients    string
	profiles   string
	episodes   int
	trials     int
	live       int
	liveTrials int
	seed       uint64
	budget     string
	priceWrite float64
	priceRead  float64
	priceDate  string
	currency   string
	workers    int
	longest    time.Duration
	output     outputFlags
}

// The simulated stores that a sweep takes besides the real ones.
const (
	backendSim     = "sim"
	backendSimPoll = "sim-poll"
)

// liveByDefault is how many cells are measured live on a real store.
const liveByDefault = 2

// mostWorkers is far beyond any use: each takes some megabytes, and a core.
const mostWorkers = 256

func sweepCommand() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Find the lease setting that suits: failover time against false failovers and requests",
		Long: "Measures the latency of a store, lets the simulator play with it, for each ttl, renewal, number of clients\n" +
			"and profile, what the profile says goes wrong, and shows p99 failover time, false failovers and requests of each, which of\n" +
			"them no other beats in all three, and which to take. Some cells are measured live, beside the predicted.\n\n" + profileHelp(),
		Args: takesNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.backend, "backend", "nats", "the store (locksim list); sim: simulated, and can watch; sim-poll: simulated, waiters poll")
	fl.StringVar(&f.ttl, "ttl", "3s,6s,10s,15s,30s", "lengths of a lease")
	fl.StringVar(&f.renew, "renew", "1/3,1/6", "times from one renewal to the next: fractions of the ttl, or times")
	fl.StringVar(&f.clients, "clients", "4", "numbers of clients: a holder and those who wait")
	fl.StringVar(&f.profiles, "profile", "lan", "what clients suffer from; several with spaces in between")
	fl.IntVar(&f.episodes, "episodes", bench.DefaultSweepEpisodes, "cuts, pauses, sleeps and lost requests of each size to simulate for each cell")
	fl.IntVar(&f.trials, "trials", bench.DefaultSweepTrials, "holders to kill in each simulated cell")
	fl.IntVar(&f.live, "live", liveByDefault, "how many cells to measure live too, the shortest ttl first (default 0 on a simulated store)")
	fl.IntVar(&f.liveTrials, "live-trials", bench.DefaultSweepLiveTrials, "holders to kill in each of these")
	fl.Uint64Var(&f.seed, "seed", 1, "decides every choice of the simulator")
	fl.StringVar(&f.budget, "max-false-failovers", "1/month", "how many false failovers are acceptable")
	fl.Float64Var(&f.priceWrite, "price-write", 0, "price of a million write request units of DynamoDB; never looked up")
	fl.Float64Var(&f.priceRead, "price-read", 0, "price of a million read request units")
	fl.StringVar(&f.priceDate, "price-date", "", "when these prices held, as 2026-01-31; they need it")
	fl.StringVar(&f.currency, "currency", "USD", "what they are in")
	fl.IntVar(&f.workers, "workers", min(runtime.GOMAXPROCS(0), mostWorkers), "number of cells that are simulated at a time")
	fl.DurationVar(&f.longest, "longest", bench.DefaultSweepLongest, "refuse a grid that would take longer to simulate")
	f.output.register(fl)
	return cmd
}

// profileHelp lists the profiles.
func profileHelp() string {
	var b strings.Builder
	b.WriteString("Profiles (assumptions, not measurements of your network):\n")
	for _, p := range bench.Profiles() {
		fmt.Fprintf(&b, "  %-7s %s\n", p.Profile.Name, p.Summary)
	}
	b.WriteString("Values of your own after a comma, or alone: rtt=2ms-5ms (in place of the measured latency), loss=0.1%,\n" +
		"partition=6h:1s-30s (every six hours on average, that long), pause= and suspend= likewise, drift=50ppm,\n" +
		"name=ours. For example --profile 'lan lan,pause=2h:1s-20s,name=ours'")
	return b.String()
}

func (f *sweepFlags) run(cmd *cobra.Command) error {
	c, err := f.config(cmd)
	if err != nil {
		return err
	}
	out, err := f.output.open(cmd)
	if err != nil {
		return err
	}
	defer out.close()
	closeAll := func() error { return nil }
	if !f.simulated() {
		if c.Target, closeAll, err = openTarget(cmd.Context(), f.backend); err != nil {
			return err
		}
	}
	// The simulator's heap is small and its garbage much: collecting less often
	// saves a quarter of the time.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	steps := out.steps()
	c.Progress = steps.set
	result, err := bench.MeasureSweep(cmd.Context(), c)
	steps.done()
	return out.finish(result, err, closeAll())
}

func (f *sweepFlags) simulated() bool { return f.backend == backendSim || f.backend == backendSimPoll }

// config judges all that can be judged without a server.
func (f *sweepFlags) config(cmd *cobra.Command) (c bench.SweepConfig, err error) {
	given := cmd.Flags().Changed
	c = bench.SweepConfig{
		Backend: f.backend, Episodes: f.episodes, Trials: f.trials, Live: f.live, LiveTrials: f.liveTrials, Seed: f.seed,
		Workers: f.workers, Longest: f.longest,
		Model:  bench.StoreModel{Watch: f.backend == backendSim, ConflictReturnsCurrent: true},
		Prices: bench.Prices{ReadPerMillion: f.priceRead, WritePerMillion: f.priceWrite, Date: f.priceDate, Currency: f.currency},
	}
	for _, n := range []struct {
		flag  string
		value int
	}{{"episodes", f.episodes}, {"trials", f.trials}, {"live-trials", f.liveTrials}, {"workers", f.workers}} {
		if n.value < 1 {
			return c, fmt.Errorf("--%s is %d and must be at least 1", n.flag, n.value)
		}
	}
	if f.workers > mostWorkers {
		return c, fmt.Errorf("--workers is %d and must be at most %d", f.workers, mostWorkers)
	}
	if f.longest <= 0 {
		return c, fmt.Errorf("--longest is %s and must be more than 0", f.longest)
	}
	if f.live < 0 {
		return c, fmt.Errorf("--live is %d and must not be negative", f.live)
	}
	if f.simulated() {
		if given("live") && f.live > 0 {
			return c, fmt.Errorf("--live %d: nothing can be measured live on a simulated store", f.live)
		}
		c.Live = 0
	} else if _, err := targets.Find(f.backend); err != nil {
		return c, fmt.Errorf("%w, %s, %s", err, backendSim, backendSimPoll)
	}
	if c.TTLs, err = listOf("--ttl", f.ttl, time.ParseDuration); err != nil {
		return c, err
	}
	if c.Renewals, err = listOf("--renew", f.renew, bench.ParseRenewal); err != nil {
		return c, err
	}
	if c.Clients, err = listOf("--clients", f.clients, strconv.Atoi); err != nil {
		return c, err
	}
	for text := range strings.FieldsSeq(f.profiles) {
		p, err := bench.ParseProfile(text)
		if err != nil {
			return c, fmt.Errorf("--profile: %w", err)
		}
		c.Profiles = append(c.Profiles, p)
	}
	if c.Budget, err = bench.ParseRate(f.budget); err != nil {
		return c, fmt.Errorf("--max-false-failovers: %w", err)
	}
	check := c
	check.Live = 0 // there is no target yet
	return c, check.Validate()
}

// listOf reads a list that must not be empty.
func listOf[T any](flag, text string, parse func(string) (T, error)) ([]T, error) {
	var all []T
	for field := range strings.SplitSeq(text, ",") {
		field = strings.TrimSpace(field)
		if field == "" {
			return nil, fmt.Errorf("%s %q: a value is missing", flag, text)
		}
		v, err := parse(field)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", flag, text, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// openTarget finds or starts a real store with a container of a random name.
func openTarget(ctx context.Context, backend string) (target.Target, func() error, error) {
	kind, err := targets.Find(backend)
	if err != nil {
		return nil, nil, err
	}
	t, err := kind.Open(ctx, target.Options{Container: fmt.Sprintf("lockbench-%016x", lock.SystemRuntime{}.Uint64())})
	if err != nil {
		return nil, nil, fmt.Errorf("backend %s: %w", backend, err)
	}
	return t, t.Close, nil
}

// steps shows what a sweep is doing on a terminal; elsewhere nothing.
type steps struct {
	out  io.Writer // nil: not a terminal
	last string
}

func (o *output) steps() *steps {
	if _, ok := cli.Terminal(o.stderr); !ok {
		return &steps{}
	}
	return &steps{out: o.stderr}
}

func (s *steps) set(done, total int, what string) {
	if s.out == nil {
		return
	}
	line := fmt.Sprintf("%s %d/%d", what, done, total)
	fmt.Fprintf(s.out, "\r%-*s", len(s.last), line)
	s.last = line
}

func (s *steps) done() {
	if s.last != "" {
		fmt.Fprintf(s.out, "\r%*s\r", len(s.last), "")
	}
}
