package runs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// seedVariable names the seed from which a test goes on.
const seedVariable = "LOCKPROOF_SEED"

// liveScenario is a scenario that takes real time.
func liveScenario(t testing.TB, backend, words string, ttl, duration time.Duration) harness.Scenario {
	t.Helper()
	kinds, err := fault.ParseKinds(words)
	if err != nil {
		t.Fatal(err)
	}
	s := harness.Scenario{
		Backend: backend, Kinds: kinds, Clients: 3, TTL: harness.Duration(ttl), Duration: harness.Duration(duration), LivenessTTLs: 4,
	}.WithDefaults()
	return draw(t, s, firstSeed(t))
}

// takesRealTime leaves a test out under -short, and checks that it leaves nothing
// behind: no goroutine and no temporary folder.
func takesRealTime(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	before := goleak.IgnoreCurrent()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Cleanup(func() {
		goleak.VerifyNone(t, before)
		left, err := filepath.Glob(filepath.Join(temp, "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left in the temporary folder: %v, %v", left, err)
		}
	})
}

func wantNoViolation(t *testing.T, r *harness.Result) {
	t.Helper()
	if r.Verdict.Malformed != "" {
		t.Errorf("the history is malformed: %s", r.Verdict.Malformed)
	}
	for _, p := range r.Verdict.Properties {
		if p.Verdict == linearizability.Violation && !p.Informational {
			t.Errorf("%s: %s\n%s", p.Name, p.Detail, pasteLine(r.Scenario))
		}
	}
	if r.Coverage.Grants == 0 {
		t.Error("the lock was never granted")
	}
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
			t.Logf("again: %s=%d go test ./cmd/internal/conformance/runs -run '^%s$'", seedVariable, seed, t.Name())
		}
	})
	return seed
}

// lockOf is the lock that a scenario names; one that there is not cannot be run.
func lockOf(t testing.TB, s harness.Scenario) subjects.Subject {
	t.Helper()
	for _, subject := range subjects.All() {
		if subject.Name == s.Subject {
			return subject
		}
	}
	return subjects.Subject{}
}

// draw is a scenario with a plan of its own.
func draw(t testing.TB, s harness.Scenario, seed uint64) harness.Scenario {
	t.Helper()
	s, err := s.Draw(lockOf(t, s), seed, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pasteLine is the command that runs a scenario again.
func pasteLine(s harness.Scenario) string {
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

// waitUntil waits for so long, or until ctx ends.
func waitUntil(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
