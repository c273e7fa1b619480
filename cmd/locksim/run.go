package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
)

// runFlags are the flags of locksim run, as given.
type runFlags struct {
	subject   string
	backend   string
	faults    string
	clockRate string
	seed      uint64
	seeds     int
	clients   int
	locks     int
	ttl       time.Duration
	renew     time.Duration
	duration  time.Duration
	drift     string
	scenario  string
	workers   int
	output    outputFlags
}

// The default run: seconds that a live part takes, and seeds of a simulated one.
const (
	defaultSeeds        = 300
	liveDefaultTTL      = time.Second
	liveDefaultDuration = 12 * time.Second
)

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a lock under faults and judge it",
		Long: "Without flags: simulate some hundred seeds, then run the same lock against an embedded NATS\n" +
			"server under clock faults, partitions and latency. With --seed, --seeds, --faults or --scenario:\n" +
			"the simulator alone. With --backend: that backend alone.",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.subject, "subject", "reference", "the lock under test (locksim list)")
	fl.StringVar(&f.backend, "backend", "", "sim, or a real store (locksim list)")
	fl.StringVar(&f.faults, "faults", "all", "all, none, or kinds and groups separated by commas (locksim list)")
	fl.StringVar(&f.clockRate, "clock-rate", "", "run clocks wrong by exactly this, such as +5% or -200ppm, whatever the lock allows for")
	fl.Uint64Var(&f.seed, "seed", 1, "run this seed alone")
	fl.IntVar(&f.seeds, "seeds", defaultSeeds, "run so many seeds, from --seed on")
	fl.IntVar(&f.clients, "clients", harness.DefaultClients, "how many clients contend")
	fl.IntVar(&f.locks, "locks", 1, "for how many locks")
	fl.DurationVar(&f.ttl, "ttl", 0, "length of a lease (default 10s simulated, 1s live)")
	fl.DurationVar(&f.renew, "renew", 0, "time from one renewal to the next (default ttl/3)")
	fl.DurationVar(&f.duration, "duration", 0, "length of the phase with faults (default 2m simulated, 12s live)")
	fl.StringVar(&f.drift, "max-clock-drift", "1%", "how fast or slow a clock may run by the lock's assumption")
	fl.StringVar(&f.scenario, "scenario", "", "run the scenario in this file")
	fl.IntVar(&f.workers, "workers", runtime.NumCPU(), "how many simulations run at a time")
	f.output.register(fl)
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
	given := cmd.Flags().Changed
	var parts []*harness.Summary
	switch {
	case f.scenario != "":
		s, err := readScenario(f.scenario)
		if err != nil {
			return err
		}
		r, err := harness.Run(cmd.Context(), s)
		if err != nil {
			return err
		}
		parts = append(parts, harness.Summarize(r))
	case f.backend != "" && f.backend != harness.BackendSim:
		part, err := f.live(cmd, out, f.backend, f.faults)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	default:
		part, err := f.simulated(cmd, out)
		if err != nil {
			return err
		}
		parts = append(parts, part)
		simOnly := f.backend != "" || given("seed") || given("seeds") || given("faults") || given("clock-rate")
		if !simOnly && !part.Interrupted {
			live, err := f.live(cmd, out, "nats", "clock-offset,clock-rate,clock-jump,partition,partition-requests,partition-replies,latency,jitter,crash")
			if err != nil {
				// What was simulated is told all the same; a violation outweighs.
				if told := out.finish(parts); errors.As(told, new(verdictError)) {
					fmt.Fprintln(cmd.ErrOrStderr(), "locksim: the live part:", err)
					return told
				}
				return err
			}
			parts = append(parts, live)
		}
	}
	return out.finish(parts)
}

// check refuses what is wrong whatever else is given.
func (f *runFlags) check(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"ttl", f.ttl}, {"renew", f.renew}, {"duration", f.duration}} {
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
	if f.scenario != "" {
		for _, other := range []string{"subject", "backend", "faults", "clock-rate", "seed", "seeds", "clients", "locks", "ttl", "renew", "duration", "max-clock-drift"} {
			if given(other) {
				return fmt.Errorf("--scenario says everything that a run depends on; --%s cannot be given too", other)
			}
		}
	}
	if f.backend != "" && f.backend != harness.BackendSim {
		if err := harness.CheckBackend(f.backend); err != nil {
			return err
		}
		if given("seeds") {
			return fmt.Errorf("--seeds is for the simulator; a live run has one --seed")
		}
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
	s, rate, err := f.base(harness.BackendSim, f.faults)
	if err != nil {
		return nil, err
	}
	seeds := f.seeds
	if cmd.Flags().Changed("seed") && !cmd.Flags().Changed("seeds") {
		seeds = 1
	}
	bar := out.progress("simulating", int64(seeds))
	defer bar.done()
	sweep := harness.Sweep{
		Base: s.WithDefaults(), First: f.seed, Seeds: seeds, ClockRatePPM: rate, Workers: f.workers,
		Progress: func(done, failed int) { bar.set(int64(done), failed) },
	}
	return sweep.Run(cmd.Context())
}

func (f *runFlags) live(cmd *cobra.Command, out *output, backend, faults string) (*harness.Summary, error) {
	if faults == "all" && !cmd.Flags().Changed("faults") {
		faults = harness.DefaultFaults(backend)
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
	if s, err = s.WithDefaults().Draw(f.seed, rate); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	bar := out.progress("running on "+backend, int64(s.Length()/time.Second)+1)
	stop := bar.tick(cmd.Context())
	r, err := harness.Run(cmd.Context(), s)
	stop()
	bar.done()
	if err != nil {
		return nil, err
	}
	return harness.Summarize(r), nil
}

func readScenario(path string) (harness.Scenario, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return harness.Scenario{}, err
	}
	s, err := harness.DecodeScenario(b)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
