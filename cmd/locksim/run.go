package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/report"
	"github.com/lockproof/lockproof/subjects"
)

// runFlags are the flags of locksim run, as given.
type runFlags struct {
	subject   string
	backend   string
	faults    string
	clockRate string
	seed      uint64
	seeds     int
	budget    time.Duration
	clients   int
	locks     int
	ttl       time.Duration
	renew     time.Duration
	duration  time.Duration
	drift     string
	scenario  string
	workers   int
	workload  []workloadFlag
	output    outputFlags
}

// The default run: seeds of the simulated part, and how long the live one takes.
const (
	defaultSeeds        = 300
	liveDefaultTTL      = time.Second
	liveDefaultDuration = 12 * time.Second
	// liveDefaultFaults are those that a server in this process can stand for.
	liveDefaultFaults = "clock-offset,clock-rate,clock-jump,partition,partition-requests,partition-replies,latency,jitter,crash"
)

// mostWorkers is far beyond any use: each takes some megabytes, and a core.
const mostWorkers = 256

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a lock under faults and judge it",
		Long: "Without flags: simulate a few hundred seeds, then run the same lock against an\n" +
			"embedded NATS server under clock faults, partitions and latency. With --seed,\n" +
			"--seeds, --budget, --faults or --scenario: the simulator alone. With --backend:\n" +
			"that backend alone.\n\n" +
			"Each seed draws its own faults and all choices of the clients. The workload\n" +
			"flags (--hold, --try, ...) change what clients do between faults.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.subject, "subject", "reference", "lock under test (locksim list)")
	fl.StringVar(&f.backend, "backend", "", "sim, or a real store (locksim list)")
	fl.StringVar(&f.faults, "faults", "all", "all, none, or kinds and groups separated by commas (locksim list)")
	fl.StringVar(&f.clockRate, "clock-rate", "", "rate of every clock fault, such as +5% or -200ppm, even beyond --max-clock-drift")
	fl.Uint64Var(&f.seed, "seed", 1, "first seed; without --seeds, the only one")
	fl.IntVar(&f.seeds, "seeds", defaultSeeds, "number of seeds, starting at --seed")
	fl.DurationVar(&f.budget, "budget", 0, "run as many seeds as fit into this time, divided evenly over groups of faults")
	fl.IntVar(&f.clients, "clients", harness.DefaultClients, "number of clients")
	fl.IntVar(&f.locks, "locks", 1, "number of locks they contend for")
	fl.DurationVar(&f.ttl, "ttl", 0, "length of a lease (default 10s simulated, 1s live)")
	fl.DurationVar(&f.renew, "renew", 0, "time from one renewal to the next (default ttl/3)")
	fl.DurationVar(&f.duration, "duration", 0, "length of the phase with faults (default 2m simulated, 12s live)")
	fl.StringVar(&f.drift, "max-clock-drift", "1%", "clock drift that the lock allows for")
	fl.StringVar(&f.scenario, "scenario", "", "run the scenario in this file, - for standard input")
	fl.IntVar(&f.workers, "workers", min(runtime.GOMAXPROCS(0), mostWorkers), "number of simulations at a time")
	f.workload = registerWorkload(fl)
	f.output.register(fl)
	completeRun(cmd)
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	out, err := f.output.open(cmd)
	if err != nil {
		return err
	}
	defer out.close()
	parts, err := f.parts(cmd, out)
	if err != nil {
		return err
	}
	return out.finish(parts)
}

// parts runs what the flags ask for.
func (f *runFlags) parts(cmd *cobra.Command, out *output) ([]report.Part, error) {
	given := cmd.Flags().Changed
	if f.scenario != "" {
		s, err := readScenario(cmd.Context(), f.scenario)
		if err != nil {
			return nil, err
		}
		subject, err := known(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.scenario, err)
		}
		r, err := harness.Run(cmd.Context(), subject, s, targets.All()...)
		if err != nil {
			return stopped(cmd.Context(), s.Subject, s.Backend, err)
		}
		return []report.Part{{Summary: harness.Summarize(r)}}, nil
	}
	if f.backend != "" && f.backend != harness.BackendSim {
		live, err := f.live(cmd, out, f.backend, f.faults)
		if err != nil {
			return stopped(cmd.Context(), f.subject, f.backend, err)
		}
		return []report.Part{{Summary: live}}, nil
	}
	simulated, err := f.simulated(cmd, out)
	if err != nil {
		return nil, err
	}
	parts := []report.Part{{Summary: simulated}}
	simOnly := f.backend != "" || given("seed") || given("seeds") || given("budget") || given("faults") || given("clock-rate")
	if simOnly || simulated.Interrupted {
		return parts, nil
	}
	live, err := f.live(cmd, out, "nats", liveDefaultFaults)
	if err != nil {
		// What was simulated is told all the same.
		return append(parts, report.Part{NotRun: &report.NotRun{Subject: f.subject, Backend: "nats", Err: err, Interrupted: interrupted(cmd.Context(), err)}}), nil
	}
	return append(parts, report.Part{Summary: live}), nil
}

// stopped is the part that was interrupted before it had a result; any other
// error stays one.
func stopped(ctx context.Context, subject, backend string, err error) ([]report.Part, error) {
	if !interrupted(ctx, err) {
		return nil, err
	}
	return []report.Part{{NotRun: &report.NotRun{Subject: subject, Backend: backend, Err: err, Interrupted: true}}}, nil
}

// check refuses what is wrong whatever else is given.
func (f *runFlags) check(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"ttl", f.ttl}, {"renew", f.renew}, {"duration", f.duration}, {"budget", f.budget}} {
		if given(d.flag) && d.value <= 0 {
			return fmt.Errorf("--%s is %s and must be more than 0", d.flag, d.value)
		}
	}
	for _, n := range []struct {
		flag  string
		value int
	}{{"seeds", f.seeds}, {"clients", f.clients}, {"locks", f.locks}, {"workers", f.workers}} {
		if n.value < 1 {
			return fmt.Errorf("--%s is %d and must be at least 1", n.flag, n.value)
		}
	}
	if f.workers > mostWorkers {
		return fmt.Errorf("--workers is %d and must be at most %d", f.workers, mostWorkers)
	}
	if err := f.checkTogether(given); err != nil {
		return err
	}
	return f.checkWorkload(given)
}

// checkTogether refuses flags that do not go together.
func (f *runFlags) checkTogether(given func(flag string) bool) error {
	if f.scenario != "" {
		all := []string{"subject", "backend", "faults", "clock-rate", "seed", "seeds", "budget", "clients", "locks", "ttl", "renew", "duration", "max-clock-drift"}
		for _, w := range f.workload {
			all = append(all, w.Name)
		}
		for _, other := range all {
			if given(other) {
				return fmt.Errorf("--scenario says everything that a run depends on; --%s cannot be given too", other)
			}
		}
	}
	if f.backend != "" && f.backend != harness.BackendSim {
		if err := checkBackend(f.backend); err != nil {
			return err
		}
		for _, flag := range []string{"seeds", "budget"} {
			if given(flag) {
				return fmt.Errorf("--%s is for the simulator; a live run has one --seed", flag)
			}
		}
	}
	if given("budget") && given("seeds") {
		return errors.New("--budget and --seeds both say how many seeds to run; give one of them")
	}
	if most := uint64(math.MaxUint64); given("seeds") && f.seed > most-uint64(f.seeds-1) {
		return fmt.Errorf("--seeds %d from --seed %d on go beyond the largest seed, %d", f.seeds, f.seed, most)
	}
	return nil
}

// base is the scenario that the flags describe, without a plan.
func (f *runFlags) base(backend, faults string) (harness.Scenario, int64, error) {
	kinds, err := fault.ParseKinds(faults)
	if err != nil {
		return harness.Scenario{}, 0, err
	}
	var rate int64
	if f.clockRate != "" {
		if rate, err = fault.ParseRate(f.clockRate); err != nil {
			return harness.Scenario{}, 0, fmt.Errorf("--clock-rate: %w", err)
		}
		if rate == 0 {
			return harness.Scenario{}, 0, fmt.Errorf("--clock-rate is %s and must not be 0", f.clockRate)
		}
		if !slices.Contains(kinds, fault.ClockRate) {
			return harness.Scenario{}, 0, fmt.Errorf("--clock-rate %s needs clock-rate among --faults, which are %s", f.clockRate, faults)
		}
	}
	drift, err := fault.ParseRate(f.drift)
	if err != nil {
		return harness.Scenario{}, 0, fmt.Errorf("--max-clock-drift: %w", err)
	}
	s := harness.Scenario{
		Subject: f.subject, Backend: backend, Clients: f.clients, Locks: f.locks, TTL: harness.Duration(f.ttl),
		RenewEvery: harness.Duration(f.renew), Duration: harness.Duration(f.duration), MaxClockDriftPPM: drift, Kinds: kinds,
	}
	if drift <= 0 {
		return s, 0, fmt.Errorf("--max-clock-drift is %s and must be more than 0", f.drift)
	}
	return s, rate, nil
}

func (f *runFlags) simulated(cmd *cobra.Command, out *output) (*harness.Summary, error) {
	given := cmd.Flags().Changed
	s, rate, err := f.base(harness.BackendSim, f.faults)
	if err != nil {
		return nil, err
	}
	subject, err := subjects.Find(f.subject)
	if err != nil {
		return nil, err
	}
	sweep := harness.Sweep{Subject: subject, Base: f.complete(s), First: f.seed, Seeds: f.seeds, ClockRatePPM: rate, Workers: f.workers}
	if given("seed") && !given("seeds") {
		sweep.Seeds = 1
	}
	bar := &bar{}
	if f.budget > 0 {
		sweep.Seeds, sweep.Budget, sweep.Turns = 0, f.budget, f.turns(s, rate)
		bar = out.progress("simulating", int64(f.budget/time.Second)+1)
		began := time.Now()
		sweep.Progress = func(_, failed int) { bar.set(int64(time.Since(began)/time.Second), failed) }
	} else {
		bar = out.progress("simulating", int64(sweep.Seeds))
		sweep.Progress = func(done, failed int) { bar.set(int64(done), failed) }
	}
	defer bar.done()
	return sweep.Run(cmd.Context())
}

// complete fills in the defaults, and then what the workload flags say.
func (f *runFlags) complete(s harness.Scenario) harness.Scenario {
	s = s.WithDefaults()
	for _, w := range f.workload {
		w.apply(&s.Workload)
	}
	return s
}

// turns divides a budget: all the faults that were asked for, and then each group
// of them alone, or each kind alone if they are of one group. With a clock rate
// of its own there is one turn: each must have a fault of a clock.
func (f *runFlags) turns(s harness.Scenario, rate int64) []harness.Scenario {
	turns := []harness.Scenario{f.complete(s)}
	if rate != 0 {
		return turns
	}
	groups := [][]fault.Kind{}
	for _, g := range fault.Groups() {
		var members []fault.Kind
		for _, k := range s.Kinds {
			if fault.Describe(k).Group == g {
				members = append(members, k)
			}
		}
		if len(members) > 0 {
			groups = append(groups, members)
		}
	}
	if len(groups) == 1 && len(s.Kinds) > 1 {
		groups = nil
		for _, k := range s.Kinds {
			groups = append(groups, []fault.Kind{k})
		}
	}
	if len(groups) > 1 {
		for _, kinds := range groups {
			alone := s
			alone.Kinds = kinds
			turns = append(turns, f.complete(alone))
		}
	}
	return turns
}

func (f *runFlags) live(cmd *cobra.Command, out *output, backend, faults string) (*harness.Summary, error) {
	if faults == "all" && !cmd.Flags().Changed("faults") {
		if k, err := targets.Find(backend); err == nil {
			faults = k.Faults
		}
	}
	s, rate, err := f.base(backend, faults)
	if err != nil {
		return nil, err
	}
	if s.TTL == 0 {
		s.TTL = harness.Duration(liveDefaultTTL)
	}
	if s.Duration == 0 {
		s.Duration = harness.Duration(liveDefaultDuration)
	}
	s = f.complete(s)
	subject, err := known(s)
	if err != nil {
		return nil, err
	}
	if s, err = s.Draw(subject, f.seed, rate); err != nil {
		return nil, err
	}
	bar := out.progress("running on "+backend, int64(s.Length()/time.Second)+1)
	stop := bar.tick(cmd.Context())
	r, err := harness.Run(cmd.Context(), subject, s, targets.All()...)
	stop()
	bar.done()
	if err != nil {
		return nil, err
	}
	return harness.Summarize(r), nil
}
