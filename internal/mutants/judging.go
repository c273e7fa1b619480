package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
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
	return askWith(ctx, asMutant(id), judge, id, args...)
}

func askWith(ctx context.Context, env []string, judge string, id int, args ...string) (simulated, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, judge, args...)
	cmd.Env = env
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

// trace runs the original and notes which mutants would have made a difference
// in which seeds. The judge reads that file again.
func (r *runner) trace(ctx context.Context) error {
	env := append(asMutant(0), mutant.TraceVariable+"="+mutant.InMemory)
	switch a, err := askWith(ctx, env, r.bins.Judge, 0, "-seeds", fmt.Sprint(r.p.seeds), "-trace", r.bins.Plan); {
	case err != nil:
		return err
	case a.Caught != "":
		return fmt.Errorf("the original does not pass: %s", a.Caught)
	}
	text, err := os.ReadFile(r.bins.Plan)
	if err != nil {
		return err
	}
	var plan struct {
		Mutants map[int]string `json:"mutants"`
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		return err
	}
	r.bins.Reached = map[int]int{}
	for id, seeds := range plan.Mutants {
		b, err := hex.DecodeString(seeds)
		if err != nil {
			return err
		}
		for _, x := range b {
			r.bins.Reached[id] += bits.OnesCount8(x)
		}
	}
	return nil
}
