package main

import (
	"encoding/hex"
	"path/filepath"
	"testing"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/subjects"
)

func TestAPlanIsThoseSeedsThatItNames(t *testing.T) {
	p := &plan{Hashes: []uint64{1, 2, 3}, bits: []byte{0b10110000, 0b00000011}}
	for n, want := range []bool{false, false, false, false, true, true, false, true, true, true, false} {
		if p.has(n) != want {
			t.Errorf("has(%d) is %v", n, !want)
		}
	}
	if p.has(100) {
		t.Error("it has what is beyond its end")
	}
	for _, c := range [][3]int{{4, 100, 2}, {7, 100, 3}, {7, 2, 2}, {6, 100, 0}} {
		if got := p.row(c[0], c[1]); got != c[2] {
			t.Errorf("from %d on, at most %d: %d follow each other, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestTheOriginalIsKeptAndItsHashesAreThoseOfASweep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.json")
	j := &job{first: 3, seeds: 6, trace: path}
	if err := j.write(); err != nil {
		t.Fatal(err)
	}
	p, err := readPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	base, err := scenario(subjects.ReferenceName)
	if err != nil {
		t.Fatal(err)
	}
	s, err := harness.Sweep{Subject: subjects.Reference(), Base: base, First: 5, Seeds: 3}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := p.hashOf(2, 3); got != s.HashOfHashes {
		t.Errorf("the plan says %016x of three seeds, a sweep %016x", got, s.HashOfHashes)
	}
	all, _ := hex.DecodeString("3f")
	p.bits, j.plan = all, p
	a, err := j.judge()
	if err != nil || a.Caught != "" || a.Differs || a.Seeds != 6 {
		t.Errorf("the original: %+v, error %v", a, err)
	}
	p.Hashes[4]++
	if a, err := j.judge(); err != nil || !a.Differs {
		t.Errorf("another course was not seen: %+v, error %v", a, err)
	}
}

func TestABrokenLockIsCaughtWithinItsBudgetOrMissed(t *testing.T) {
	j := &job{first: 1, seeds: 0, known: true}
	a, err := j.judge()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range subjects.All() {
		if s.Breaks != "" && a.Budgets[s.Name] == 0 {
			t.Errorf("%s was not caught", s.Name)
		}
	}
	j = &job{budget: `{"natslock": 200}`}
	if a, err := j.judge(); err != nil || a.Caught != "" {
		t.Errorf("natslock is caught: %+v, error %v", a, err)
	}
	if after := a.Budgets["natslock"]; after > 1 {
		j = &job{budget: `{"natslock": 1}`}
		if a, err := j.judge(); err != nil || a.Caught != "missed: natslock" {
			t.Errorf("natslock is caught after %d seeds; with one: %+v, error %v", after, a, err)
		}
	}
}
