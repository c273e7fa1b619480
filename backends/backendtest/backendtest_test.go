package backendtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// impatient is for stores that never do what they should.
var impatient = backendtest.Options{Patience: 300 * time.Millisecond}

func caseNamed(t *testing.T, name string) backendtest.Case {
	t.Helper()
	for _, c := range backendtest.Cases() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no case %q", name)
	panic("unreachable")
}

func TestEachBreakageIsReportedByItsCase(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	for _, b := range breakages(stop) {
		t.Run(b.name, func(t *testing.T) {
			c := caseNamed(t, b.caught)
			store := b.open()
			if why := c.Skip(store, impatient); why != "" {
				t.Fatalf("%s does not apply: %s", c.Name, why)
			}
			err := c.Run(t.Context(), store, impatient)
			if err == nil {
				t.Fatalf("%s passed", c.Name)
			}
			if text := err.Error(); !strings.HasPrefix(text, c.Name+": ") || !strings.Contains(text, c.Guarantee) {
				t.Errorf("the error does not name the case and the guarantee: %v", err)
			}
			t.Log(err)
		})
	}
}

// Every case that a memory store runs must be able to fail: a case that no
// breakage is aimed at may be vacuous.
func TestEveryCaseHasBeenSeenToFail(t *testing.T) {
	aimed := map[string]bool{}
	for _, b := range breakages(nil) {
		aimed[b.caught] = true
	}
	for _, also := range alsoCaught {
		aimed[also.caught] = true
	}
	for _, c := range backendtest.Cases() {
		if !aimed[c.Name] {
			t.Errorf("no broken store is aimed at %s", c.Name)
		}
	}
}

// alsoCaught aims breakages at the cases that share their subject with others.
var alsoCaught = []breakage{
	{"drops the first write", "create-then-get", func() lock.Store { return &forgetful{Store: memory.New()} }},
	{"reads a missing key as empty", "get-missing", func() lock.Store { return haunted{memory.New()} }},
	{"update keeps the revision", "update-changes-revision", func() lock.Store { return &frozen{Store: memory.New()} }},
	{"creates nothing after a delete", "create-after-delete", func() lock.Store { return &tombstones{Store: memory.New()} }},
	{"checks, then writes", "one-creator-wins", func() lock.Store { return &checkThenWrite{Store: memory.New()} }},
	{"checks, then writes", "one-winner-per-revision", func() lock.Store { return &checkThenWrite{Store: memory.New()} }},
	{"reads one write behind", "reads-never-go-back", func() lock.Store { return &behind{Store: memory.New()} }},
	{"Wait sleeps on what differs", "wait-returns-at-once", func() lock.Store { return oversleeper{memory.New()} }},
	{"Wait never wakes", "wait-sees-creation", func() lock.Store { return sleeper{memory.New()} }},
	{"Wait never wakes", "wait-misses-nothing", func() lock.Store { return sleeper{memory.New()} }},
	{"Wait never wakes", "wait-outlives-others", func() lock.Store { return sleeper{memory.New()} }},
}

func TestOtherCasesCatchTheirBreakages(t *testing.T) {
	for _, b := range alsoCaught {
		t.Run(b.caught, func(t *testing.T) {
			if err := caseNamed(t, b.caught).Run(t.Context(), b.open(), impatient); err == nil {
				t.Fatalf("passed on a store that %s", b.name)
			}
		})
	}
}

func TestRunJoinsFailuresAndLogsOutcomes(t *testing.T) {
	var lines []string
	options := impatient
	options.Log = func(format string, args ...any) { lines = append(lines, format) }
	err := backendtest.Run(t.Context(), blindWrites{memory.New()}, options)
	if err == nil {
		t.Fatal("a store that ignores revisions passed")
	}
	for _, name := range []string{"stale-revision-conflicts: ", "no-lost-update: "} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the joined error lacks %s", name)
		}
	}
	if len(lines) != len(backendtest.Cases()) {
		t.Errorf("%d lines logged for %d cases", len(lines), len(backendtest.Cases()))
	}
}

func TestRunPassesASoundStoreWithoutCapabilities(t *testing.T) {
	if err := backendtest.Run(t.Context(), plain{memory.New()}, backendtest.Options{}); err != nil {
		t.Fatal(err)
	}
}

// A second handle that reads a copy of its own is a broken cluster.
func TestOtherHandleIsHeldToTheSameContract(t *testing.T) {
	options := impatient
	options.Other = memory.New()
	err := caseNamed(t, "create-then-get").Run(t.Context(), memory.New(), options)
	if err == nil || !strings.Contains(err.Error(), "handle 1") {
		t.Fatalf("want a failure of handle 1, got %v", err)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := backendtest.Run(ctx, memory.New(), impatient); !errors.Is(err, why) {
		t.Fatalf("want the cause, got %v", err)
	}
}

func TestOptionsAreValidated(t *testing.T) {
	for _, options := range []backendtest.Options{{Parallel: -1}, {Parallel: 1}, {Rounds: -1}, {Patience: -1}} {
		if err := backendtest.Run(t.Context(), memory.New(), options); err == nil {
			t.Errorf("%+v was accepted", options)
		}
	}
}

func TestCaseNamesAreUniqueAndGuaranteesSaid(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range backendtest.Cases() {
		if seen[c.Name] || c.Guarantee == "" {
			t.Errorf("case %q: name taken or guarantee missing", c.Name)
		}
		seen[c.Name] = true
	}
}
