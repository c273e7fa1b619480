package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockproof/lockproof/cmd/internal/bench"
)

// brief are flags that make a sweep take a moment.
func brief(more ...string) []string {
	return append([]string{"sweep", "--backend", "sim", "--ttl", "3s,6s", "--renew", "1/3", "--episodes", "5", "--trials", "368"}, more...)
}

func TestABadSweepIsRefusedBeforeAnythingIsStarted(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--backend", "oracle"}, "there are memory"},
		{[]string{"--ttl", ""}, "--ttl"},
		{[]string{"--ttl", "3s,,6s"}, "a value is missing"},
		{[]string{"--ttl", "0s"}, "ttl 0s"},
		{[]string{"--ttl", "72h"}, "to 24h"},
		{[]string{"--ttl", "soon"}, `--ttl "soon"`},
		{[]string{"--renew", "2s"}, "the lock refuses more than a third of the ttl"},
		{[]string{"--renew", "1/2"}, "the lock refuses more than a third of the ttl"},
		{[]string{"--renew", "0"}, "neither a fraction of the ttl"},
		{[]string{"--clients", "1"}, "nobody takes over"},
		{[]string{"--clients", "many"}, "--clients"},
		{[]string{"--profile", " "}, "without any profile"},
		{[]string{"--profile", "moon"}, "there are calm, lan"},
		{[]string{"--profile", "lan,loss=2"}, "--profile"},
		{[]string{"--episodes", "0"}, "--episodes is 0"},
		{[]string{"--trials", "-1"}, "--trials is -1"},
		{[]string{"--live", "1"}, "simulated store"},
		{[]string{"--live", "-1"}, "--live is -1"},
		{[]string{"--max-false-failovers", "few"}, "such as 1/month"},
		{[]string{"--price-write", "1.25"}, "needs the date"},
		{[]string{"--price-write", "1.25", "--price-date", "2026-01-31"}, "request units of DynamoDB"},
		{[]string{"--longest", "0s"}, "--longest is 0s"},
		{[]string{"--longest", "1ms", "--trials", "99999999"}, "give fewer values"},
		{[]string{"now"}, "takes no argument"},
	} {
		code, stdout, stderr := lockbench(brief(c.args...)...)
		if code != exitCannotRun || stdout != "" || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
}

func TestASweepPrintsItsTableAndAdvice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sweep.json")
	code, stdout, stderr := lockbench(brief("--backend", "sim-poll", "--profile", "calm rough,name=ours",
		"--price-write", "2", "--price-read", "0.25", "--price-date", "2026-01-31", "--max-false-failovers", "3/hour", "--json", file)...)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"failover p50", "requests/h", "one lock a month", "prices of 2026-01-31", "profile ours (assumed: ", "standing still 12 times a day for 100 ms to 10 s), 4 clients: ",
		"profile calm (assumed: round trips as measured), 4 clients: ttl 3 s, renew 1 s: p99 failover 3.", "no false failovers", "ttl 6 s, renew 2 s would save",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
	r := resultIn(t, file)
	if r.Kind != bench.Sweep || len(r.Cells) != 4 || r.Advice == "" || !strings.Contains(r.Command, "--profile 'calm rough,name=ours'") {
		t.Errorf("%d cells by %s: %s", len(r.Cells), r.Command, r.Advice)
	}
}

func TestTheHelpOfASweepListsItsProfiles(t *testing.T) {
	_, stdout, _ := lockbench("sweep", "--help")
	for _, p := range bench.Profiles() {
		if !strings.Contains(stdout, "  "+p.Profile.Name+" ") {
			t.Errorf("%s is missing in\n%s", p.Profile.Name, stdout)
		}
	}
}

func resultIn(t *testing.T, file string) *bench.Result {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
