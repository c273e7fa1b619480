package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/mutants/mutant"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// chunk is how many seeds are judged together: enough for a sweep that proves
// nothing to say so.
const chunk = 100

// plan says in which seeds a mutant can make a difference. Two runs of one seed
// are one run, so a mutant whose place is not come by, or whose value is the
// original's each time, is in that seed the original.
type plan struct {
	Hashes  []uint64       `json:"hashes"`  // of the original, by seed
	Mutants map[int]string `json:"mutants"` // a bit for each seed, in hex

	bits []byte // of this process's mutant
}

func readPlan(path string) (*plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, err
	}
	for n, bits := range p.Mutants {
		if mutant.On(n) {
			p.bits, err = hex.DecodeString(bits)
		}
	}
	return p, err
}

func (p *plan) has(n int) bool { return n/8 < len(p.bits) && p.bits[n/8]&(1<<(n%8)) != 0 }

// row is how many seeds from n on, at most so many, follow each other.
func (p *plan) row(n, most int) int {
	length := 0
	for length < most && p.has(n+length) {
		length++
	}
	return length
}

// hashOf is the hash of hashes that a sweep of the original would have.
func (p *plan) hashOf(n, length int) uint64 {
	hash := uint64(0)
	for i := range length {
		hash = (hash ^ p.Hashes[n+i]) * 0x100000001b3
	}
	return hash
}

// write runs every seed of the original and writes the plan.
func (j *job) write() error {
	base, err := scenario(subjects.ReferenceName)
	if err != nil {
		return err
	}
	p := &plan{Mutants: map[int]string{}}
	bits := map[int][]byte{}
	always := mutant.Noted() // by variables of packages, once for all runs
	for n := range j.seeds {
		s, err := base.Draw(subjects.Reference(), j.first+uint64(n), 0)
		if err != nil {
			return err
		}
		r, err := harness.Run(context.Background(), subjects.Reference(), s)
		if err != nil {
			return err
		}
		p.Hashes = append(p.Hashes, r.TraceHash)
		done.Add(1)
		switch r.Verdict.Verdict {
		case linearizability.Violation:
			return fmt.Errorf("seed %d: the original is broken: %s", s.Seed, violated(r.Verdict.Properties))
		case linearizability.Unknown:
			mutant.Noted()
			continue // a seed in which nothing can be told is left out
		}
		for _, m := range append(mutant.Noted(), always...) {
			if bits[m] == nil {
				bits[m] = make([]byte, (j.seeds+7)/8)
			}
			bits[m][n/8] |= 1 << (n % 8)
		}
	}
	for m, b := range bits {
		p.Mutants[m] = hex.EncodeToString(b)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(j.trace, text, 0o644)
}
