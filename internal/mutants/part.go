package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lockproof/lockproof/internal/mutants/schemata"
)

// outcome is what became of one mutant.
type outcome struct {
	Key  string `json:"key"`
	File string `json:"file"`
	Func string `json:"func"`
	Line int    `json:"line"`
	Kind string `json:"kind"`
	Was  string `json:"was"`
	Now  string `json:"now"`
	// Reached: in so many seeds of the reference it made a difference to a value,
	// or its place was come by.
	Reached int `json:"reached"`
	// Simulator says how a sweep caught it, or is empty; Seed is the first.
	Simulator string `json:"simulator,omitempty"`
	Seed      uint64 `json:"seed,omitempty"`
	// Differs: it survived the sweep, and took another course there.
	Differs bool `json:"differs,omitempty"`
	// Test is the unit test that caught it, if the tests were run.
	Test string `json:"test,omitempty"`
	// Class and Reason come from explained.txt.
	Class  string `json:"class,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (o *outcome) caught() bool { return o.Simulator != "" || o.Test != "" }

// found is what a run of a part brought.
type found struct {
	outcomes []*outcome
	made     int // mutants there are
	dropped  int // that do not compile
}

// runPart makes the mutants of a part and judges them.
func runPart(ctx context.Context, o options, p part, budgets map[string]int) (*found, error) {
	say("%s: making mutants", p.name)
	pkg, err := schemata.Load(p.pkg)
	if err != nil {
		return nil, err
	}
	s, err := pkg.Mutate(p.files)
	if err != nil {
		return nil, err
	}
	picked := pick(s.Mutants, p, o)
	f := &found{made: len(s.Mutants), dropped: s.Dropped}
	say("%s: %d mutants, of which %d are run", p.name, len(s.Mutants), len(picked))
	r, err := newRunner(ctx, o, p, budgets)
	if err != nil {
		return nil, err
	}
	defer r.cache.close()
	if r.missing(picked) {
		if err := r.prepare(ctx, s); err != nil {
			return nil, err
		}
	}
	f.outcomes, err = r.judgeAll(ctx, picked)
	return f, err
}

// pick takes the sample.
func pick(all []*schemata.Mutant, p part, o options) []*schemata.Mutant {
	var picked []*schemata.Mutant
	for _, m := range all {
		h := fnv.New32a()
		h.Write([]byte(m.Key()))
		if (o.all || h.Sum32()%uint32(p.oneIn) == 0) && strings.Contains(m.Key(), o.match) {
			picked = append(picked, m)
		}
	}
	return picked
}

// runner judges the mutants of one part.
type runner struct {
	o       options
	p       part
	cache   *cache
	bins    *binaries
	budgets string
}

func newRunner(ctx context.Context, o options, p part, budgets map[string]int) (*runner, error) {
	sweep, err := fingerprint(ctx, false, judgePackage)
	if err != nil {
		return nil, err
	}
	tests, err := fingerprint(ctx, true, p.units...)
	if err != nil {
		return nil, err
	}
	r := &runner{o: o, p: p}
	if p.known {
		text, err := json.Marshal(budgets)
		if err != nil {
			return nil, err
		}
		r.budgets = string(text)
	}
	sweep = fmt.Sprintf("%s %d %s", sweep, p.seeds, r.budgets)
	r.cache, err = openCache(filepath.Join(o.work, p.name+".jsonl"), sweep, tests)
	return r, err
}

func (r *runner) missing(picked []*schemata.Mutant) bool {
	for _, m := range picked {
		if !r.complete(r.cache.get(m.Key())) {
			return true
		}
	}
	return false
}

// complete: nothing is left to do for a mutant. One that the tests caught goes
// through the sweep all the same where its score counts.
func (r *runner) complete(k *kept) bool {
	swept, tested := k.Sweep != nil, k.Tests != nil
	switch {
	case swept && k.Sweep.Caught != "", swept && tested:
		return true
	case tested && *k.Tests != "":
		return !r.p.sweepFirst
	}
	return false
}

// prepare builds, and runs the original: it must pass everything.
func (r *runner) prepare(ctx context.Context, s *schemata.Schemata) error {
	h := fnv.New64a()
	for _, m := range s.Mutants {
		h.Write([]byte(m.Key() + "\n"))
	}
	of := fmt.Sprintf("%s %s %x", r.cache.sweep, r.cache.tests, h.Sum64())
	path := filepath.Join(r.o.work, r.p.name, "binaries.json")
	if r.bins = loadBinaries(path, of); r.bins != nil {
		return nil
	}
	say("%s: building", r.p.name)
	var err error
	if r.bins, err = build(ctx, r.o, r.p, s); err != nil {
		return err
	}
	say("%s: running the original", r.p.name)
	if err := r.trace(ctx); err != nil {
		return err
	}
	if r.budgets != "" {
		a, err := ask(ctx, r.bins.Judge, 0, r.judgeArgs()...)
		if err != nil {
			return err
		}
		if a.Caught != "" {
			return fmt.Errorf("the original does not pass: %s", a.Caught)
		}
	}
	for i := range r.bins.Units {
		if err := r.bins.Units[i].measure(ctx, r.p.skip); err != nil {
			return err
		}
	}
	r.bins.Of = of
	return r.bins.save(path)
}

func (r *runner) judgeArgs() []string {
	args := []string{"-seeds", fmt.Sprint(r.p.seeds), "-plan", r.bins.Plan}
	if r.budgets != "" {
		args = append(args, "-budgets", r.budgets)
	}
	return args
}

// judgeAll judges the mutants, so many at a time.
func (r *runner) judgeAll(ctx context.Context, picked []*schemata.Mutant) ([]*outcome, error) {
	outcomes := make([]*outcome, len(picked))
	var mu sync.Mutex
	var failed error
	done, caught, said := 0, 0, time.Now()
	var workers sync.WaitGroup
	next := make(chan int)
	for range max(1, r.o.jobs) {
		workers.Go(func() { // ends with next; awaited below
			for i := range next {
				out, err := r.judge(ctx, picked[i])
				mu.Lock()
				outcomes[i] = out
				if err != nil && failed == nil {
					failed = err
				}
				if done++; out != nil && out.caught() {
					caught++
				}
				if time.Since(said) > 10*time.Second {
					said = time.Now()
					say("%s: %d of %d, %d not caught", r.p.name, done, len(picked), done-caught)
				}
				mu.Unlock()
			}
		})
	}
	for i := range picked {
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	if failed == nil {
		say("%s: %d of %d, %d not caught", r.p.name, done, len(picked), done-caught)
	}
	return outcomes, failed
}

// judge asks the simulator and the tests, and remembers what they said.
func (r *runner) judge(ctx context.Context, m *schemata.Mutant) (*outcome, error) {
	k := r.cache.get(m.Key())
	ask := []func(context.Context, *schemata.Mutant, *kept) error{r.sweep, r.test}
	if !r.p.sweepFirst {
		ask[0], ask[1] = ask[1], ask[0]
	}
	for _, f := range ask {
		if r.complete(k) {
			break
		}
		if err := f(ctx, m, k); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Key(), err)
		}
		if err := r.cache.put(m.Key(), k); err != nil {
			return nil, err
		}
	}
	out := &outcome{Key: m.Key(), File: m.File, Func: m.Func, Line: m.Line, Kind: m.Kind, Was: m.Was, Now: m.Now, Reached: k.Reached}
	if k.Sweep != nil {
		out.Simulator, out.Seed, out.Differs = k.Sweep.Caught, k.Sweep.Seed, k.Sweep.Differs
	}
	if k.Tests != nil {
		out.Test = *k.Tests
	}
	return out, nil
}

func (r *runner) sweep(ctx context.Context, m *schemata.Mutant, k *kept) error {
	if k.Sweep != nil {
		return nil
	}
	k.Reached = r.bins.Reached[m.ID]
	if k.Reached == 0 && r.budgets == "" {
		k.Sweep = &simulated{} // it would be the original's sweep
		return nil
	}
	a, err := ask(ctx, r.bins.Judge, m.ID, r.judgeArgs()...)
	if err == nil {
		k.Sweep = &a
	}
	return err
}

func (r *runner) test(ctx context.Context, m *schemata.Mutant, k *kept) error {
	if k.Tests != nil {
		return nil
	}
	for i := range r.bins.Units {
		failed, err := r.bins.Units[i].check(ctx, m.ID)
		if err != nil {
			return err
		}
		k.Tests = &failed
		if failed != "" {
			return nil
		}
	}
	return nil
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}
