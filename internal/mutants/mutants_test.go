package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExplanationsAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "explained.txt")
	read := func(text string) ([]*explanation, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readExplained(path)
	}
	all, err := read("# a remark\n\na.go f: 1 => 0\nb.go g: [...] => true\n\tequivalent: it is always true\n\nc.go h: x => y\n\taccepted: nobody promised: ever\n")
	if err != nil || len(all) != 3 {
		t.Fatalf("%d entries, error %v", len(all), err)
	}
	if e := all[0]; e.class != equivalent || e.reason != "it is always true" || e.line != 3 || *all[1] != (explanation{"b.go g: [...] => true", e.class, e.reason, 4, 0}) {
		t.Errorf("got %+v and %+v", e, all[1])
	}
	if e := all[2]; e.class != accepted || e.reason != "nobody promised: ever" {
		t.Errorf("got %+v", e)
	}
	for text, want := range map[string]string{
		"a.go f: 1 => 0\n":                    ":1: \"a.go f: 1 => 0\" has no reason",
		"\tequivalent: alone\n":               ":1: want a pattern",
		"a.go f: 1 => 0\n\tprobably: it is\n": ":2: want a pattern",
		"a.go f: 1 => 0\n\tequivalent\n":      ":2: want a pattern",
		"a\n\tequivalent: x\n\taccepted: y\n": ":3: want a pattern",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a.go f: x => y", "a.go f: x => y", true},
		{"a.go f: x => y", "a.go f: x => yy", false},
		{"a.go [...]: x => y", "a.go T.f#2: x => y", true},
		{"a.go [...]: x => y", "a.go f: xx => y", false},
		{"a.go f: [...]*[...] => y", "a.go f: 2*3 => y", true},
		{"a.go f: [...]*[...] => y", "a.go f: 2+3 => y", false},
		{"[...]", "anything", true},
		{"aa[...]aa", "aaa", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
}

func reported(all []*explanation, outcomes ...*outcome) *report {
	r := &report{}
	r.add(part{name: "p", sweepFirst: true, oneIn: 1}, &found{outcomes: outcomes, made: len(outcomes)})
	r.explain(all)
	return r
}

func TestASurvivorWithoutAWordIsCounted(t *testing.T) {
	r := reported([]*explanation{
		{pattern: "a.go f: 3 => 6", class: equivalent, reason: "same"},
		{pattern: "a.go f: 4 => 8", class: accepted, reason: "not promised"},
	},
		&outcome{Key: "a.go f: 1 => 0", File: "a.go", Simulator: "violation: liveness", Reached: 7},
		&outcome{Key: "a.go f: 2 => 4", File: "a.go", Test: "TestF", Reached: 1},
		&outcome{Key: "a.go f: 3 => 6", File: "a.go"},
		&outcome{Key: "a.go f: 4 => 8", File: "a.go", Reached: 2},
		&outcome{Key: "b.go f: 5 => 10", File: "b.go"},
	)
	if r.Unexplained != 1 || len(r.Stale) != 0 {
		t.Errorf("%d unexplained, stale %q", r.Unexplained, r.Stale)
	}
	if got, want := r.Parts[0].Total, (score{File: "all", Run: 5, Equivalent: 1, Reached: 3, Simulator: 1, Caught: 2, Accepted: 1}); got != want {
		t.Errorf("the total is %+v, want %+v", got, want)
	}
	text := r.markdown()
	for _, want := range []string{
		"| a.go | 4 | 1 | 3 | 1 (33 %) | 2 (66 %) | 1 | 0 |", "| b.go | 1 | 0 | 0 | 0 (0 %) | 0 (0 %) | 0 | 1 |",
		"not promised", "[never reached]", "[reached in 2 seeds, same traces]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q:\n%s", want, text)
		}
	}
}

func TestAnExplanationThatExplainsNothingIsStale(t *testing.T) {
	r := reported([]*explanation{
		{pattern: "a.go f: 1 => 0", class: equivalent, reason: "wrong", line: 1},
		{pattern: "a.go f: gone => 0", class: equivalent, reason: "old", line: 3},
		{pattern: "elsewhere.go f: x => y", class: equivalent, reason: "not run today", line: 5},
	}, &outcome{Key: "a.go f: 1 => 0", File: "a.go", Test: "TestF"})
	if len(r.Stale) != 2 || !strings.Contains(r.Stale[0], "is caught") || !strings.Contains(r.Stale[1], "no such mutant") {
		t.Errorf("stale: %q", r.Stale)
	}
	if o := r.Parts[0].Mutants[0]; o.Class != "" {
		t.Errorf("a mutant that was caught is called %s", o.Class)
	}
}

func TestWhatWasFoundIsKeptUntilTheSourceChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.jsonl")
	open := func(sweep, tests string) *cache {
		c, err := openCache(path, sweep, tests)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.close)
		return c
	}
	none := ""
	put := func(c *cache, key string, k kept) {
		if err := c.put(key, &k); err != nil {
			t.Fatal(err)
		}
	}
	c := open("s1", "t1")
	put(c, "m", kept{Reached: 3, Sweep: &simulated{Seeds: 10}})
	put(c, "m", kept{Reached: 3, Sweep: &simulated{Seeds: 10}, Tests: &none})
	put(c, "n", kept{Sweep: &simulated{Caught: "violation: liveness", Seed: 4}})
	if _, err := c.out.WriteString(`{"key":"n","of_sw`); err != nil { // killed in the middle
		t.Fatal(err)
	}
	r := &runner{}
	if c := open("s1", "t1"); !r.complete(c.get("m")) || !r.complete(c.get("n")) || r.complete(c.get("o")) {
		t.Errorf("kept: %+v, %+v, %+v", c.get("m"), c.get("n"), c.get("o"))
	}
	put(open("s1", "t1"), "o", kept{Sweep: &simulated{Caught: "panic"}})
	if c := open("s1", "t1"); !r.complete(c.get("o")) {
		t.Error("what was found after a line that was cut off is lost")
	}
	if k := open("s1", "t2").get("m"); k.Sweep == nil || k.Tests != nil || k.Reached != 3 {
		t.Errorf("after a change of the tests: %+v", k)
	}
	if k := open("s2", "t1").get("m"); k.Sweep != nil || k.Tests == nil {
		t.Errorf("after a change of what is swept: %+v", k)
	}
}

func TestWhatATestCaughtIsSweptWhereThatCounts(t *testing.T) {
	by, none := "TestF", ""
	counts, not := &runner{p: part{sweepFirst: true}}, &runner{}
	for _, c := range []struct {
		k           kept
		counts, not bool
	}{
		{kept{}, false, false},
		{kept{Tests: &by}, false, true},
		{kept{Tests: &none}, false, false},
		{kept{Sweep: &simulated{}}, false, false},
		{kept{Sweep: &simulated{Caught: "panic"}}, true, true},
		{kept{Sweep: &simulated{}, Tests: &none}, true, true},
	} {
		if got := counts.complete(&c.k); got != c.counts {
			t.Errorf("%+v where the simulator's score counts: %v", c.k, got)
		}
		if got := not.complete(&c.k); got != c.not {
			t.Errorf("%+v elsewhere: %v", c.k, got)
		}
	}
}

func TestBinariesServeUntilWhatTheyWereMadeOfChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "binaries.json")
	if loadBinaries(path, "x") != nil {
		t.Error("there are none yet")
	}
	b := &binaries{Of: "x", Judge: "judge", Units: []unit{{Pkg: "./p", Tests: []test{{Name: "TestF", Reaches: map[int]bool{3: true}}}}}, Reached: map[int]int{3: 7}}
	if err := b.save(path); err != nil {
		t.Fatal(err)
	}
	if got := loadBinaries(path, "x"); got == nil || got.Reached[3] != 7 || !got.Units[0].Tests[0].Reaches[3] {
		t.Errorf("got %+v", got)
	}
	if loadBinaries(path, "y") != nil {
		t.Error("they are of something else")
	}
}

func TestTheFirstFailureIsNamed(t *testing.T) {
	for out, want := range map[string]string{
		"=== RUN TestA\n    --- FAIL: TestA/b (0.00s)\n--- FAIL: TestA (0.01s)\nFAIL": "TestA/b",
		"panic: test timed out after 1m0s\nrunning tests:\n":                          "hang",
		"\npanic: nil map\n\ngoroutine 1":                                             "panic: nil map",
		"":                                                                            "without a word",
	} {
		if got := failure(out); got != want {
			t.Errorf("%q: %q, want %q", out, got, want)
		}
	}
}
