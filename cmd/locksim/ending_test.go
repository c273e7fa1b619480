package main

import (
	"encoding/json"
	"encoding/xml"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/internal/plain"
	"github.com/lockproof/lockproof/report"
)

// jsonOutcome and junitOutcome are what a CI job looks at.
type jsonOutcome struct {
	Verdict, Message string
	ExitCode         int `json:"exit_code"`
	Errors           []string
	Interrupted      bool
	Seeds            int
	Failures         []report.Failure
}

type junitOutcome struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
}

func outcomeJSON(t testing.TB, text string) (j jsonOutcome) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return j
}

func outcomeJUnit(t testing.TB, text string) (x junitOutcome) {
	t.Helper()
	if err := xml.Unmarshal([]byte(text), &x); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return x
}

func outcome(t testing.TB, jsonText, junitText string) (jsonOutcome, junitOutcome) {
	t.Helper()
	return outcomeJSON(t, jsonText), outcomeJUnit(t, junitText)
}

func TestEveryOutputSaysWhatTheExitCodeSays(t *testing.T) {
	t.Chdir(t.TempDir())
	record(t, "edited")
	history := read(t, "edited/history.jsonl")
	write(t, "edited/history.jsonl", strings.Replace(history, `"op":"acquire"`, `"op":"acquire","detail":"edited"`, 1))
	for _, c := range []struct {
		name    string
		args    []string
		code    int
		verdict string
	}{
		{"ok", quickRun(), exitOK, "ok"},
		{"a sweep", []string{"run", "--seeds", "60"}, exitOK, "ok"},
		{"violation", quickRun("--subject", "natslock", "--seed", "2", "--faults", "none", "--duration", "2m"), exitViolation, "violation"},
		{"vacuous", []string{"run", "--seeds", "60", "--clients", "2", "--locks", "1024", "--duration", "1s", "--faults", "none"}, exitUnknown, "unknown"},
		{"a replay of something else", []string{"replay", "edited"}, exitUnknown, "unknown"},
		{"a budget", []string{"run", "--budget", "1ms"}, exitOK, "ok"},
	} {
		code, stdout, stderr := locksim(append(c.args, "--json", "x.json", "--junit", "x.xml")...)
		j, x := outcome(t, read(t, "x.json"), read(t, "x.xml"))
		if code != c.code || j.ExitCode != c.code || j.Verdict != c.verdict || !strings.HasPrefix(stdout, strings.ToUpper(c.verdict)) {
			t.Errorf("%s: exit code %d, want %d; JSON says %+v\n%.200s\n%s", c.name, code, c.code, j, stdout, stderr)
		}
		if x.Tests < 7 || x.Failures > 0 != (code == exitViolation) || x.Errors > 0 != (code == exitUnknown) {
			t.Errorf("%s: exit code %d, JUnit has %+v", c.name, code, x)
		}
		if j.Message == "" || len(j.Failures) > 0 != (code == exitViolation) {
			t.Errorf("%s: JSON says %+v", c.name, j)
		}
	}
}

func TestABudgetRunsEachGroupOfFaultsEvenly(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := locksim("run", "--budget", "300ms", "--duration", "20s", "--json", "x.json")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	j := outcomeJSON(t, read(t, "x.json"))
	if j.Seeds < 6 || j.Seeds%6 != 0 {
		t.Errorf("%d seeds for all faults and five groups", j.Seeds)
	}
	flat := strings.Join(strings.Fields(stdout), " ")
	if !strings.Contains(flat, "with each of these faults: all; clock; network; process; store; aimed") || !strings.Contains(flat, plain.Count(int64(j.Seeds))+" seeds from 1") {
		t.Error(stdout)
	}
	// A failure is found again by its line, with the faults of its turn.
	code, _, _ = locksim("run", "--budget", "1s", "--subject", "natslock", "--seed", "70", "--out", "found", "--json", "x.json")
	j = outcomeJSON(t, read(t, "x.json"))
	if code != exitViolation || len(j.Failures) < 3 {
		t.Fatalf("exit code %d, %d failures", code, len(j.Failures))
	}
	for _, f := range j.Failures[1:3] {
		words := strings.Fields(f.Replay)
		if code, _, stderr := locksim(words[1:]...); code != exitViolation {
			t.Errorf("%s: exit code %d: %s", f.Replay, code, stderr)
		}
	}
}

func TestWorkloadFlagsAreInTheScenarioAndInTheReplayLine(t *testing.T) {
	t.Chdir(t.TempDir())
	args := []string{"run", "--subject", "natslock", "--seeds", "8", "--duration", "2m", "--faults", "none", "--out", "r",
		"--try", "0.5%", "--abandon", "0%", "--hold", "7s", "--think", "1s", "--give-up", "2%", "--die", "1%", "--effect-every", "900ms", "--json", "x.json"}
	if code, _, stderr := locksim(args...); code != exitViolation {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	r, err := report.ReadFolder("r")
	if err != nil {
		t.Fatal(err)
	}
	if w := r.Scenario.Workload; w.Try != 5 || w.Abandon != 0 || w.HoldMax.String() != "7s" || w.GiveUp != 20 || w.Die != 10 {
		t.Errorf("%+v", w)
	}
	if all := outcomeJSON(t, read(t, "x.json")).Failures; len(all) > 1 {
		f := all[1]
		if !strings.Contains(f.Replay, "--try 0.5%") {
			t.Errorf("replay line %s", f.Replay)
		}
		if code, _, stderr := locksim(append(strings.Fields(f.Replay)[1:], "--out", "again")...); code != exitViolation {
			t.Errorf("%s: exit code %d: %s", f.Replay, code, stderr)
		}
		again, err := report.ReadFolder("again")
		if err != nil || again.Scenario.Workload != r.Scenario.Workload {
			t.Errorf("%v: %+v", err, again.Scenario.Workload)
		}
	} else {
		t.Errorf("%d failures, want two or more", len(all))
	}
}

func TestListAndDoctorFitATerminal(t *testing.T) {
	bare(t)
	for _, args := range [][]string{{"list"}, {"doctor"}, {"--help"}, {"doctor", "--help"}, {"replay", "--help"}, {"check", "--help"}, {"run", "--help"}, {"shrink", "--help"}, {"repro", "--help"}, {"servers", "get", "--help"}} {
		_, stdout, _ := locksim(args...)
		for line := range strings.Lines(stdout) {
			if line = strings.TrimSuffix(line, "\n"); plain.Columns(line) > 80 {
				t.Errorf("%v: %d columns: %s", args, plain.Columns(line), line)
			}
		}
	}
}

func TestCheckSaysWhatItJudges(t *testing.T) {
	t.Chdir(t.TempDir())
	record(t, "bad", "--subject", "natslock", "--duration", "2m")
	_, folder, _ := locksim("check", "bad")
	if !strings.Contains(folder, "natslock on the simulator, seed 1") || !strings.Contains(folder, "replay: locksim replay bad") {
		t.Errorf("a run folder:\n%s", folder)
	}
	_, file, _ := locksim("check", filepath.Join("bad", "history.jsonl"))
	if strings.Contains(file, "seed") || !strings.Contains(file, "VIOLATION  recorded history\n") {
		t.Errorf("a file:\n%s", file)
	}
	history := read(t, "bad/history.jsonl")
	lines := strings.SplitAfter(history, "\n")
	lines[4] = strings.Replace(lines[4], `"at":`, `"at":9`, 1) // far later than all that follow
	write(t, "wrong.jsonl", strings.Join(lines, ""))
	_, _, stderr := locksim("check", "wrong.jsonl")
	if !regexp.MustCompile(`line [56]\b`).MatchString(stderr) {
		t.Errorf("the fifth line is wrong: %s", stderr)
	}
}

func TestVersionNamesTheModuleAndTheToolchain(t *testing.T) {
	_, stdout, _ := locksim("--version")
	if !regexp.MustCompile(`^locksim \S+.* go\d`).MatchString(stdout) {
		t.Errorf("%q", stdout)
	}
}

func TestTheShellCompletesNames(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "run", "--subject", ""}, "natslock\n"},
		{[]string{"__complete", "run", "--backend", ""}, "dynamodb\n"},
		{[]string{"__complete", "run", "--faults", "crash,"}, "crash,pause\n"},
		{[]string{"__complete", "repro", ""}, "nats-get-put"},
		{[]string{"__complete", "doctor", ""}, "nats"},
	} {
		if _, stdout, _ := locksim(c.args...); !strings.Contains(stdout, c.want) {
			t.Errorf("%v: %q", c.args, stdout)
		}
	}
}
