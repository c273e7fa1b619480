package harness_test

import (
	"context"
	"testing"
	"time"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/subjects"
)

// TestSimulatedRunIsHeldToTheseNumbers pins what the checkers measure by. A bound ten
// times too large would let every stall and every late notice pass, and no run of a
// correct lock would tell.
func TestSimulatedRunIsHeldToTheseNumbers(t *testing.T) {
	for _, world := range []struct {
		variant harness.Variant
		slack   time.Duration
	}{
		{harness.Variant{}, time.Millisecond},
		{harness.Variant{PreemptEvery: 50}, 3 * time.Millisecond}, // whoever is interrupted hears of it later
	} {
		s := harness.Scenario{Seed: 1, Duration: harness.Duration(20 * time.Second), World: &world.variant}.WithDefaults()
		r, err := harness.Run(context.Background(), subjects.Reference(), s)
		if err != nil {
			t.Fatal(err)
		}
		p := r.Params
		for _, test := range []struct {
			name      string
			got, want time.Duration
		}{
			{"ttl", p.TTL, 10 * time.Second},
			{"heal_at", p.HealAt, 20 * time.Second},
			{"end", p.End, 80 * time.Second},
			{"liveness bound in leases", time.Duration(p.LivenessTTLs), 4},
			{"poll_every", p.PollEvery, time.Second},
			{"notice_slack", p.NoticeSlack, world.slack},
			{"max_clock_drift_ppm", time.Duration(p.MaxClockDriftPPM), 10_000},
		} {
			if test.got != test.want {
				t.Errorf("%+v: %s: %d, want %d", world.variant, test.name, test.got, test.want)
			}
		}
	}
}
