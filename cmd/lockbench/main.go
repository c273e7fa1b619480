// Command lockbench measures distributed locks on real stores: what an acquire
// costs, how long a lock is without a working holder when one fails, and what a
// lease setting costs.
//
// Exit codes: 0 all was measured; 1 compare --gate found a regression; 2 it was
// interrupted, or there are fewer samples than were asked for; 3 it could not
// run.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends what is under way; the second one the process.
	context.AfterFunc(ctx, stop)
	root := &cobra.Command{
		Use:           "lockbench",
		Short:         "Measures distributed locks",
		Long:          "lockbench measures what an acquire costs, how long a failover takes and what a lease setting costs, on real\nstores, beside a raw compare-and-swap on the same connection in the same run.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(acquireCommand(), failoverCommand(), sweepCommand(), compareCommand(), showCommand())
	return exitCode(ctx, root.ExecuteContext(ctx), stderr)
}

// knownCommand refuses what is no command, and says what is.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return fmt.Errorf("unknown command %q; there are %s", args[0], strings.Join(names, ", "))
}

// takesNothing refuses arguments.
func takesNothing(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no argument, but %q was given", cmd.CommandPath(), args[0])
}

// flagError says which flags there are.
func flagError(cmd *cobra.Command, err error) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return fmt.Errorf("%w; %s takes %s", err, cmd.CommandPath(), strings.Join(names, ", "))
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
