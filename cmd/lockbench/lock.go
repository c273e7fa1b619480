package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// lockFlags say which lock is measured, and on what.
type lockFlags struct {
	name    string
	backend string
	ttl     time.Duration
	renew   time.Duration
	// publishes: a lock that publishes defaults is run with them, unless a flag
	// says otherwise; published: it is.
	publishes, published bool
}

func (f *lockFlags) register(fl *pflag.FlagSet, ttl time.Duration) {
	fl.StringVar(&f.name, "lock", subjects.ReferenceName, "the lock (locksim list)")
	fl.StringVar(&f.backend, "backend", "nats", "the store (locksim list)")
	fl.DurationVar(&f.ttl, "ttl", ttl, "length of a lease")
	fl.DurationVar(&f.renew, "renew", 0, "time from one renewal to the next (default ttl/3)")
}

// check refuses what is wrong whatever else is given.
func (f *lockFlags) check(cmd *cobra.Command) error {
	if f.ttl <= 0 {
		return fmt.Errorf("--ttl is %s and must be more than 0", f.ttl)
	}
	if cmd.Flags().Changed("renew") && f.renew <= 0 {
		return fmt.Errorf("--renew is %s and must be more than 0", f.renew)
	}
	if _, err := targets.Find(f.backend); err != nil {
		return err
	}
	if _, err := subjects.Find(f.name); err != nil {
		return err
	}
	f.published = f.name == "natslock" && f.publishes && !cmd.Flags().Changed("ttl") && !cmd.Flags().Changed("renew")
	if f.name != subjects.ReferenceName {
		return nil
	}
	// The lock itself knows which settings it can be run with.
	_, err := lock.New(nothing{}, lock.SystemRuntime{}, lock.Config{TTL: f.ttl, RenewEvery: f.renew})
	return err
}

// nothing is a store that is never asked.
type nothing struct{ lock.Store }

func (f *lockFlags) settings() subjects.Settings {
	if f.published {
		return bench.NATSLockSettings()
	}
	return subjects.Settings{TTL: f.ttl, RenewEvery: f.renew}
}

// placeholder stands for the lock until it is opened, so that all other flags can
// be judged before a server is started.
func (f *lockFlags) placeholder() bench.Contender {
	return bench.Contender{
		Name: f.name, Backend: f.backend, Settings: f.settings(),
		Seat: func(context.Context, bench.Place) (*bench.Seat, error) { return nil, fmt.Errorf("not opened") },
	}
}

// open replaces the placeholder.
func (f *lockFlags) open(ctx context.Context, c *bench.Contender) (closeAll func() error, err error) {
	*c, closeAll, err = bench.OpenContender(ctx, f.backend, f.name, f.settings())
	return closeAll, err
}
