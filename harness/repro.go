package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// Repro is a known race, ready to be shown.
type Repro struct {
	Name    string
	Summary string
	// Subject is the lock that has it.
	Subject subjects.Subject
	// Sim is simulated with seeds from 1 on until it fails; Live is run until it
	// fails, a few times at most.
	Sim  Scenario
	Live Scenario
	// Explain names the race in a few lines.
	Explain string
}

// Repros is the corpus.
func Repros() []Repro { return []Repro{natsGetPut()} }

// FindRepro returns the repro of that name.
func FindRepro(name string) (Repro, error) {
	var names []string
	for _, r := range Repros() {
		if r.Name == name {
			return r, nil
		}
		names = append(names, r.Name)
	}
	return Repro{}, fmt.Errorf("unknown race %q; there are %s", name, strings.Join(names, ", "))
}

// natsGetPut is two clients that both find no holder and both put themselves in.
// Nothing is wrong with the network but that it takes time.
func natsGetPut() Repro {
	busy := Workload{HoldMax: Duration(2 * time.Second), ThinkMax: Duration(time.Second), EffectEvery: Duration(500 * time.Millisecond)}
	sim := Scenario{
		Subject: "natslock", Backend: BackendSim, Clients: 3, TTL: Duration(10 * time.Second),
		PollEvery: Duration(200 * time.Millisecond), Duration: Duration(30 * time.Second), LivenessTTLs: 3, Workload: busy,
	}.WithDefaults()
	live := Scenario{
		Subject: "natslock", Backend: "nats", Clients: 6, TTL: Duration(3 * time.Second),
		PollEvery: Duration(20 * time.Millisecond), Duration: Duration(6 * time.Second), LivenessTTLs: 3,
		Workload: Workload{
			HoldMax: Duration(300 * time.Millisecond), ThinkMax: Duration(100 * time.Millisecond), EffectEvery: Duration(50 * time.Millisecond),
		},
	}.WithDefaults()
	for i := range live.Clients {
		live.Plan = append(live.Plan, fault.Fault{Kind: fault.Latency, Target: i, Duration: live.Duration.D(), Amount: int64(5 * time.Millisecond)})
	}
	return Repro{
		Name:    "nats-get-put",
		Subject: subjects.NATSLock(),
		Summary: "natslock: Get finds no holder, Put writes oneself; two clients can do both at once",
		Sim:     sim, Live: live,
		Explain: "Both clients read before either has written. Put names no revision, so the second overwrites the\n" +
			"first, and each was told that it leads. Create and Update(revision) would have refused the second.",
	}
}

// Shown is a race that was seen.
type Shown struct {
	Result *Result
	// Steps tells the interleaving of the two clients, in true time.
	Steps []string
}

// Simulate looks for the race in the simulator, makes the failing scenario
// small, and tells its interleaving.
func (r Repro) Simulate(ctx context.Context) (*Shown, error) {
	for seed := uint64(1); seed <= 500; seed++ {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s := r.Sim
		s.Seed = seed
		result, err := simulate(ctx, r.Subject, s, nil)
		if err != nil {
			return nil, err
		}
		if result.Verdict.Verdict != linearizability.Violation {
			continue
		}
		if result, err = Shrink(ctx, r.Subject, result); err != nil {
			return nil, err
		}
		again, ops, err := new(scratch).simulate(ctx, r.Subject, result.Scenario, nil, true)
		if err != nil {
			return nil, err
		}
		return &Shown{Result: again, Steps: interleaving(again, ops)}, nil
	}
	return nil, errors.New("the race did not show in 500 seeds")
}

// RunLive looks for the race on the real server, which must be among stores. It
// returns nil if it did not show in a few runs.
func (r Repro) RunLive(ctx context.Context, stores ...target.Kind) (*Shown, error) {
	for seed := uint64(1); seed <= 3 && ctx.Err() == nil; seed++ {
		s := r.Live
		s.Seed = seed
		result, ops, err := runLive(ctx, r.Subject, s, stores, true)
		if err != nil {
			return nil, err
		}
		if result.Verdict.Verdict == linearizability.Violation {
			return &Shown{Result: result, Steps: interleaving(result, ops)}, nil
		}
	}
	return nil, ctx.Err()
}
