package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// acquireFlags are the flags of lockbench acquire, as given.
type acquireFlags struct {
	lock     lockFlags
	clients  string
	locks    string
	rates    string
	rounds   int
	samples  int
	duration time.Duration
	think    time.Duration
	hold     time.Duration
	output   outputFlags
}

func acquireCommand() *cobra.Command {
	f := acquireFlags{lock: lockFlags{publishes: true}}
	cmd := &cobra.Command{
		Use:   "acquire",
		Short: "Measure what an acquire costs",
		Long: "Measures an acquire without contention (a new lock, one that another client held, the same client again),\n" +
			"with contention in a closed loop, and by a schedule in an open loop, where times count from the\n" +
			"instant at which the acquire was due. Always beside a raw compare-and-swap on the same connection.",
		Args: takesNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	f.lock.register(fl, 10*time.Second)
	fl.StringVar(&f.clients, "clients", "2,8", "numbers of clients that contend, a cell for each; or none")
	fl.StringVar(&f.locks, "locks", "1,8", "numbers of locks they contend for, a cell for each")
	fl.StringVar(&f.rates, "rate", "100", "acquires per second in an open loop, a cell for each; or none")
	fl.IntVar(&f.rounds, "rounds", 30, "rounds of a cell without contention, each a sample of the ratio")
	fl.IntVar(&f.samples, "samples", 100, "at most so many acquires in such a round")
	fl.DurationVar(&f.duration, "duration", 5*time.Second, "length of a cell")
	fl.DurationVar(&f.think, "think", 10*time.Millisecond, "wait between a release and the next acquire")
	fl.DurationVar(&f.hold, "hold", 10*time.Millisecond, "how long a lock is held; like --think from half to one and a half of it")
	f.output.register(fl)
	return cmd
}

func (f *acquireFlags) run(cmd *cobra.Command) error {
	if err := f.lock.check(cmd); err != nil {
		return err
	}
	c := bench.AcquireConfig{Rounds: f.rounds, Samples: f.samples, Duration: f.duration, Think: f.think, Hold: f.hold}
	var err error
	if c.Clients, err = numbers("--clients", f.clients, strconv.Atoi); err != nil {
		return err
	}
	if c.Locks, err = numbers("--locks", f.locks, strconv.Atoi); err != nil {
		return err
	}
	if c.Rates, err = numbers("--rate", f.rates, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }); err != nil {
		return err
	}
	for _, n := range []struct {
		flag string
		bad  bool
	}{{"rounds", f.rounds < 1}, {"samples", f.samples < 1}, {"duration", f.duration <= 0}} {
		if n.bad {
			return fmt.Errorf("--%s must be more than 0", n.flag)
		}
	}
	if len(c.Clients) > 0 && len(c.Locks) == 0 {
		return fmt.Errorf("--clients %s need at least one number of --locks", f.clients)
	}
	if len(c.Clients) == 0 {
		if cmd.Flags().Changed("rate") && len(c.Rates) > 0 {
			return fmt.Errorf("--rate %s needs --clients", f.rates)
		}
		c.Rates = nil
	}
	c.Contender = f.lock.placeholder()
	if err := c.Validate(); err != nil {
		return err
	}
	out, err := f.output.open(cmd)
	if err != nil {
		return err
	}
	defer out.close()
	closeAll, err := f.lock.open(cmd.Context(), &c.Contender)
	if err != nil {
		return err
	}
	bar := out.progress("measuring on " + c.Contender.Backend)
	c.Progress = bar.set
	result, err := bench.MeasureAcquire(cmd.Context(), c)
	bar.done()
	return out.finish(result, err, closeAll())
}

// numbers reads a list, which is empty if it is "none".
func numbers[T any](flag, text string, parse func(string) (T, error)) ([]T, error) {
	var all []T
	if text == "none" {
		return nil, nil
	}
	for field := range strings.SplitSeq(text, ",") {
		n, err := parse(strings.TrimSpace(field))
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not a number, in %q", flag, field, text)
		}
		all = append(all, n)
	}
	return all, nil
}
