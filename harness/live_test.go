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
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
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
	r, err := Run(t.Context(), subjects.Reference(), liveScenario(t, "memory", "clock", 300*time.Millisecond, 2*time.Second), target.Memory())
	if err != nil {
		t.Fatal(err)
	}
	wantNoViolation(t, r)
	if r.Interrupted || r.TraceHash != 0 || r.Server == "" || r.Counters.StoreOps == 0 {
		t.Errorf("interrupted %v, trace hash %x, server %q, %d store operations", r.Interrupted, r.TraceHash, r.Server, r.Counters.StoreOps)
	}
}

func TestALiveRunThatIsInterruptedIsCleanedUp(t *testing.T) {
	takesRealTime(t)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	r, err := Run(ctx, subjects.Reference(), liveScenario(t, "memory", "clock,crash", 300*time.Millisecond, time.Minute), target.Memory())
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Counters.Virtual >= time.Minute {
		t.Errorf("interrupted %v after %s", r.Interrupted, r.Counters.Virtual)
	}
	wantNoViolation(t, r)
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
		_, err := Run(t.Context(), subjects.Reference(), refused, target.Memory())
		if err == nil || !strings.Contains(err.Error(), string(kind)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", kind, err, want)
		}
	}
}

func TestASubjectThatNeedsWhatTheStoreLacksIsRefused(t *testing.T) {
	takesRealTime(t)
	s := liveScenario(t, "memory", "none", 300*time.Millisecond, time.Second)
	s.Subject = "natslock"
	if _, err := Run(t.Context(), subjects.NATSLock(), s, target.Memory()); err == nil || !strings.Contains(err.Error(), "expire keys") {
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

func TestTheCorpusIsRunnable(t *testing.T) {
	for _, r := range Repros() {
		if err := r.Sim.ValidateFor(r.Subject); err != nil {
			t.Errorf("%s, simulated: %v", r.Name, err)
		}
		if err := r.Live.ValidateFor(r.Subject); err != nil {
			t.Errorf("%s, live: %v", r.Name, err)
		}
	}
	if _, err := FindRepro("nobody"); err == nil || !strings.Contains(err.Error(), "nats-get-put") {
		t.Errorf("error %v", err)
	}
}

// A backend that was not handed over is refused by name, and a lock that the
// scenario does not name too: a run of another lock would be told as one of it.
func TestWhatWasNotHandedOverIsRefused(t *testing.T) {
	s := liveScenario(t, "nats", "none", 300*time.Millisecond, time.Second)
	for want, run := range map[string]func() (*Result, error){
		`backend "nats": no real store`: func() (*Result, error) { return Run(t.Context(), subjects.Reference(), s) },
		`"nats"; there are memory, file`: func() (*Result, error) {
			return Run(t.Context(), subjects.Reference(), s, target.Memory(), target.File())
		},
		`subject "reference", and the lock is "natslock"`: func() (*Result, error) { return Run(t.Context(), subjects.NATSLock(), s) },
		"no lock to run": func() (*Result, error) { return Run(t.Context(), subjects.Subject{Name: s.Subject}, s) },
	} {
		if _, err := run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A scenario can be read wherever it was recorded, and whoever's lock it is of.
func TestAScenarioOfAnUnknownLockOnAnUnknownStoreIsRead(t *testing.T) {
	s := scenario(t, "somebody-elses", "none")
	s.Backend = "etcd"
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if read, err := DecodeScenario(text); err != nil || read.Subject != s.Subject || read.Backend != s.Backend {
		t.Errorf("read %q on %q, %v", read.Subject, read.Backend, err)
	}
}
