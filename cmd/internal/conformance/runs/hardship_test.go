//go:build unix

package runs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/targets"
	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/linearizability"
)

// What a process of this test binary does instead of its tests.
const (
	roleVariable = "LOCKPROOF_TEST_ROLE"
	roleRun      = "run"  // carries out the scenario on its standard input
	roleBusy     = "busy" // keeps a processor busy until its standard input ends
	roleOutput   = "LOCKPROOF_TEST_OUTPUT"
	// hardshipVariable asks for so many seeds of each world, with runs of 10 s and
	// stops of 1 s and 20 s too: an hour for 50.
	hardshipVariable = "LOCKPROOF_HARDSHIP_SEEDS"
)

// outcome is what a child hands back.
type outcome struct {
	Malformed  string
	Properties []linearizability.Property
	Grants     int
	Stalls     []linearizability.Stall
	Lateness   time.Duration
}

// TestChild is no test: it is what the processes do that the tests below start.
func TestChild(t *testing.T) {
	switch os.Getenv(roleVariable) {
	case "":
		t.Skip("is run in a process of its own, by other tests")
	case roleBusy:
		beBusy()
	case roleRun:
		performScenario(t)
	}
}

func beBusy() {
	over := make(chan struct{})
	go func() { // ends with the input, and the process with it
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(over)
	}()
	for x := uint64(1); ; x = x*6364136223846793005 + 1442695040888963407 {
		if x%(1<<16) != 0 {
			continue
		}
		select {
		case <-over:
			return
		default:
		}
	}
}

func performScenario(t *testing.T) {
	var s harness.Scenario
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		t.Fatal(err)
	}
	r, err := harness.Run(t.Context(), lockOf(t, s), s, targets.All()...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(outcome{r.Verdict.Malformed, r.Verdict.Properties, r.Coverage.Grants, r.Params.Stalls, r.Params.Lateness})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv(roleOutput), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// child prepares a process of this test binary.
func child(t *testing.T, role string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(append(os.Environ(), roleVariable+"="+role, "NATS_URL="), env...)
	return cmd
}

// keepBusy lets processes compute for nothing until the test ends.
func keepBusy(t *testing.T, loops int) {
	t.Helper()
	for range loops {
		cmd := child(t, roleBusy)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = in.Close()
			_ = cmd.Wait()
		})
	}
}

// stops are how long the process is stopped each time, and how long it runs in
// between, drawn up to these.
type stops struct {
	random   *rand.Rand
	longest  time.Duration
	between  time.Duration
	specific []time.Duration // come first
}

// suffer carries out a scenario in a process of its own that is stopped and
// continued at random. The goroutine that does that ends with the process.
func suffer(t *testing.T, s harness.Scenario, st stops) outcome {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outcome.json")
	cmd := child(t, roleRun, roleOutput+"="+path)
	input, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var stopper sync.WaitGroup
	stopper.Go(func() {
		defer func() { _ = cmd.Process.Signal(syscall.SIGCONT) }()
		for ctx.Err() == nil {
			waitUntil(ctx, st.between/2+time.Duration(st.random.Int64N(int64(st.between))))
			_ = cmd.Process.Signal(syscall.SIGSTOP)
			stop := time.Duration(st.random.Int64N(int64(st.longest)))
			if len(st.specific) > 0 {
				stop, st.specific = st.specific[0], st.specific[1:]
			}
			waitUntil(ctx, stop)
			_ = cmd.Process.Signal(syscall.SIGCONT)
		}
	})
	err = cmd.Wait()
	cancel()
	stopper.Wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, output.Bytes())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// hard is a scenario for a machine that is kept busy.
func hard(t *testing.T, backend, subject, words string, ttl, duration time.Duration, seed uint64) harness.Scenario {
	t.Helper()
	kinds, err := fault.ParseKinds(words)
	if err != nil {
		t.Fatal(err)
	}
	s := harness.Scenario{
		Subject: subject, Backend: backend, Kinds: kinds, Clients: 8, TTL: harness.Duration(ttl), Duration: harness.Duration(duration), LivenessTTLs: 4,
	}.WithDefaults()
	return draw(t, s, seed)
}

// hardship says how much is run: seeds of each world, and how long a run is.
func hardship(t *testing.T) (seeds int, duration time.Duration, specific []time.Duration) {
	t.Helper()
	text := os.Getenv(hardshipVariable)
	if text == "" {
		return 1, 4 * time.Second, nil
	}
	seeds, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%q is no number", hardshipVariable, text)
	}
	return seeds, 10 * time.Second, []time.Duration{time.Second, 20 * time.Second}
}

// The reference is innocent, however little its process gets to run.
func TestTheReferenceUnderHardship(t *testing.T) {
	takesRealTime(t)
	seeds, duration, specific := hardship(t)
	keepBusy(t, 2*runtime.NumCPU())
	first := firstSeed(t)
	for _, world := range []struct{ backend, faults string }{
		{"memory", "none"}, {"memory", "clock,crash"}, {"file", "none"}, {"nats", "none"}, {"nats", "clock,network,crash"},
	} {
		t.Run(world.backend+"/"+world.faults, func(t *testing.T) {
			for seed := first; seed < first+uint64(seeds); seed++ {
				s := hard(t, world.backend, "reference", world.faults, 200*time.Millisecond, duration, seed)
				o := suffer(t, s, stops{rand.New(rand.NewPCG(seed, 0)), time.Second, time.Second, specific})
				for _, p := range o.Properties {
					if p.Verdict == linearizability.Violation && !p.Informational {
						t.Errorf("%s: %s\n%s", p.Name, p.Detail, pasteLine(s))
					}
				}
				if o.Malformed != "" || o.Grants == 0 || len(o.Stalls) == 0 {
					t.Errorf("malformed %q, %d grants, %d stalls\n%s", o.Malformed, o.Grants, len(o.Stalls), pasteLine(s))
				}
				t.Logf("seed %d: %d grants, %d stalls, %s late besides", seed, o.Grants, len(o.Stalls), o.Lateness)
			}
		})
	}
}

// farAway leaves three clients, two of them at a distance, where there is a network:
// who is near sees the lease of one who is far before its holder does.
func farAway(s *harness.Scenario) {
	if s.Backend != "nats" {
		return
	}
	s.Clients, s.RequestTimeout, s.Leases, s.Workload.Abandon = 3, s.TTL, nil, 900
	for i := range 2 {
		s.Plan = append(s.Plan, fault.Fault{Kind: fault.Latency, Target: i, Duration: s.Duration.D(), Amount: int64(s.TTL.D() / 7)})
	}
}

// What is wrong is found under the same conditions.
func TestBrokenLocksUnderHardship(t *testing.T) {
	takesRealTime(t)
	_, duration, _ := hardship(t)
	keepBusy(t, 2*runtime.NumCPU())
	first := firstSeed(t)
	race, err := harness.FindRepro("nats-get-put")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		subject, backend, faults string
		ttl                      time.Duration
	}{
		{"early-takeover", "memory", "none", 200 * time.Millisecond},
		{"no-local-end", "memory", "none", 200 * time.Millisecond},
		{"lease-from-reply", "nats", "none", 200 * time.Millisecond},
		{"natslock", "nats", "", 0},
	} {
		t.Run(c.subject, func(t *testing.T) {
			const tries = 4
			for seed := first; seed < first+tries; seed++ {
				s := race.Live
				if s.Seed = seed; c.subject != s.Subject {
					s = hard(t, c.backend, c.subject, c.faults, c.ttl, duration, seed)
					s.Workload.Abandon = 500 // takeovers are where they are wrong
					farAway(&s)
				}
				o := suffer(t, s, stops{rand.New(rand.NewPCG(seed, 1)), time.Second, time.Second, nil})
				for _, p := range o.Properties {
					if p.Name == linearizability.MutualExclusion && p.Verdict == linearizability.Violation {
						t.Logf("seed %d: %s", seed, p.Detail)
						return
					}
				}
			}
			t.Errorf("not caught in %d runs", tries)
		})
	}
}
