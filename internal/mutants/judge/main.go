// Command judge decides, in the simulator, whether the lock (or the checker, or
// the simulator itself) that was compiled into it is broken. The program mutants
// builds it with mutated source and starts it once for each mutant. It prints
// one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/mutants/mutant"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// answer is what is printed.
type answer struct {
	// Caught says how, or is empty.
	Caught string `json:"caught,omitempty"`
	// Seed is the first that showed it; Seeds how many were run.
	Seed  uint64 `json:"seed,omitempty"`
	Seeds int    `json:"seeds"`
	// Differs: a run took another course than that of the original.
	Differs bool `json:"differs,omitempty"`
	// Budgets are, for each broken subject, after how many seeds it was caught.
	Budgets map[string]int `json:"budgets,omitempty"`
}

// A process that needs more is taken for one that hangs.
const (
	secondsOfSeed = 5       // of processor time, for one seed that takes milliseconds
	mostMemory    = 3 << 30 // bytes of heap
)

// job is what is asked for.
type job struct {
	first  uint64
	seeds  int
	known  bool
	budget string
	plan   *plan // which seeds can differ from the original's; nil: all
	trace  string
}

func main() {
	var j job
	flag.IntVar(&j.seeds, "seeds", 2000, "how many seeds of the reference must be kept")
	flag.Uint64Var(&j.first, "first", 1, "the first of them")
	flag.BoolVar(&j.known, "known", false, "print after how many seeds each broken subject is caught")
	flag.StringVar(&j.budget, "budgets", "", "broken subjects that must be caught, as JSON: name and how many seeds there are for it")
	flag.StringVar(&j.trace, "trace", "", "write to this file which mutant would make a difference in which seed")
	path := flag.String("plan", "", "such a file: run only the seeds in which this mutant makes a difference")
	flag.Parse()
	go watch()
	a, err := j.run(*path)
	if err != nil {
		a.Caught = "error: " + line(err.Error())
	}
	out(a)
}

func (j *job) run(path string) (a answer, err error) {
	if path != "" {
		if j.plan, err = readPlan(path); err != nil {
			return a, err
		}
	}
	if j.trace != "" {
		return a, j.write()
	}
	return j.judge()
}

func line(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return text
}

func out(a answer) {
	_ = json.NewEncoder(os.Stdout).Encode(a) // who started it sees a broken pipe itself
	os.Exit(0)
}

func (j *job) judge() (answer, error) {
	a, err := j.reference()
	if err != nil || a.Caught != "" {
		return a, err
	}
	if j.known {
		a.Budgets = map[string]int{}
		for _, s := range subjects.All() {
			if s.Breaks == "" {
				continue
			}
			n, err := caughtAfter(s, 1000)
			if err != nil {
				return a, err
			}
			if n > 0 {
				a.Budgets[s.Name] = n
			}
		}
	}
	if j.budget == "" {
		return a, nil
	}
	var most map[string]int
	if err := json.Unmarshal([]byte(j.budget), &most); err != nil {
		return a, err
	}
	for _, s := range subjects.All() {
		if most[s.Name] == 0 {
			continue
		}
		n, err := caughtAfter(s, most[s.Name])
		if err != nil {
			return a, err
		}
		if n == 0 {
			a.Caught = "missed: " + s.Name
			return a, nil
		}
	}
	return a, nil
}

func scenario(subject string) (harness.Scenario, error) {
	kinds, err := fault.ParseKinds("all")
	return harness.Scenario{Subject: subject, Kinds: kinds}.WithDefaults(), err
}

// reference sweeps the lock under test until something is wrong. The seeds in
// which the mutant makes no difference need not be run: they would go as those of
// the original.
func (j *job) reference() (answer, error) {
	var a answer
	base, err := scenario(subjects.ReferenceName)
	if err != nil {
		return a, err
	}
	for n := 0; n < j.seeds; {
		if j.plan != nil && !j.plan.has(n) {
			n++
			continue
		}
		most := min(chunk, j.seeds-n)
		if j.plan != nil {
			most = j.plan.row(n, most)
		}
		s, err := harness.Sweep{
			Subject: subjects.Reference(), Base: base, First: j.first + uint64(n), Seeds: most, StopAfter: 1, Progress: progress,
		}.Run(context.Background())
		if err != nil {
			return a, err
		}
		a.Seeds += s.Seeds
		for _, f := range s.Failures {
			a.Caught, a.Seed = "violation: "+violated(f.Verdict.Properties), f.Scenario.Seed
			return a, nil
		}
		if s.Verdict != linearizability.OK {
			a.Caught, a.Seed = "unknown: "+unknown(s), j.first+uint64(n)
			return a, nil
		}
		a.Differs = a.Differs || j.plan != nil && j.plan.hashOf(n, most) != s.HashOfHashes
		n += most
	}
	return a, nil
}

func violated(properties []linearizability.Property) string {
	for _, p := range properties {
		if p.Verdict == linearizability.Violation && !p.Informational {
			return p.Name
		}
	}
	return "of nothing"
}

func unknown(s *harness.Summary) string {
	if s.Vacuous != "" {
		return s.Vacuous
	}
	for _, p := range s.Properties {
		if p.Verdict == linearizability.Unknown && !p.Informational {
			return p.Name
		}
	}
	return "nothing was judged"
}

// caughtAfter sweeps a broken subject until what it is said to break is seen
// broken, and returns after how many seeds; 0 if it was not.
func caughtAfter(s subjects.Subject, most int) (int, error) {
	base, err := scenario(s.Name)
	if err != nil {
		return 0, err
	}
	for after := 0; after < most; {
		sum, err := harness.Sweep{
			Subject: s, Base: base, First: 1 + uint64(after), Seeds: most - after, StopAfter: 1, Progress: progress,
		}.Run(context.Background())
		if err != nil {
			return 0, err
		}
		after += sum.Seeds
		for _, f := range sum.Failures {
			if p, ok := f.Verdict.Property(s.Breaks); ok && p.Verdict == linearizability.Violation {
				return after, nil
			}
		}
	}
	return 0, nil
}

// done counts seeds.
var done atomic.Int64

func progress(int, int) { done.Add(1) }

// watch ends the process when a mutant loops, waits for ever or eats memory. It
// counts processor time, so that a busy machine makes no difference. It ends
// with the process.
func watch() {
	last, since := int64(-1), mutant.ProcessorTime()
	still := 0
	for {
		time.Sleep(250 * time.Millisecond)
		now := mutant.ProcessorTime()
		if n := done.Load(); n != last {
			last, since, still = n, now, 0
		}
		if still++; now-since > secondsOfSeed*time.Second {
			out(answer{Caught: "hang: a seed does not end", Seeds: int(last)})
		} else if still > 4*120 && now-since < time.Second {
			out(answer{Caught: "hang: everything waits", Seeds: int(last)})
		}
		m := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(m)
		if m[0].Value.Uint64() > mostMemory {
			out(answer{Caught: "hang: memory without end", Seeds: int(last)})
		}
	}
}
