package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lockproof/lockproof/subjects"
)

// handMadeRow is one of the locks that package subjects breaks on purpose.
type handMadeRow struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	Breaks  string `json:"breaks"`
	// After how many seeds it was caught; 0: not within 1,000.
	After int `json:"after"`
}

// handMadeLocks knows after how many seeds each was caught, and how many seeds a
// mutant of a checker has for it.
type handMadeLocks struct {
	after   map[string]int
	budgets map[string]int
}

// handMade sweeps the locks that are broken on purpose, with nothing mutated.
func handMade(ctx context.Context, o options) (*handMadeLocks, error) {
	print, err := fingerprint(ctx, false, judgePackage)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(o.work, "handmade.json")
	var old struct {
		Of    string         `json:"of"`
		After map[string]int `json:"after"`
	}
	if text, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(text, &old) // what cannot be read is made again
	}
	if old.Of != print {
		say("sweeping the locks that are broken on purpose")
		judge, err := filepath.Abs(filepath.Join(o.work, "judge"))
		if err != nil {
			return nil, err
		}
		if err := goTool(ctx, "build", "-o", judge, judgePackage); err != nil {
			return nil, err
		}
		a, err := ask(ctx, judge, 0, "-seeds", "0", "-known")
		if err != nil {
			return nil, err
		}
		if a.Caught != "" {
			return nil, fmt.Errorf("broken subjects: %s", a.Caught)
		}
		old.Of, old.After = print, a.Budgets
		text, err := json.Marshal(old)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
	}
	h := &handMadeLocks{after: old.After, budgets: map[string]int{}}
	for name, after := range old.After {
		// A checker that sees less may see it a little later, and be no worse.
		if after > 0 {
			h.budgets[name] = after + 10
		}
	}
	return h, nil
}

func (h *handMadeLocks) rows() []handMadeRow {
	var rows []handMadeRow
	for _, s := range subjects.All() {
		if s.Breaks != "" {
			rows = append(rows, handMadeRow{s.Name, s.Summary, s.Breaks, h.after[s.Name]})
		}
	}
	slices.SortStableFunc(rows, func(a, b handMadeRow) int { return b.After - a.After })
	return rows
}
