package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/servers"
)

func serversCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "servers",
		Short: "Fetch or build the servers that backends run on",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q; locksim servers has get", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "get [NAME...]",
		Short: "Fetch or build what is missing into the user's cache, pinned and verified",
		Long: "Without a name: everything that can be fetched. What is there already is left\n" +
			"alone. Nothing is installed outside the folder lockproof in the user's cache\n" +
			"directory.",
		RunE: getServers,
	})
	return cmd
}

// getServers goes on after a failure: the others may be had.
func getServers(cmd *cobra.Command, names []string) error {
	kinds := servers.Kinds()
	if len(names) > 0 {
		kinds = nil
		for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
			k, err := servers.FindKind(name)
			if err != nil {
				return err
			}
			kinds = append(kinds, k)
		}
	}
	var failures []error
	for _, k := range kinds {
		line := func(text string) { fmt.Fprintf(cmd.OutOrStdout(), "%-12s %s\n", k.Name, text) }
		if cmd.Context().Err() != nil {
			return cmd.Context().Err()
		}
		err := getServer(cmd, k, len(names) > 0, line)
		if err != nil && cmd.Context().Err() != nil {
			line("interrupted")
			return cmd.Context().Err()
		}
		if err != nil {
			line("failed: " + strings.ReplaceAll(err.Error(), "\n", "; "))
			failures = append(failures, fmt.Errorf("%s: %w", k.Name, err))
		}
	}
	if len(failures) > 0 {
		return fmt.Errorf("could not get %d of %d servers: %w", len(failures), len(kinds), errors.Join(failures...))
	}
	return nil
}

// getServer gets one. What cannot be fetched at all is an error only if it was
// asked for by name.
func getServer(cmd *cobra.Command, k servers.Kind, byName bool, line func(string)) error {
	way, err := k.Way(cmd.Context())
	if err == nil {
		line("there: " + way)
		return nil
	}
	if k.Get == nil {
		if byName {
			return err
		}
		line("cannot be fetched: " + err.Error())
		return nil
	}
	if err := k.Get(cmd.Context(), line); err != nil {
		if missing := (*servers.MissingError)(nil); k.Optional && !byName && errors.As(err, &missing) {
			line("cannot be had here: " + missing.Detail + "; " + missing.Remedy)
			return nil
		}
		return err
	}
	if way, err = k.Way(cmd.Context()); err != nil {
		return err
	}
	line("got: " + way)
	return nil
}
