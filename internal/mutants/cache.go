package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
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
