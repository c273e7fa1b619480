package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/lockproof/lockproof/internal/mutants/mutant"
)

// simulated is what the judge prints, and what became of the judge.
type simulated struct {
	Caught  string         `json:"caught,omitempty"`
	Seed    uint64         `json:"seed,omitempty"`
	Seeds   int            `json:"seeds"`
	Differs bool           `json:"differs,omitempty"`
	Budgets map[string]int `json:"budgets,omitempty"`
}

// The machine may be busy; a mutant that hangs uses processor time, and the
// judge itself ends it. This is for those that do not even do that.
const patience = 20 * time.Minute

// ask runs a judge as mutant id; 0 is the original.
func ask(ctx context.Context, judge string, id int, args ...string) (simulated, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, judge, args...)
	cmd.Env = asMutant(id)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var s simulated
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return simulated{Caught: "hang: no answer"}, nil
	case ctx.Err() != nil:
		return s, context.Cause(ctx)
	case errors.As(err, &exit) && id != 0:
		return simulated{Caught: "panic: " + firstLine(errs.String())}, nil
	case err != nil:
		return s, fmt.Errorf("%s %v: %w\n%s", judge, args, err, errs.Bytes())
	}
	return s, json.Unmarshal(out.Bytes(), &s)
}

func asMutant(id int) []string {
	return append(os.Environ(), fmt.Sprintf("%s=%d", mutant.Variable, id))
}

func firstLine(text string) string {
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			if len(l) > 120 {
				l = l[:120]
			}
			return l
		}
	}
	return "without a word"
}

// test is a test of a package, with how long it takes.
type test struct {
	name string
	took time.Duration
}

var failedTest = regexp.MustCompile(`--- FAIL: (\S+)`)

// check runs the unit tests as mutant id, and returns which failed, or "".
func (u *unit) check(ctx context.Context, id int) (string, error) {
	limit := time.Minute
	args := []string{"-test.failfast", "-test.timeout", limit.String()}
	if u.tests != nil {
		var names []string
		for _, t := range u.tests {
			names = append(names, t.name)
		}
		args = append(args, "-test.run", "^("+strings.Join(names, "|")+")$")
	}
	cmd := exec.CommandContext(ctx, u.path, args...)
	cmd.Dir, cmd.Env = u.dir, asMutant(id)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.As(err, &exit):
		return failure(out.String()), nil
	}
	return "", err
}

// failure finds the first test that a run of tests says failed.
func failure(out string) string {
	if strings.Contains(out, "panic: test timed out") {
		return "hang"
	}
	if m := failedTest.FindStringSubmatch(out); m != nil {
		return m[1]
	}
	for _, l := range strings.Split(out, "\n") {
		if strings.HasPrefix(l, "panic:") || strings.HasPrefix(l, "fatal error:") {
			return firstLine(l)
		}
	}
	return firstLine(out)
}
