package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/report"
)

// commandVariable makes the test binary the command itself, for tests that need a
// process of its own.
const commandVariable = "LOCKPROOF_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// locksim runs the command in this process, in an empty folder of its own, and
// returns what it said.
func locksim(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// files lists what is in the current folder.
func files(t testing.TB) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != "." {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// quickRun is a run of one seed that takes milliseconds.
func quickRun(more ...string) []string {
	return append([]string{"run", "--duration", "20s", "--seed", "1"}, more...)
}

func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name string
		want int
		args []string
	}{
		{"one seed holds", exitOK, quickRun()},
		{"many seeds hold", exitOK, []string{"run", "--backend", "sim", "--seeds", "60"}},
		{"a violation", exitViolation, quickRun("--subject", "natslock", "--seed", "2", "--faults", "none", "--duration", "2m")},
		{"a vacuous sweep", exitUnknown, []string{"run", "--seeds", "60", "--clients", "2", "--locks", "1024", "--duration", "1s", "--faults", "none"}},
		{"an unknown flag", exitCannotRun, []string{"run", "--sead", "1"}},
		{"list", exitOK, []string{"list"}},
		{"help", exitOK, []string{"run", "--help"}},
		{"help of a command", exitOK, []string{"help", "servers", "get"}},
		{"help of help", exitOK, []string{"help", "help"}},
		{"version", exitOK, []string{"--version"}},
		{"completion", exitOK, []string{"completion", "bash"}},
		{"what there is to complete", exitOK, []string{"completion"}},
		{"nothing", exitOK, nil},
	} {
		code, stdout, stderr := locksim(c.args...)
		if code != c.want {
			t.Errorf("%s: exit code %d, want %d\n%s\n%s", c.name, code, c.want, stdout, stderr)
		}
		if c.want != exitCannotRun && stdout == "" {
			t.Errorf("%s: nothing was said", c.name)
		}
	}
}

// record makes a run folder in the current one.
func record(t testing.TB, dir string, args ...string) {
	t.Helper()
	code, _, stderr := locksim(quickRun(append(args, "--out", dir)...)...)
	if code == exitCannotRun || code == exitUnknown {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
}

func TestBadInput(t *testing.T) {
	t.Chdir(t.TempDir())
	record(t, "good")
	scenario, history, verdict := read(t, "good/scenario.json"), read(t, "good/history.jsonl"), read(t, "good/verdict.json")
	write(t, "file", "")
	write(t, "cut.json", scenario[:len(scenario)/2])
	write(t, "v9.json", strings.Replace(scenario, "scenario/v1", "scenario/v9", 1))
	write(t, "prose.json", "seed: 1\n")
	write(t, "short.json", strings.Replace(scenario, `"renew_every": "`, `"renew_every": "9`, 1))
	write(t, "cut.jsonl", history[:len(history)-20])
	write(t, "v9.jsonl", strings.Replace(history, "history/v1", "history/v9", 1))
	write(t, "prose.jsonl", "once upon a time\n")
	write(t, "swapped.jsonl", strings.Replace(history, `"invoke"`, `"ok"`, 1))
	for _, dir := range []string{"empty", "halfgood", "badverdict"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "halfgood/scenario.json", scenario)
	write(t, "badverdict/scenario.json", scenario)
	write(t, "badverdict/history.jsonl", history)
	write(t, "badverdict/verdict.json", strings.Replace(verdict, `"trace_hash": "`, `"trace_hash": "x`, 1))

	said := func(words ...string) []string { return words }
	for _, c := range []struct {
		args []string
		want []string
	}{
		{said("rnu"), said("rnu", "run", "replay")},
		{said("run", "--sead", "1"), said("--sead", "--seed")},
		{said("run", "extra"), said("extra", "no argument")},
		{said("list", "extra"), said("extra", "no argument")},
		{said("run", "--seed", "one"), said("one", "--seed")},
		{said("run", "--seed", "-1"), said("-1", "--seed")},
		{said("run", "--seeds", "0"), said("--seeds", "0", "at least 1")},
		{said("run", "--seeds", "-5"), said("--seeds", "-5", "at least 1")},
		{said("run", "--workers", "0"), said("--workers", "0", "at least 1")},
		{said("run", "--clients", "0"), said("--clients", "0", "at least 1")},
		{said("run", "--clients", "300"), said("300", "1 and 256")},
		{said("run", "--locks", "0"), said("--locks", "0", "at least 1")},
		{said("run", "--locks", "5000"), said("5000", "1 and 1024")},
		{said("run", "--subject", "natslok"), said("natslok", "reference", "natslock")},
		{said("run", "--backend", "natz"), said("natz", "sim", "memory", "nats")},
		{said("run", "--faults", "clok-rate"), said("clok-rate", `did you mean "clock-rate"?`, "partition")},
		{said("run", "--faults", ""), said("--faults", "empty")},
		{said("run", "--faults", "all", "--backend", "memory"), said("pause", "cannot be injected")},
		{said("run", "--faults", "partition", "--backend", "memory", "--ttl", "300ms", "--duration", "1s"), said("partition", "no proxy")},
		{said("run", "--subject", "natslock", "--backend", "memory", "--faults", "none"), said("memory", "expire")},
		{said("run", "--ttl", "0s"), said("--ttl", "0s", "more than 0")},
		{said("run", "--ttl", "-10s"), said("--ttl", "-10s", "more than 0")},
		{said("run", "--ttl", "10"), said("10", "--ttl")},
		{said("run", "--ttl", "1ms"), said("ttl 1ms", "30ms")},
		{said("run", "--ttl", "10s", "--renew", "5s"), said("10s", "5s", "three renewals")},
		{said("run", "--renew", "0s"), said("--renew", "0s", "more than 0")},
		{said("run", "--duration", "0s"), said("--duration", "0s", "more than 0")},
		{said("run", "--duration", "-1m"), said("--duration", "-1m", "more than 0")},
		{said("run", "--duration", "9999h"), said("9999h", "720h")},
		{said("run", "--clock-rate", "fast"), said("--clock-rate", "fast", "ppm", "%")},
		{said("run", "--clock-rate", "5"), said("--clock-rate", `"5"`, "ppm", "%")},
		{said("run", "--clock-rate", "0%"), said("--clock-rate", "0%", "not be 0")},
		{said("run", "--clock-rate", "500000%"), said("--clock-rate", "500000%", "ppm")},
		{said("run", "--clock-rate", "5%", "--faults", "partition"), said("--clock-rate", "partition")},
		{said("run", "--max-clock-drift", "0%"), said("--max-clock-drift", "0%", "more than 0")},
		{said("run", "--max-clock-drift", "much"), said("--max-clock-drift", "much", "ppm")},
		{said("run", "--backend", "memory", "--seeds", "3"), said("--seeds", "--seed")},
		{said("run", "--json", "-", "--junit", "-"), said("--json", "--junit", "standard output")},
		{said("run", "--json", "none/x.json"), said("--json", "none/x.json")},
		{said("run", "--json", "empty"), said("--json", "empty", "directory")},
		{said("run", "--junit", "file/x.xml", "--json", "x.json"), said("--junit", "file/x.xml")},
		{said("run", "--subject", "nobody", "--json", "x.json", "--junit", "x.xml"), said("nobody")},
		{said("run", "--out", "file/run"), said("--out", "file/run", "is a file")},
		{said("run", "--out", "file"), said("--out", "file", "is a file")},
		{said("run", "--scenario", "none.json"), said("none.json", "no such file")},
		{said("run", "--scenario", "empty"), said("empty", "directory")},
		{said("run", "--scenario", "file"), said("file", "not whole JSON")},
		{said("run", "--scenario", "cut.json"), said("cut.json", "not whole JSON")},
		{said("run", "--scenario", "prose.json"), said("prose.json", "not whole JSON")},
		{said("run", "--scenario", "v9.json"), said("v9.json", "scenario/v9", "scenario/v1")},
		{said("run", "--scenario", "short.json"), said("short.json", "three renewals")},
		{said("run", "--scenario", "good/scenario.json", "--seed", "5"), said("--scenario", "--seed")},
		{said("replay"), said("replay", "DIR|FILE")},
		{said("replay", "good", "good2"), said("replay", "good2")},
		{said("replay", "none"), said("none", "no such file")},
		{said("replay", "empty"), said("empty", "scenario.json")},
		{said("replay", "halfgood"), said("halfgood", "verdict.json")},
		{said("replay", "badverdict"), said("verdict.json", "trace hash", "hexadecimal")},
		{said("replay", "cut.json"), said("cut.json", "not whole JSON")},
		{said("replay", "good", "--json", "none/x"), said("--json", "none/x")},
		{said("shrink"), said("shrink", "DIR|FILE")},
		{said("shrink", "good"), said("good", "does not fail")},
		{said("shrink", "v9.json"), said("v9.json", "scenario/v1")},
		{said("check"), said("check", "HISTORY")},
		{said("check", "none.jsonl"), said("none.jsonl", "no such file")},
		{said("check", "empty"), said("empty/history.jsonl", "no such file")},
		{said("check", "file"), said("file", "empty")},
		{said("check", "cut.jsonl"), said("cut.jsonl", "line")},
		{said("check", "prose.jsonl"), said("prose.jsonl", "line 1")},
		{said("check", "v9.jsonl"), said("v9.jsonl", "history/v9", "history/v1")},
		{said("check", "good/scenario.json"), said("good/scenario.json", "line 1")},
		{said("check", "swapped.jsonl"), said("swapped.jsonl")},
		{said("repro"), said("repro", "NAME")},
		{said("repro", "nats-put-get"), said("nats-put-get", "nats-get-put")},
		// A flag with an empty value is mostly a variable that is not set.
		{said("run", "--subject", ""), said("--subject", "empty")},
		{said("run", "--subject="), said("--subject", "empty")},
		{said("run", "--backend", ""), said("--backend", "empty")},
		{said("run", "--clock-rate", ""), said("--clock-rate", "empty")},
		{said("run", "--max-clock-drift", ""), said("--max-clock-drift", "empty")},
		{said("run", "--scenario", ""), said("--scenario", "empty")},
		{said("run", "--out", ""), said("--out", "empty")},
		{said("run", "--json", ""), said("--json", "empty")},
		{said("run", "--junit", ""), said("--junit", "empty")},
		{said("run", "--ttl", ""), said("--ttl")},
		{said("run", "--seeds", ""), said("--seeds")},
		{said("run", "--try", ""), said("--try", "empty")},
		{said("replay", "good", "--out", ""), said("--out", "empty")},
		{said("repro", "nats-get-put", "--out", ""), said("--out", "empty")},
		{said("replay", ""), said("no such file")},
		{said("check", ""), said("no such file")},
		// What would take all the memory or all day is refused before it is begun.
		{said("run", "--clients", "100000", "--seeds", "1"), said("100000", "1 and 256")},
		{said("run", "--clients", "100000000", "--duration", "720h", "--backend", "memory", "--faults", "latency"), said("100000000", "1 and 256")},
		{said("run", "--workers", "257"), said("--workers", "257", "256")},
		{said("run", "--workers", "100000000"), said("--workers", "100000000", "256")},
		{said("run", "--seed", "18446744073709551615", "--seeds", "10"), said("--seeds 10", "--seed 18446744073709551615", "largest seed")},
		{said("run", "--seed", "18446744073709551616"), said("--seed", "18446744073709551616")},
		{said("run", "--json", "x", "--junit", "x"), said("--json", "--junit", "both x")},
		{said("run", "--json", "x", "--junit", "./empty/../x"), said("--json", "--junit", "both")},
		{said("run", "--budget", "0s"), said("--budget", "more than 0")},
		{said("run", "--budget", "1m", "--seeds", "5"), said("--budget", "--seeds")},
		{said("run", "--budget", "1m", "--backend", "memory"), said("--budget", "simulator")},
		{said("run", "--budget", "1m", "--scenario", "good/scenario.json"), said("--scenario", "--budget")},
		{said("run", "--try", "5"), said("--try", `"5"`, "0% and 100%")},
		{said("run", "--try", "101%"), said("--try", "101%", "0% and 100%")},
		{said("run", "--abandon", "0.01%"), said("--abandon", "0.01%", "tenth")},
		{said("run", "--die", "-1%"), said("--die", "-1%")},
		{said("run", "--give-up", "often"), said("--give-up", "often")},
		{said("run", "--hold", "0s"), said("--hold", "0s", "more than 0")},
		{said("run", "--think", "5"), said("--think", `"5"`, "duration")},
		{said("run", "--effect-every", "721h"), said("--effect-every", "721h", "720h")},
		{said("run", "--scenario", "good/scenario.json", "--try", "5%"), said("--scenario", "--try")},
		{said("help", "bogus"), said("bogus", "run", "replay")},
		{said("help", "run", "bogus"), said("run bogus")},
		{said("help", "servers", "bogus"), said("bogus", "get")},
		{said("completion", "bogus"), said("bogus", "bash", "zsh")},
		{said("servers", "bogus"), said("bogus", "get")},
		{said("doctor", "bogus"), said("bogus", "nats")},
		{said("list", "--json", "x"), said("--json")},
		{said("--version", "--bogus"), said("--bogus")},
	} {
		before := files(t)
		code, stdout, stderr := locksim(c.args...)
		name := "locksim " + strings.Join(c.args, " ")
		if code != exitCannotRun {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, exitCannotRun, stderr)
		}
		if stdout != "" {
			t.Errorf("%s: something went to standard output: %q", name, stdout)
		}
		if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "locksim: ") || !strings.HasSuffix(stderr, "\n") {
			t.Errorf("%s: not one line: %q", name, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q does not name %q", name, stderr, want)
			}
		}
		if after := files(t); len(after) != len(before) {
			t.Errorf("%s: there were %d files, and now there are %v", name, len(before), after)
		}
	}
}

func TestAFailingCommandLeavesOlderResultsAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "result.json", "what a longer run found")
	if code, _, _ := locksim("run", "--subject", "nobody", "--json", "result.json"); code != exitCannotRun {
		t.Errorf("exit code %d", code)
	}
	if got := read(t, "result.json"); got != "what a longer run found" {
		t.Errorf("the file is now %q", got)
	}
	if code, _, stderr := locksim(quickRun("--json", "result.json")...); code != exitOK {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if got := read(t, "result.json"); !json.Valid([]byte(got)) {
		t.Errorf("the older content was not replaced: %.80q", got)
	}
}

func TestJSONOnStandardOutputIsOneObjectAndNothingElse(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		quickRun("--json", "-"),
		quickRun("--json", "-", "--subject", "natslock"),
		{"run", "--seeds", "60", "--json", "-", "--junit", "x.xml"},
		{"replay", "runs/reference-sim-1", "--json", "-"},
	} {
		_, stdout, stderr := locksim(args...)
		var o struct{ Schema, Subject, Verdict string }
		dec := json.NewDecoder(strings.NewReader(stdout))
		if err := dec.Decode(&o); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, stderr)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			t.Errorf("%v: something follows the object", args)
		}
		if o.Schema != report.Schema || o.Subject == "" || o.Verdict == "" {
			t.Errorf("%v: %+v", args, o)
		}
		if !strings.Contains(stderr, "properties") {
			t.Errorf("%v: what people read is missing from standard error", args)
		}
	}
}

func TestJUnitIsXML(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, subject := range []string{"reference", "natslock"} {
		locksim(quickRun("--subject", subject, "--seed", "2", "--junit", "junit.xml")...)
		_, stdout, _ := locksim(quickRun("--subject", subject, "--seed", "2", "--junit", "-")...)
		for _, text := range []string{read(t, "junit.xml"), stdout} {
			dec := xml.NewDecoder(strings.NewReader(text))
			elements := 0
			for {
				token, err := dec.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v\n%s", subject, err, text)
				}
				if _, ok := token.(xml.StartElement); ok {
					elements++
				}
			}
			if elements < 7 || strings.Contains(text, "<failure") != (subject == "natslock") {
				t.Errorf("%s: %d elements\n%s", subject, elements, text)
			}
		}
	}
	for _, name := range files(t) {
		if name == "-" {
			t.Error("--junit - made a file of that name")
		}
	}
}

func TestReplayOfARunFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, subject := range []string{"reference", "natslock"} {
		record(t, subject, "--subject", subject, "--duration", "2m")
		want := exitOK
		if subject == "natslock" {
			want = exitViolation
		}
		code, _, stderr := locksim("replay", subject)
		if code != want || !strings.Contains(stderr, "as recorded") {
			t.Errorf("%s: exit code %d, want %d: %s", subject, code, want, stderr)
		}
		code, _, stderr = locksim("replay", filepath.Join(subject, "scenario.json"))
		if code != want || !strings.Contains(stderr, "trace hash") {
			t.Errorf("%s, its scenario alone: exit code %d, want %d: %s", subject, code, want, stderr)
		}
		code, stdout, stderr := locksim("run", "--scenario", filepath.Join(subject, "scenario.json"))
		if code != want {
			t.Errorf("%s, run: exit code %d, want %d: %s%s", subject, code, want, stdout, stderr)
		}
	}
}

func TestReplayOfATamperedFolderSaysWhatDiffers(t *testing.T) {
	t.Chdir(t.TempDir())
	record(t, "r")
	scenario, history, verdict := read(t, "r/scenario.json"), read(t, "r/history.jsonl"), read(t, "r/verdict.json")
	at := strings.Index(verdict, `"trace_hash": "`) + len(`"trace_hash": "`)
	other := verdict[:at] + "0123456789abcdef" + verdict[at+16:]
	for name, c := range map[string]struct{ scenario, history, verdict, want string }{
		"the hash":                   {scenario, history, other, "another version"},
		"an event":                   {scenario, strings.Replace(history, `"op":"acquire"`, `"op":"acquire","detail":"edited"`, 1), other, "part at line 2"},
		"the seed":                   {strings.Replace(scenario, `"seed": 1`, `"seed": 2`, 1), history, verdict, "part at line"},
		"a client is gone":           {strings.Replace(scenario, `"clients": 5`, `"clients": 4`, 1), history, verdict, ""},
		"an event, but not the hash": {scenario, strings.Replace(history, `"op":"acquire"`, `"op":"acquire","detail":"edited"`, 1), verdict, "part at line 2"},
		"the header":                 {scenario, strings.Replace(history, `"ttl":"10s"`, `"ttl":"11s"`, 1), verdict, "line 1"},
	} {
		write(t, "r/scenario.json", c.scenario)
		write(t, "r/history.jsonl", c.history)
		write(t, "r/verdict.json", c.verdict)
		code, _, stderr := locksim("replay", "r")
		if name == "a client is gone" && code == exitCannotRun {
			continue // the plan speaks of the client
		}
		if code != exitUnknown || !strings.Contains(stderr, "recorded") || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d: %s", name, code, stderr)
		}
		if strings.HasSuffix(stderr, ", as recorded\n") {
			t.Errorf("%s: %s", name, stderr)
		}
	}
}

func TestCheckJudgesARecordedHistory(t *testing.T) {
	t.Chdir(t.TempDir())
	record(t, "good")
	record(t, "bad", "--subject", "natslock", "--duration", "2m")
	for path, want := range map[string]int{
		"good": exitOK, "good/history.jsonl": exitOK, "bad": exitViolation, "bad/history.jsonl": exitViolation,
	} {
		code, stdout, stderr := locksim("check", path)
		if code != want || !strings.Contains(stdout, "mutual-exclusion") || stderr != "" {
			t.Errorf("%s: exit code %d, want %d\n%s\n%s", path, code, want, stdout, stderr)
		}
	}
	header, _, _ := strings.Cut(read(t, "good/history.jsonl"), "\n")
	write(t, "nothing.jsonl", regexp.MustCompile(`"events":\d+`).ReplaceAllString(header, `"events":0`)+"\n")
	if code, stdout, stderr := locksim("check", "nothing.jsonl"); code != exitUnknown {
		t.Errorf("a history of nothing: exit code %d\n%s\n%s", code, stdout, stderr)
	}
}

func TestShrinkMakesAFailureSmallAndKeepsIt(t *testing.T) {
	t.Chdir(t.TempDir())
	record(t, "bad", "--subject", "natslock", "--seed", "4", "--duration", "2m")
	before := read(t, "bad/scenario.json")
	code, stdout, stderr := locksim("shrink", "bad", "--out", "small")
	if code != exitViolation || !strings.Contains(stderr, "faults became") {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	if read(t, "bad/scenario.json") != before {
		t.Error("shrinking changed the folder that it read")
	}
	small, err := report.ReadFolder("small")
	if err != nil {
		t.Fatal(err)
	}
	if len(small.Scenario.Plan) != 0 || small.Scenario.Clients != 2 {
		t.Errorf("two clients without faults suffice; it has %d with %d faults", small.Scenario.Clients, len(small.Scenario.Plan))
	}
	if code, _, stderr := locksim("replay", "small"); code != exitViolation || !strings.Contains(stderr, "as recorded") {
		t.Errorf("replayed: exit code %d: %s", code, stderr)
	}
}

func TestListNamesAllThereIs(t *testing.T) {
	_, stdout, stderr := locksim("list")
	for _, want := range []string{"reference", "natslock", "sim", "memory", "nats", "clock-rate", "lost-write", "nats-get-put"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if stderr != "" {
		t.Errorf("standard error: %q", stderr)
	}
}

func TestTheReplayLineOfAFailureFindsItAgain(t *testing.T) {
	t.Chdir(t.TempDir())
	_, stdout, _ := locksim("run", "--subject", "natslock", "--seeds", "20", "--faults", "network", "--clients", "3", "--json", "-")
	var o struct {
		Failures []report.Failure `json:"failures"`
	}
	if err := json.Unmarshal([]byte(stdout), &o); err != nil || len(o.Failures) < 2 {
		t.Fatalf("%v, %d failures", err, len(o.Failures))
	}
	for _, f := range o.Failures[:2] {
		words := strings.Fields(f.Replay)
		if len(words) < 2 || words[0] != "locksim" {
			t.Fatalf("replay line %q", f.Replay)
		}
		if code, _, stderr := locksim(words[1:]...); code != exitViolation {
			t.Errorf("%s: exit code %d: %s", f.Replay, code, stderr)
		}
	}
}
