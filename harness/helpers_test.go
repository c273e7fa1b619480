package harness

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// The environment variables of the long sweeps: how much more is run, and from
// which seed on.
const (
	longVariable = "LOCKPROOF_LONG"
	seedVariable = "LOCKPROOF_SEED"
)

// many returns n, or factor times n where LOCKPROOF_LONG is set, or less under
// -short and -race.
func many(n, factor int) int {
	switch {
	case os.Getenv(longVariable) != "":
		return n * factor
	case underRace:
		return max(1, n/20)
	case testing.Short():
		return max(1, n/10)
	}
	return n
}

// firstSeed prints the seed from which a test goes on, before it does; a failure
// ends with the line that runs it again.
func firstSeed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(1)
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s=%q is not a seed", seedVariable, text)
		}
	}
	t.Logf("seed %d", seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: %s=%d go test ./harness -run '^%s$'", seedVariable, seed, t.Name())
		}
	})
	return seed
}

// scenario is the default scenario of a subject with the kinds that words stand for.
func scenario(t testing.TB, subject, words string) Scenario {
	t.Helper()
	kinds, err := fault.ParseKinds(words)
	if err != nil {
		t.Fatal(err)
	}
	return Scenario{Subject: subject, Kinds: kinds}.WithDefaults()
}

// lockOf is the lock that a scenario names; one that there is not cannot be run.
func lockOf(t testing.TB, s Scenario) subjects.Subject {
	t.Helper()
	for _, subject := range subjects.All() {
		if subject.Name == s.Subject {
			return subject
		}
	}
	return subjects.Subject{}
}

// draw is a scenario with a plan of its own.
func draw(t testing.TB, s Scenario, seed uint64) Scenario {
	t.Helper()
	s, err := s.Draw(lockOf(t, s), seed, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sweep runs a sweep that must not end in an error.
func sweep(t testing.TB, s Sweep) *Summary {
	t.Helper()
	if s.Subject.New == nil {
		s.Subject = lockOf(t, s.Base)
	}
	summary, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// property returns what a summary says of one property.
func (s *Summary) property(t testing.TB, name string) linearizability.Property {
	t.Helper()
	for _, p := range s.Properties {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no property %q among %v", name, s.Properties)
	return linearizability.Property{}
}

// pasteLine is the command that runs a scenario again.
func pasteLine(s Scenario) string {
	return fmt.Sprintf("again: locksim run --subject %s --backend %s --seed %d --ttl %s --duration %s --clients %d --faults %s",
		s.Subject, s.Backend, s.Seed, s.TTL, s.Duration, s.Clients, kindsText(s.Kinds))
}

func kindsText(kinds []fault.Kind) string {
	text := ""
	for i, k := range kinds {
		if i > 0 {
			text += ","
		}
		text += string(k)
	}
	if text == "" {
		return "none"
	}
	return text
}

// quick is a scenario that takes a millisecond.
func quick(t testing.TB, subject, words string) Scenario {
	s := scenario(t, subject, words)
	s.Duration = Duration(30 * time.Second)
	return s
}

// simulated runs a scenario in the simulator; it must run.
func simulated(t testing.TB, s Scenario) *Result {
	t.Helper()
	r, err := Run(context.Background(), lockOf(t, s), s)
	if err != nil {
		t.Fatalf("%v\n%s", err, pasteLine(s))
	}
	return r
}

// impatient is a context that ends when it has been asked so many times whether
// it has: an interruption at the same place in each run.
type impatient struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *impatient) Err() error {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

func contextThatEndsAfter(t testing.TB, asked int64) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &impatient{Context: ctx, cancel: cancel}
	c.left.Store(asked)
	return c, cancel
}
