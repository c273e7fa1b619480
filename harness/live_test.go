package harness

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
)

// liveScenario is a scenario that takes real time.
func liveScenario(t testing.TB, backend, words string, ttl, duration time.Duration) Scenario {
	t.Helper()
	kinds, err := fault.ParseKinds(words)
	if err != nil {
		t.Fatal(err)
	}
	s := Scenario{
		Backend: backend, Kinds: kinds, Clients: 3, TTL: Duration(ttl), Duration: Duration(duration), LivenessTTLs: 4,
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

func wantNoViolation(t *testing.T, r *Result) {
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

func TestTheReferenceOnMemory(t *testing.T) {
	takesRealTime(t)
	r, err := Run(t.Context(), liveScenario(t, "memory", "clock", 300*time.Millisecond, 2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	wantNoViolation(t, r)
	if r.Interrupted || r.TraceHash != 0 || r.Server == "" || r.Counters.StoreOps == 0 {
		t.Errorf("interrupted %v, trace hash %x, server %q, %d store operations", r.Interrupted, r.TraceHash, r.Server, r.Counters.StoreOps)
	}
}

func TestTheReferenceOnEmbeddedNATS(t *testing.T) {
	takesRealTime(t)
	t.Setenv("NATS_URL", "")
	r, err := Run(t.Context(), liveScenario(t, "nats", "clock,network,crash", 500*time.Millisecond, 3*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	wantNoViolation(t, r)
	if !strings.HasPrefix(r.Server, "embedded nats-server") {
		t.Errorf("server %q", r.Server)
	}
}

func TestALiveRunThatIsInterruptedIsCleanedUp(t *testing.T) {
	for _, backend := range []string{"memory", "nats"} {
		t.Run(backend, func(t *testing.T) {
			takesRealTime(t)
			t.Setenv("NATS_URL", "")
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			r, err := Run(ctx, liveScenario(t, backend, "clock,crash", 300*time.Millisecond, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if !r.Interrupted || r.Counters.Virtual >= time.Minute {
				t.Errorf("interrupted %v after %s", r.Interrupted, r.Counters.Virtual)
			}
			wantNoViolation(t, r)
		})
	}
}

func TestALiveRunThatIsInterruptedBeforeItBeganIsCleanedUp(t *testing.T) {
	takesRealTime(t)
	t.Setenv("NATS_URL", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Run(ctx, liveScenario(t, "nats", "clock", 300*time.Millisecond, time.Minute))
	if err == nil && !r.Interrupted {
		t.Error("a run whose context had ended was carried out")
	}
}

func TestAPlanThatNeedsWhatTheWorldLacksIsRefused(t *testing.T) {
	takesRealTime(t)
	s := liveScenario(t, "memory", "none", 300*time.Millisecond, time.Second)
	for kind, want := range map[fault.Kind]string{
		fault.Partition: "no proxy", fault.StoreDown: "store", fault.Pause: "cannot be stopped one by one", fault.LostWrite: "only the simulator",
		fault.AimedPause: "moment of its life", fault.ClockStop: "nobody stops", fault.RemoveRecord: "no connection of its own",
		fault.Throttle: "reads from writes",
	} {
		f := fault.Fault{Kind: kind, Target: 0, Start: time.Millisecond, Duration: 100 * time.Millisecond}
		if fault.Describe(kind).OnStore {
			f.Target = fault.Store
		}
		if kind == fault.LostWrite {
			f.Duration, f.Amount = 0, int64(time.Millisecond)
		}
		switch kind {
		case fault.RemoveRecord:
			f.Duration = 0
		case fault.AimedPause:
			f.Aim = fault.Aim{Moment: fault.Sent, Nth: 1}
		case fault.Throttle:
			f.Amount, f.Aim.Ops = 500, fault.Reads
		}
		refused := s
		refused.Plan = fault.Plan{f}
		_, err := Run(t.Context(), refused)
		if err == nil || !strings.Contains(err.Error(), string(kind)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", kind, err, want)
		}
	}
}

func TestASubjectThatNeedsWhatTheStoreLacksIsRefused(t *testing.T) {
	takesRealTime(t)
	s := liveScenario(t, "memory", "none", 300*time.Millisecond, time.Second)
	s.Subject = "natslock"
	if _, err := Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "expire keys") {
		t.Errorf("error %v", err)
	}
}

func TestNATSGetPutInTheSimulator(t *testing.T) {
	race, err := FindRepro("nats-get-put")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := race.Simulate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := shown.Result
	if p, _ := r.Verdict.Property(linearizability.MutualExclusion); p.Verdict != linearizability.Violation {
		t.Errorf("mutual-exclusion: %s: %s", p.Verdict, p.Detail)
	}
	if len(r.Scenario.Plan) != 0 {
		t.Errorf("the race needs no fault, and the plan has %v", r.Scenario.Plan)
	}
	b, err := r.Scenario.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := DecodeScenario(b)
	if err != nil {
		t.Fatal(err)
	}
	again := simulated(t, read)
	if again.TraceHash != r.TraceHash || !slices.Equal(again.History, r.History) {
		t.Errorf("trace hash %016x, replayed %016x", r.TraceHash, again.TraceHash)
	}
	puts, beliefs := 0, 0
	for _, step := range shown.Steps {
		if strings.Contains(step, " Put ") {
			puts++
		}
		if strings.Contains(step, "believes that it holds") {
			beliefs++
		}
	}
	if puts < 2 || beliefs != 2 {
		t.Errorf("the steps do not tell the race:\n%s", strings.Join(shown.Steps, "\n"))
	}
}

func TestNATSGetPutOnAServer(t *testing.T) {
	takesRealTime(t)
	t.Setenv("NATS_URL", "")
	race, err := FindRepro("nats-get-put")
	if err != nil {
		t.Fatal(err)
	}
	// The race as it is, in a shorter run.
	race.Live.TTL, race.Live.RenewEvery, race.Live.RequestTimeout = Duration(time.Second), Duration(300*time.Millisecond), Duration(300*time.Millisecond)
	race.Live.Duration = Duration(2 * time.Second)
	for i := range race.Live.Plan {
		race.Live.Plan[i].Duration = race.Live.Duration.D()
	}
	shown, err := race.RunLive(t.Context())
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

func TestTheCorpusIsRunnable(t *testing.T) {
	for _, r := range Repros() {
		if err := r.Sim.Validate(); err != nil {
			t.Errorf("%s, simulated: %v", r.Name, err)
		}
		if err := r.Live.Validate(); err != nil {
			t.Errorf("%s, live: %v", r.Name, err)
		}
	}
	if _, err := FindRepro("nobody"); err == nil || !strings.Contains(err.Error(), "nats-get-put") {
		t.Errorf("error %v", err)
	}
}

func TestBackendsAreDescribed(t *testing.T) {
	for _, name := range Backends() {
		if DescribeBackend(name) == "" || CheckBackend(name) != nil {
			t.Errorf("%s: %q, %v", name, DescribeBackend(name), CheckBackend(name))
		}
	}
	if DescribeBackend("paper") != "" || CheckBackend("paper") == nil {
		t.Error("there is a backend of paper")
	}
}
