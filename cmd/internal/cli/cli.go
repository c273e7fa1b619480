// Package cli is what the two commands have in common: how they end, how they
// refuse a command line, and what they say about themselves.
//
// A signal ends what is under way; a second one ends the process. A result that
// could not be written to standard output is an error, whatever the command.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// Context ends with the first signal that asks the process to end: an interrupt,
// SIGTERM, or SIGHUP, unless the process was started to outlive its terminal
// (nohup). From then on the next one kills. The caller calls stop.
func Context(parent context.Context) (ctx context.Context, stop func()) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop = signal.NotifyContext(parent, signals...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Output is standard output that remembers whether it could be written to.
type Output struct {
	w   io.Writer
	err error
}

// NewOutput returns an Output to w.
func NewOutput(w io.Writer) *Output { return &Output{w: w} }

// Write implements io.Writer.
func (o *Output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("standard output: %w", err)
	}
	return n, err
}

// Err is the first error of a Write.
func (o *Output) Err() error { return o.err }

// Terminal returns the terminal that w writes to, if it does.
func Terminal(w io.Writer) (*os.File, bool) {
	if o, ok := w.(*Output); ok {
		w = o.w
	}
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// Colors reports whether escape sequences for colours are wanted on a terminal.
func Colors() bool { return os.Getenv("NO_COLOR") == "" && !Dumb() }

// Dumb reports whether the terminal understands no escape sequences at all.
func Dumb() bool { return os.Getenv("TERM") == "dumb" }

// Prepare gives the root command what both commands do alike: --version, the
// commands help and completion, and the refusal of unknown commands, unknown
// flags and flags with an empty value. It is called when all commands are added.
func Prepare(root *cobra.Command) {
	root.Version = Version()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SilenceUsage, root.SilenceErrors = true, true
	root.Args = knownCommand
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages |", "FlagUsagesWrapped 80 |"))
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return emptyFlag(cmd) }
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = knownCommand, root.RunE
		}
	}
}

// helpCommand refuses to help with what there is not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = knownCommand(about, rest)
			}
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("there is no command %q", strings.Join(args, " "))
			}
			if err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// knownCommand refuses what is no command, and says what is.
func knownCommand(parent *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" { // cobra hides that one
			names = append(names, c.Name())
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q; there are %s", args[0], strings.Join(names, ", "))
}

// flagError says which flags there are.
func flagError(cmd *cobra.Command, err error) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return fmt.Errorf("%w; %s takes %s", err, cmd.CommandPath(), strings.Join(names, ", "))
}

// emptyFlag refuses a flag that was given an empty value. It is mostly that of a
// variable of a script that is not set, and the default is not what was meant.
func emptyFlag(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.String() == "" {
			err = fmt.Errorf("--%s is empty; leave it out for the default", f.Name)
		}
	})
	return err
}
