package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/subjects"
)

// oneOf has a shell complete names, and no files.
func oneOf(names []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRun has a shell complete the flags of run that are names. The errors
// would be those of flags that are not there.
func completeRun(cmd *cobra.Command) {
	var locks []string
	for _, s := range subjects.All() {
		locks = append(locks, s.Name)
	}
	_ = cmd.RegisterFlagCompletionFunc("subject", oneOf(locks))
	_ = cmd.RegisterFlagCompletionFunc("backend", oneOf(backends()))
	_ = cmd.RegisterFlagCompletionFunc("faults", completeFaults)
}

// completeFaults completes the last name of a list.
func completeFaults(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	words := []string{before + "all", before + "none"}
	for _, g := range fault.Groups() {
		words = append(words, before+string(g))
	}
	for _, k := range fault.Kinds() {
		words = append(words, before+string(k))
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// races are the names that repro takes.
func races() []string {
	var names []string
	for _, r := range harness.Repros() {
		names = append(names, r.Name)
	}
	return names
}
