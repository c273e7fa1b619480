package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/cmd/internal/require"
	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/lock"
)

// A backend's state, as doctor tells it.
type health string

const (
	works   health = "works"   // started, and it kept the contract
	ready   health = "ready"   // can be started; whether it works was not asked
	absent  health = "missing" // cannot be started here; the remedy says why
	broken  health = "broken"  // is there, and does not start or breaks the contract
	skipped health = "not run" // interrupted before or while it was looked at
)

type diagnosis struct {
	name   string
	health health
	detail string // how it is started, its version, or the remedy
}

func doctorCommand() *cobra.Command {
	var start bool
	cmd := &cobra.Command{
		Use:   "doctor [BACKEND...]",
		Short: "Show how each backend's server is started, and whether it works",
		Long: "Without --start: how each server would be started, or the command that installs\n" +
			"it. With --start: start each, run the store contract on two connections, and\n" +
			"stop it.\n\n" +
			"Exit codes: 0 nothing is broken; 1 a store broke its contract or did not start;\n" +
			"2 interrupted; 3 one that LOCKPROOF_REQUIRE names is missing.",
		RunE: func(cmd *cobra.Command, names []string) error { return doctor(cmd, names, start) },
	}
	cmd.ValidArgsFunction = oneOf(backends()[1:]) // all but the simulator
	cmd.Flags().BoolVar(&start, "start", false, "start each server and run the store contract on it")
	return cmd
}

func doctor(cmd *cobra.Command, names []string, start bool) error {
	kinds := targets.All()
	if len(names) > 0 {
		kinds = nil
		for _, name := range names {
			k, err := targets.Find(name)
			if err != nil {
				return err
			}
			kinds = append(kinds, k)
		}
	}
	var all []diagnosis
	for _, k := range kinds {
		begun := time.Now()
		d := diagnose(cmd.Context(), k, start)
		all = append(all, d)
		if start {
			fmt.Fprintf(cmd.ErrOrStderr(), "%-22s %-8s %s\n", d.name, d.health, time.Since(begun).Round(100*time.Millisecond))
		}
	}
	if err := printDiagnoses(cmd.OutOrStdout(), all); err != nil {
		return errors.Join(err, conclusion(cmd.Context(), all))
	}
	return conclusion(cmd.Context(), all)
}

// diagnose looks at one backend.
func diagnose(ctx context.Context, k target.Kind, start bool) diagnosis {
	d := diagnosis{name: k.Name, health: ready, detail: k.Summary}
	if ctx.Err() != nil {
		return d.failed(ctx, ctx.Err())
	}
	if k.Server != "" {
		server, err := servers.FindKind(k.Server)
		if err == nil {
			d.detail, err = server.Way(ctx)
		}
		if err != nil {
			return d.failed(ctx, err)
		}
	}
	if !start {
		return d
	}
	described, err := examine(ctx, k)
	if described != "" {
		d.detail = described
	}
	if err != nil {
		return d.failed(ctx, err)
	}
	d.health = works
	return d
}

// failed tells what is not there from what does not work, and both from what was
// not looked at to the end.
func (d diagnosis) failed(ctx context.Context, err error) diagnosis {
	if ctx.Err() != nil {
		d.health, d.detail = skipped, "interrupted"
		return d
	}
	d.health = broken
	if missing := (*servers.MissingError)(nil); errors.As(err, &missing) {
		d.health = absent
		d.detail = missing.Detail + ": " + missing.Remedy
		return d
	}
	d.detail = strings.TrimSpace(strings.ReplaceAll(err.Error(), "\n", "; "))
	return d
}

// examine starts the server, runs the contract and stops it again.
func examine(ctx context.Context, k target.Kind) (described string, err error) {
	t, err := k.Open(ctx, target.Options{Container: fmt.Sprintf("lockproof-doctor-%016x", lock.SystemRuntime{}.Uint64())})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	var stores []lock.Store
	for i := range 2 {
		c, err := t.Connect(ctx, i, "")
		if err != nil {
			return t.Describe(), err
		}
		defer c.Close()
		stores = append(stores, c.Store)
	}
	cases := 0
	for _, c := range backendtest.Cases() {
		if c.Skip(stores[0], backendtest.Options{}) == "" {
			cases++
		}
	}
	err = backendtest.Run(ctx, stores[0], backendtest.Options{Other: stores[1]})
	return fmt.Sprintf("%s; %d guarantees of the contract tried", t.Describe(), cases), err
}

func printDiagnoses(w io.Writer, all []diagnosis) error {
	t := columns{header: []string{"backend", "state", ""}, wrapped: 2}
	for _, d := range all {
		t.add(d.name, string(d.health), d.detail)
	}
	return t.print(w)
}

// conclusion is the exit code's error.
func conclusion(ctx context.Context, all []diagnosis) error {
	var required []string
	for _, d := range all {
		switch {
		case d.health == broken:
			return ended(exitViolation)
		case d.health == skipped:
			return ctx.Err()
		case d.health == absent && requires(d.name):
			required = append(required, d.name)
		}
	}
	if len(required) > 0 {
		return fmt.Errorf("LOCKPROOF_REQUIRE names what is missing: %s", strings.Join(required, ", "))
	}
	return nil
}

// requires: a backend is required by its own name or by that of its server.
func requires(backend string) bool {
	k, err := targets.Find(backend)
	return err == nil && (require.Required(backend) || k.Server != "" && require.Required(k.Server))
}
