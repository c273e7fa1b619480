// Package runs_test carries out whole runs on real servers: as they are, and in a
// process that is kept from running.
package runs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/subjects"
)

func TestTheReferenceOnEmbeddedNATS(t *testing.T) {
	takesRealTime(t)
	t.Setenv("NATS_URL", "")
	r, err := harness.Run(t.Context(), subjects.Reference(), liveScenario(t, "nats", "clock,network,crash", 500*time.Millisecond, 3*time.Second), targets.All()...)
	if err != nil {
		t.Fatal(err)
	}
	wantNoViolation(t, r)
	if !strings.HasPrefix(r.Server, "embedded nats-server") {
		t.Errorf("server %q", r.Server)
	}
}

func TestALiveRunThatIsInterruptedBeforeItBeganIsCleanedUp(t *testing.T) {
	takesRealTime(t)
	t.Setenv("NATS_URL", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := harness.Run(ctx, subjects.Reference(), liveScenario(t, "nats", "clock", 300*time.Millisecond, time.Minute), targets.All()...)
	if err == nil && !r.Interrupted {
		t.Error("a run whose context had ended was carried out")
	}
}

func TestNATSGetPutOnAServer(t *testing.T) {
	takesRealTime(t)
	t.Setenv("NATS_URL", "")
	race, err := harness.FindRepro("nats-get-put")
	if err != nil {
		t.Fatal(err)
	}
	// The race as it is, in a shorter run.
	race.Live.TTL, race.Live.RenewEvery, race.Live.RequestTimeout = harness.Duration(time.Second), harness.Duration(300*time.Millisecond), harness.Duration(300*time.Millisecond)
	race.Live.Duration = harness.Duration(2 * time.Second)
	for i := range race.Live.Plan {
		race.Live.Plan[i].Duration = race.Live.Duration.D()
	}
	shown, err := race.RunLive(t.Context(), targets.All()...)
	if err != nil {
		t.Fatal(err)
	}
	if shown == nil {
		t.Skip("the race did not show this time; run the test again")
	}
	if len(shown.Steps) == 0 {
		t.Error("nothing tells how it went")
	}
}

func TestALiveRunThatIsInterruptedIsCleanedUp(t *testing.T) {
	takesRealTime(t)
	t.Setenv("NATS_URL", "")
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	r, err := harness.Run(ctx, subjects.Reference(), liveScenario(t, "nats", "clock,crash", 300*time.Millisecond, time.Minute), targets.All()...)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Counters.Virtual >= time.Minute {
		t.Errorf("interrupted %v after %s", r.Interrupted, r.Counters.Virtual)
	}
	wantNoViolation(t, r)
}
