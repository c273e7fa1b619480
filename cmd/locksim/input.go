package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/resultfile"
)

// standardInput is what a path names instead of a file.
const standardInput = "-"

// input opens a file, or standard input for "-".
func input(path string) (io.ReadCloser, error) {
	if path == standardInput {
		return io.NopCloser(os.Stdin), nil
	}
	f, err := resultfile.Open(path)
	if errors.Is(err, resultfile.ErrNotRegular) {
		return nil, fmt.Errorf("%w; use - for standard input", err)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// interruptible calls read and returns what it does, or the context's error as
// soon as that ends. The goroutine then stays with its read, which nothing can
// end, until the process does.
func interruptible[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := read()
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// mostScenario bounds a scenario file: a larger one is none of ours.
const mostScenario = 16 << 20

func readScenario(ctx context.Context, path string) (harness.Scenario, error) {
	f, err := input(path)
	if err != nil {
		return harness.Scenario{}, err
	}
	defer f.Close()
	return interruptible(ctx, func() (harness.Scenario, error) {
		b, err := io.ReadAll(io.LimitReader(f, mostScenario+1))
		if err != nil {
			return harness.Scenario{}, err
		}
		if len(b) > mostScenario {
			return harness.Scenario{}, fmt.Errorf("%s is larger than %d bytes", path, mostScenario)
		}
		s, err := harness.DecodeScenario(b)
		if unknown := checkBackend(s.Backend); err != nil && s.Backend != "" && unknown != nil {
			err = unknown // what is wrong besides was said of a real store
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", path, err)
		}
		return s, nil
	})
}
