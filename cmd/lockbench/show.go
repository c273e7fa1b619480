package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lockproof/lockproof/cmd/internal/benchreport"
)

func showCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "show RESULT.json",
		Short: "Show a result file again, or make its page, tables and pictures",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s takes one file, but %d were given", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := readResult(args[0])
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if err := show(w, r); err != nil {
				return err
			}
			if dir == "" {
				return nil
			}
			if err := benchreport.WriteFiles(dir, r); err != nil {
				return err
			}
			fmt.Fprintln(w, "\n"+filepath.Join(dir, benchreport.HTMLFile))
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "out", "", "folder for the result's files (default: none is written)")
	return cmd
}
