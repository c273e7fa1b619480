// Command locksim runs a distributed lock under faults, in a deterministic
// simulator and against real servers, and tells whether it kept its promises.
//
// Exit codes: 0 every promise was kept; 1 one was broken; 2 unknown (a check gave
// up, the run was interrupted, or nothing worth checking happened); 3 it could not
// run, or a result could not be written. A violation outweighs a result that could
// not be written.
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
	"github.com/lockproof/lockproof/report"
)

// Exit codes.
const (
	exitOK        = report.ExitOK
	exitViolation = report.ExitViolation
	exitUnknown   = report.ExitUnknown
	exitCannotRun = report.ExitCannotRun
)

// exitError carries an exit code that is not 0, of an end that was told already.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := cli.Context(context.Background())
	defer stop()
	out := cli.NewOutput(stdout)
	root := &cobra.Command{
		Use:   "locksim",
		Short: "Test whether a distributed lock works",
		Long: "locksim runs a lock under clock faults, partitions, latency, pauses, crashes and\n" +
			"lost replies, in a deterministic simulator and against real servers, and checks\n" +
			"what happened.\n\n" +
			"Exit codes: 0 every promise was kept; 1 one was broken; 2 unknown (a check gave\n" +
			"up, the run was interrupted, or nothing worth checking happened); 3 it could not\n" +
			"run, or a result could not be written.",
	}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	root.AddCommand(runCommand(), replayCommand(), checkCommand(), shrinkCommand(), reproCommand(), listCommand(), doctorCommand(), serversCommand())
	cli.Prepare(root)
	code := exitCode(ctx, root.ExecuteContext(ctx), stderr)
	if err := out.Err(); err != nil && code == exitOK {
		fmt.Fprintln(stderr, "locksim:", err)
		return exitCannotRun
	}
	return code
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

func exitCode(ctx context.Context, err error, stderr io.Writer) int {
	var told exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &told):
		return told.code
	case interrupted(ctx, err):
		fmt.Fprintln(stderr, "locksim: interrupted before there was a result")
		return exitUnknown
	}
	fmt.Fprintln(stderr, "locksim:", oneLine(err))
	return exitCannotRun
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// interrupted tells the end that was asked for from any other error.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

// ended turns an exit code into what a command returns.
func ended(code int) error {
	if code == exitOK {
		return nil
	}
	return exitError{code}
}
