// Command release works on the modules of this repository as a whole, from its
// root:
//
//	go run ./cmd/internal/release tidy              go mod tidy in each module of the workspace
//	go run ./cmd/internal/release tidy -diff        says what tidy would change, and fails if it would
//	go run ./cmd/internal/release version v0.1.0    lets the modules require each other in that version
//	go run ./cmd/internal/release rehearse          releases the tree to a folder, and uses it from outside
//
// Between releases the modules require each other as v0.0.0, which was never
// published, and go.work says that it is this checkout. A module on its own does
// not see go.work, which is why tidy cannot be left to the go command alone, and
// why what builds here may not build for those who import it: the rehearsal does
// what they do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		return fmt.Errorf("run this from the root of the repository: %w", err)
	}
	switch {
	case len(args) > 0 && args[0] == "tidy":
		flags := flag.NewFlagSet("tidy", flag.ContinueOnError)
		diff := flags.Bool("diff", false, "say what would change")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return tidyAll(ctx, root, *diff)
	case len(args) == 2 && args[0] == "version":
		return setVersion(root, args[1])
	case len(args) > 0 && args[0] == "rehearse":
		flags := flag.NewFlagSet("rehearse", flag.ContinueOnError)
		version := flags.String("version", "v0.1.0", "the version to release")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return rehearse(ctx, root, *version)
	}
	return errors.New("there are tidy, version VERSION and rehearse")
}
