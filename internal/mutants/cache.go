package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
	"os"
	"sync"

	"github.com/lockproof/lockproof/internal/mutants/mutant"
)

// kept is what is known of a mutant so far.
type kept struct {
	Reached int        `json:"reached,omitempty"`
	Sweep   *simulated `json:"sweep,omitempty"`
	Tests   *string    `json:"tests,omitempty"`
}

// line is one line of the cache. What was found counts as long as the source
// does not change.
type line struct {
	Key     string `json:"key"`
	OfSweep string `json:"of_sweep"`
	OfTests string `json:"of_tests"`
	kept
}

// cache keeps outcomes in a file, a line each, the last of a key counting.
type cache struct {
	sweep, tests string

	mu    sync.Mutex
	known map[string]kept
	out   *os.File
}

func openCache(path, sweep, tests string) (*cache, error) {
	c := &cache{sweep: sweep, tests: tests, known: map[string]kept{}}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	c.out = out
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue // cut off when the run was
		}
		k := c.known[l.Key]
		if l.Sweep != nil && l.OfSweep == sweep {
			k.Sweep, k.Reached = l.Sweep, l.Reached
		}
		if l.Tests != nil && l.OfTests == tests {
			k.Tests = l.Tests
		}
		c.known[l.Key] = k
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	_, err = out.WriteString("\n") // after a line that was cut off
	return c, err
}

func (c *cache) get(key string) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.known[key]
	return &k
}

func (c *cache) put(key string, k *kept) error {
	text, err := json.Marshal(line{key, c.sweep, c.tests, *k})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[key] = *k
	_, err = c.out.Write(append(text, '\n'))
	return err
}

func (c *cache) close() { _ = c.out.Close() } // every line was written

// trace runs the original and notes which mutants would have made a difference
// in which seeds.
func (r *runner) trace(ctx context.Context) error {
	if err := os.Setenv(mutant.TraceVariable, "1"); err != nil {
		return err
	}
	_, err := ask(ctx, r.bins.judge, 0, "-seeds", fmt.Sprint(r.p.seeds), "-trace", r.bins.plan)
	_ = os.Unsetenv(mutant.TraceVariable) // the name is valid
	if err != nil {
		return err
	}
	text, err := os.ReadFile(r.bins.plan)
	if err != nil {
		return err
	}
	var plan struct {
		Mutants map[int]string `json:"mutants"`
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		return err
	}
	r.reached = map[int]int{}
	for id, seeds := range plan.Mutants {
		b, err := hex.DecodeString(seeds)
		if err != nil {
			return err
		}
		for _, x := range b {
			r.reached[id] += bits.OnesCount8(x)
		}
	}
	return nil
}
