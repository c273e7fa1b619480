// Command lockbench measures distributed locks on real stores: what an acquire
// costs, how long a lock is without a working holder when one fails, and what a
// lease setting costs.
//
// Exit codes: 0 all was measured; 1 compare --gate found a regression; 2 it was
// interrupted, or there are fewer samples than were asked for; 3 it could not run,
// or a result could not be written.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/cli"
)

// Exit codes.
const (
	exitOK         = 0
	exitRegression = 1
	exitIncomplete = 2
	exitCannotRun  = 3
)

// errIncomplete: there is a result, which was printed, and it is not all.
var errIncomplete = errors.New("incomplete")

// errRegression: compare --gate found one, which was printed.
var errRegression = errors.New("regression")

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := cli.Context(context.Background())
	defer stop()
	out := cli.NewOutput(stdout)
	root := &cobra.Command{
		Use:   "lockbench",
		Short: "Measure distributed locks",
		Long: "lockbench measures what an acquire costs, how long a failover takes and what a\n" +
			"lease setting costs, on real stores, beside a raw compare-and-swap on the same\n" +
			"connection in the same run.\n\n" +
			"Exit codes: 0 all was measured; 1 compare --gate found a regression; 2 it was\n" +
			"interrupted, or there are fewer samples than were asked for; 3 it could not run,\n" +
			"or a result could not be written.",
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	root.AddCommand(acquireCommand(), failoverCommand(), sweepCommand(), compareCommand(), showCommand())
	cli.Prepare(root)
	code := exitCode(ctx, root.ExecuteContext(ctx), stderr)
	if err := out.Err(); err != nil && code == exitOK {
		fmt.Fprintln(stderr, "lockbench:", err)
		return exitCannotRun
	}
	return code
}

// takesNothing refuses arguments.
func takesNothing(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no argument, but %q was given", cmd.CommandPath(), args[0])
}

func exitCode(ctx context.Context, err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errRegression):
		return exitRegression
	case errors.Is(err, errIncomplete):
		return exitIncomplete
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		fmt.Fprintln(stderr, "lockbench: interrupted before there was a result")
		return exitIncomplete
	}
	fmt.Fprintln(stderr, "lockbench:", strings.ReplaceAll(err.Error(), "\n", "; "))
	return exitCannotRun
}
