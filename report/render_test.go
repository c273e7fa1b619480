package report

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// measured fills in what a real run would have gone through.
func measured() lin.Coverage {
	c := lin.Coverage{Acquires: 12_345, Grants: 11_000, Failed: 345, Contended: 9_876, Renews: 40_000, Releases: 10_500,
		Expired: 321, Lost: 300, Takeovers: 250, Handoffs: 8_000, Indefinite: 700, Crashes: 60, Accesses: 88_000, Rejected: 12}
	for i := range 200 {
		n := time.Duration(i + 1)
		c.Uncontended = append(c.Uncontended, n*100*time.Microsecond)
		c.ContendedWait = append(c.ContendedWait, n*50*time.Millisecond)
		c.Handoff = append(c.Handoff, n*70*time.Microsecond)
		c.Failover = append(c.Failover, 10*time.Second+n*time.Millisecond)
	}
	return c
}

func parts() map[string][]Part {
	failed := sweep(violating())
	failed.Coverage = measured()
	good := sweep()
	good.Coverage = measured()
	vacuous := sweep()
	vacuous.Verdict, vacuous.Vacuous = lin.Unknown, "no lock was taken over in 300 runs"
	live := sound()
	live.Coverage = measured()
	undecided := sweep()
	undecided.Verdict, undecided.UndecidedCount, undecided.Undecided = lin.Unknown, 2, []*harness.Result{undecidedRun(58)}
	undecided.Properties = undecided.Undecided[0].Verdict.Properties
	interrupted := sweep()
	interrupted.Verdict, interrupted.Interrupted, interrupted.Wanted = lin.Unknown, true, 100_000
	folders := map[uint64]string{42: "runs/reference 42"}
	return map[string][]Part{
		"violation": {{Summary: failed, Folders: folders}},
		"single":    {{Result: violating()}},
		"default":   {{Summary: good}, {Result: live}},
		"vacuous":   {{Summary: vacuous}},
		"undecided": {{Summary: undecided}},
		"interrupted": {{Summary: interrupted}, {NotRun: &NotRun{Subject: "reference", Backend: "nats", Err: context.Canceled,
			Interrupted: true}}},
	}
}

func render(t *testing.T, write func(b *bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTerminal(t *testing.T) {
	for name, p := range parts() {
		t.Run(name, func(t *testing.T) {
			got := render(t, func(b *bytes.Buffer) error { return Terminal(b, TerminalOptions{}, p...) })
			golden(t, name+".txt", got)
			if bytes.ContainsRune(got, '\x1b') {
				t.Error("an escape sequence without colours asked for")
			}
		})
	}
}

func TestTerminalKeepsToItsWidthButNeverBreaksAReplayLine(t *testing.T) {
	for _, width := range []int{72, 80, 100, 120} {
		for name, p := range parts() {
			got := render(t, func(b *bytes.Buffer) error { return Terminal(b, TerminalOptions{Width: width}, p...) })
			for line := range strings.SplitSeq(string(got), "\n") {
				if plain.Columns(line) > width && !strings.Contains(line, "replay: ") {
					t.Errorf("%s at %d: %d columns: %s", name, width, plain.Columns(line), line)
				}
			}
		}
	}
}

func TestColoursAddNothingElse(t *testing.T) {
	p := parts()["violation"]
	plain := render(t, func(b *bytes.Buffer) error { return Terminal(b, TerminalOptions{}, p...) })
	colored := string(render(t, func(b *bytes.Buffer) error { return Terminal(b, TerminalOptions{Color: true}, p...) }))
	for _, code := range []string{"\x1b[1;32m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;2m", "\x1b[1m", "\x1b[0m"} {
		colored = strings.ReplaceAll(colored, code, "")
	}
	if colored != string(plain) {
		t.Errorf("with colours taken out:\n%s\nwithout:\n%s", colored, plain)
	}
}

func TestHostileTextDoesNotReachTheTerminal(t *testing.T) {
	r := violating()
	r.Server = "evil\x1b[2J\x07\u202e"
	r.Verdict.Properties[0].Detail = "lock \x1b]0;title\x07 \u009b31m"
	got := render(t, func(b *bytes.Buffer) error { return Terminal(b, TerminalOptions{}, Part{Result: r}) })
	for _, c := range got {
		if c < ' ' && c != '\n' {
			t.Fatalf("control character %q in\n%s", c, got)
		}
	}
	if strings.ContainsAny(string(got), "\u202e\u009b") {
		t.Errorf("a control character is left in\n%s", got)
	}
}

func TestJSON(t *testing.T) {
	for name, p := range parts() {
		t.Run(name, func(t *testing.T) {
			got := render(t, func(b *bytes.Buffer) error { return JSON(b, nil, p...) })
			golden(t, name+".json", got)
			if !json.Valid(got) {
				t.Error("not JSON")
			}
		})
	}
}

func TestJSONOfSeveralPartsHasTheWorstVerdict(t *testing.T) {
	got := render(t, func(b *bytes.Buffer) error { return JSON(b, nil, Part{Result: sound()}, Part{Result: violating()}) })
	var doc struct {
		Verdict  string
		Backend  string
		Failures []Failure
		Runs     []struct{ Verdict string }
	}
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Verdict != "violation" || len(doc.Failures) != 1 || len(doc.Runs) != 2 || doc.Backend != "nats+sim" || doc.Runs[0].Verdict != "ok" {
		t.Errorf("%+v", doc)
	}
}

func TestWithoutPartsNothingIsOK(t *testing.T) {
	if got := Worst(); got != lin.Unknown {
		t.Errorf("worst of nothing is %v", got)
	}
	got := render(t, func(b *bytes.Buffer) error { return JSON(b, nil) })
	if !strings.Contains(string(got), `"verdict": "unknown"`) {
		t.Errorf("%s", got)
	}
}

func TestJUnit(t *testing.T) {
	for name, p := range parts() {
		t.Run(name, func(t *testing.T) {
			got := render(t, func(b *bytes.Buffer) error { return JUnit(b, nil, p...) })
			golden(t, name+".xml", got)
			var back junitSuites
			if err := xml.Unmarshal(got, &back); err != nil {
				t.Fatal(err)
			}
			tests := 0
			for _, s := range back.Suites {
				tests += len(s.Cases)
			}
			if tests != back.Tests || len(back.Suites) != len(p) {
				t.Errorf("%d cases, announced %d; %d suites for %d parts", tests, back.Tests, len(back.Suites), len(p))
			}
		})
	}
}

func TestAnInformationalViolationFailsNothing(t *testing.T) {
	r := sound()
	r.Verdict.Properties[3].Verdict = lin.Violation
	got := string(render(t, func(b *bytes.Buffer) error { return JUnit(b, nil, Part{Result: r}) }))
	if strings.Contains(got, "<failure") {
		t.Errorf("%s", got)
	}
	got = string(render(t, func(b *bytes.Buffer) error { return JSON(b, nil, Part{Result: r}) }))
	if !strings.Contains(got, `"failures": []`) {
		t.Errorf("%s", got)
	}
}

func TestReplayLines(t *testing.T) {
	s := harness.Scenario{Subject: "natslock", Seed: 7}.WithDefaults()
	s.Kinds = sound().Scenario.Kinds
	if got, want := ReplayLine(s), "locksim run --subject natslock --backend sim --faults latency --seed 7"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.Clients, s.Kinds = 9, nil
	if got, want := ReplayLine(s), "locksim run --subject natslock --backend sim --clients 9 --faults none --seed 7"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.RenewEvery, s.MaxClockDriftPPM = harness.Duration(2*time.Second), 500
	if got, want := ReplayLine(s), "locksim run --subject natslock --backend sim --clients 9 --renew 2s --max-clock-drift 500ppm --faults none --seed 7"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.Workload.Try, s.Workload.HoldMax = 5, harness.Duration(time.Minute)
	if got, want := ReplayLine(s), "locksim run --subject natslock --backend sim --clients 9 --renew 2s --max-clock-drift 500ppm --faults none --hold 1m0s --try 0.5% --seed 7"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := replayFolderLine("my runs/it's"), `locksim replay 'my runs/it'\''s'`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
