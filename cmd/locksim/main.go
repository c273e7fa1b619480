// Command locksim runs a distributed lock under faults, in a deterministic
// simulator and against real servers, and tells whether it kept its promises.
//
// Exit codes: 0 every promise was kept; 1 one was broken; 2 it cannot be told (a
// checker gave up, or nothing worth checking happened); 3 it could not run.
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

	"github.com/lockproof/lockproof/linearizability"
)

// Exit codes.
const (
	exitOK        = 0
	exitViolation = 1
	exitUnknown   = 2
	exitCannotRun = 3
)

// verdictError carries a verdict that is not ok to the exit code. It was printed
// already.
type verdictError struct{ verdict linearizability.Status }

func (e verdictError) Error() string { return "verdict: " + e.verdict.String() }

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
		Use:           "locksim",
		Short:         "Tells whether a distributed lock works",
		Long:          "locksim runs a lock under clock faults, partitions, latency, pauses, crashes and lost\nreplies, in a deterministic simulator and against real servers, and checks what happened.",
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
	root.AddCommand(runCommand(), replayCommand(), checkCommand(), shrinkCommand(), reproCommand(), listCommand(), doctorCommand(), serversCommand())
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

// takes says which arguments a command has, and refuses any others.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(args) < len(names):
			return fmt.Errorf("%s needs %s", cmd.CommandPath(), names[len(args)])
		case len(names) == 0:
			return fmt.Errorf("%s takes no argument, but %q was given", cmd.CommandPath(), args[0])
		}
		return fmt.Errorf("%s takes %s alone, but %q was given too", cmd.CommandPath(), strings.Join(names, " "), args[len(names)])
	}
}

// flagError says which flags there are.
func flagError(cmd *cobra.Command, err error) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return fmt.Errorf("%w; %s takes %s", err, cmd.CommandPath(), strings.Join(names, ", "))
}

func exitCode(ctx context.Context, err error, stderr io.Writer) int {
	var v verdictError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &v) && v.verdict == linearizability.Violation:
		return exitViolation
	case errors.As(err, &v):
		return exitUnknown
	case interrupted(ctx, err):
		fmt.Fprintln(stderr, "locksim: interrupted before there was a result")
		return exitUnknown
	}
	fmt.Fprintln(stderr, "locksim:", strings.ReplaceAll(err.Error(), "\n", "; "))
	return exitCannotRun
}

// interrupted tells the end that was asked for from any other error.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// conclude turns a verdict into what a command returns.
func conclude(v linearizability.Status) error {
	if v == linearizability.OK {
		return nil
	}
	return verdictError{v}
}
