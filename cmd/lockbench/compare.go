package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/internal/plain"
	"github.com/lockproof/lockproof/internal/resultfile"
	"github.com/lockproof/lockproof/internal/tempdir"
)

// compareFlags are the flags of lockbench compare, as given.
type compareFlags struct {
	servers   string
	rounds    int
	failovers int
	ttl       time.Duration
	gate      string
	alpha     float64
	output    outputFlags
}

func compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare [OLD.json NEW.json]",
		Short: "Compare with other lock libraries, or compare two results",
		Long: "Without files: the reference lock and the libraries of others on the same servers, turn by turn. They live\n" +
			"in a module of their own (" + peersFolder + "), which is built and run from a checkout of this repository.\n\n" +
			"With two result files: what changed from the first to the second, metric by metric, and whether that is\n" +
			"more than chance. --gate makes a regression exit code 1.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 2 {
				return nil
			}
			return fmt.Errorf("lockbench compare takes no file or two, OLD.json and NEW.json, but %d were given", len(args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return f.files(cmd, args[0], args[1])
			}
			return f.peers(cmd)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.servers, "servers", "nats,etcd,redis,kubernetes", "the servers to compare on")
	fl.IntVar(&f.rounds, "rounds", 10, "rounds, in each of which every lock has its turns")
	fl.IntVar(&f.failovers, "failovers", 12, "holders of each lock that are crashed")
	fl.DurationVar(&f.ttl, "ttl", 3*time.Second, "length of a lease where all have the same settings, whole seconds")
	fl.StringVar(&f.gate, "gate", "", "with two files: fail on a significant change for the worse by more than this, such as 10%")
	fl.Float64Var(&f.alpha, "alpha", bench.DefaultAlpha, "with two files: how often chance may be taken for a change")
	f.output.register(fl)
	return cmd
}

// peers runs the module of the peers, and shows its result.
func (f *compareFlags) peers(cmd *cobra.Command) error {
	for _, flag := range []string{"gate", "alpha"} {
		if cmd.Flags().Changed(flag) {
			return fmt.Errorf("--%s is for two result files, and none was given", flag)
		}
	}
	if f.rounds < 1 || f.failovers < 1 {
		return fmt.Errorf("--rounds is %d and --failovers is %d, and both must be at least 1", f.rounds, f.failovers)
	}
	module, err := peersModule()
	if err != nil {
		return err
	}
	out, err := f.output.open(cmd)
	if err != nil {
		return err
	}
	defer out.close()
	result, err := runPeers(cmd.Context(), module, out.stderr, "-servers", f.servers, "-rounds", strconv.Itoa(f.rounds),
		"-failovers", strconv.Itoa(f.failovers), "-ttl", f.ttl.String())
	return out.finish(result, err)
}

// peersFolder is where a checkout has the module of the peers. It is no part of the
// workspace, for its requirements would move the versions of all other modules.
const peersFolder = "cmd/internal/bench/peers"

// peersModule looks for the module in the working directory and above.
func peersModule() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module := filepath.Join(dir, filepath.FromSlash(peersFolder))
		b, err := os.ReadFile(filepath.Join(module, "go.mod"))
		if err == nil && bytes.HasPrefix(b, []byte("module github.com/lockproof/lockproof/"+peersFolder)) {
			return module, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("the peers are built from " + peersFolder + ", which is neither here nor in a folder above; run this in a checkout of github.com/lockproof/lockproof")
		}
		dir = above
	}
}

// runPeers builds the module's command and runs it. What it could measure before
// it was interrupted comes with the error. It is not run by `go run`, which does
// not pass an interrupt on.
func runPeers(ctx context.Context, module string, stderr io.Writer, args ...string) (*bench.Result, error) {
	dir, err := tempdir.New("peers")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Remove() }() // what is left is removed by the next one
	program := filepath.Join(dir.Path(), "peers")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir, build.Env = module, append(os.Environ(), "GOWORK=off")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the peers: %w: %s", err, bytes.TrimSpace(said))
	}
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = module, &stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	ran := cmd.Run()
	result, err := bench.Read(stdout.Bytes())
	switch {
	case ctx.Err() != nil && err == nil:
		result.Incomplete = true
		return result, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case ran != nil:
		return nil, fmt.Errorf("measure the peers: %w", ran)
	}
	return result, err
}

// files compares two results.
func (f *compareFlags) files(cmd *cobra.Command, oldPath, newPath string) error {
	for _, flag := range []string{"servers", "rounds", "failovers", "ttl", "out", "json"} {
		if cmd.Flags().Changed(flag) {
			return fmt.Errorf("--%s is for a measurement, and two result files were given", flag)
		}
	}
	threshold, err := f.threshold()
	if err != nil {
		return err
	}
	before, err := readResult(oldPath)
	if err != nil {
		return err
	}
	after, err := readResult(newPath)
	if err != nil {
		return err
	}
	c, err := bench.Diff(before, after, bench.DiffOptions{Alpha: f.alpha})
	if err != nil {
		return err
	}
	showComparison(cmd.OutOrStdout(), c)
	if f.gate == "" {
		return nil
	}
	if worse := c.Gate(threshold); len(worse) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "\n%s got worse by more than %s\n", plain.Counted(int64(len(worse)), "metric"), f.gate)
		return errRegression
	}
	return nil
}

// threshold reads "10%" as 0.1.
func (f *compareFlags) threshold() (float64, error) {
	if f.gate == "" {
		return 0, nil
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(f.gate, "%"), 64)
	if !strings.HasSuffix(f.gate, "%") || err != nil || !(percent >= 0 && percent <= 1000) {
		return 0, fmt.Errorf("--gate %q is not a share such as 10%%", f.gate)
	}
	return percent / 100, nil
}

func readResult(path string) (*bench.Result, error) {
	f, err := resultfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	r, err := bench.Read(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func showComparison(w io.Writer, c *bench.Comparison) {
	for _, warning := range c.Warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.AppendHeader(table.Row{"cell", "metric", "old", "new", "new/old", "p", "verdict"})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 3, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight}, {Number: 5, Align: text.AlignRight}, {Number: 6, Align: text.AlignRight},
	})
	for _, x := range c.Changes {
		ratio, p := "", ""
		if x.Ratio > 0 {
			ratio = fmt.Sprintf("%.3f", x.Ratio)
		}
		verdict := string(x.Verdict)
		if x.Verdict == bench.Untold {
			verdict += ": " + x.Why
		} else {
			p = fmt.Sprintf("%.3f", x.P)
		}
		t.AppendRow(table.Row{x.Cell, x.Metric, figure(x.Old, x.Unit), figure(x.New, x.Unit), ratio, p, plain.Line(verdict)})
	}
	fmt.Fprintln(w, t.Render())
	for _, only := range []struct {
		which string
		names []string
	}{{"old", c.OnlyOld}, {"new", c.OnlyNew}} {
		if len(only.names) > 0 {
			fmt.Fprintf(w, "only in the %s result: %s\n", only.which, plain.Line(strings.Join(only.names, ", ")))
		}
	}
}

// figure is a value with its unit.
func figure(v float64, unit string) string {
	if unit == "ns" {
		return plain.Duration(time.Duration(v))
	}
	return strings.TrimSpace(plain.Number(v) + " " + unit)
}
