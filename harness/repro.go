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

// interleaving tells, for the first overlap of two beliefs, what the two clients
// asked of the store and what they were told, in the order of the answers.
func interleaving(r *Result, ops []StoreOp) []string {
	property, ok := r.Verdict.Property(linearizability.MutualExclusion)
	if !ok || len(property.Events) == 0 {
		return nil
	}
	first, second := overlapping(r.History, property.Events)
	from := min(invokeOf(r.History, first), invokeOf(r.History, second))
	until := r.History[second].At
	var steps []string
	for _, op := range ops {
		mine := op.Client == r.History[first].Client || op.Client == r.History[second].Client
		if !mine || int64(op.To) < from || int64(op.From) > until {
			continue
		}
		steps = append(steps, fmt.Sprintf("%12.6fs  c%d  %s %s -> %s", op.To.Seconds(), op.Client, op.What, op.Key, op.Outcome))
	}
	const most = 12
	if len(steps) > most {
		steps = steps[len(steps)-most:]
	}
	for _, i := range []int{first, second} {
		e := r.History[i]
		steps = append(steps, fmt.Sprintf("%12.6fs  c%d  believes that it holds %s (grant %d)", time.Duration(e.At).Seconds(), e.Client, e.Lock, e.Grant))
	}
	return steps
}

// overlapping returns the positions of the two acquires among a witness.
func overlapping(h linearizability.History, events []int) (first, second int) {
	first, second = -1, -1
	for _, i := range events {
		if h[i].Op != linearizability.OpAcquire || h[i].Phase != linearizability.Ok {
			continue
		}
		if first < 0 {
			first = i
		}
		second = i
	}
	return max(first, 0), max(second, 0)
}

// invokeOf returns the time of the invoke of the acquire that ended at i.
func invokeOf(h linearizability.History, i int) int64 {
	for j := i; j >= 0; j-- {
		if h[j].Process == h[i].Process && h[j].Op == linearizability.OpAcquire && h[j].Phase == linearizability.Invoke {
			return h[j].At
		}
	}
	return h[i].At
}
