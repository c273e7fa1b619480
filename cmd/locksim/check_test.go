package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The recorder that docs/histories.md shows is run as it stands there.
func TestAHistoryFromPythonIsJudged(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	example, err := filepath.Abs("../../examples/python/example.py")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name string
		args []string
		want int
	}{{"good.jsonl", nil, exitOK}, {"broken.jsonl", []string{"--broken"}, exitViolation}} {
		cmd := exec.CommandContext(t.Context(), python, append([]string{example}, c.args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		history, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		write(t, c.name, string(history))
		if code, stdout, stderr := locksim("check", c.name, "--html", "report.html"); code != c.want {
			t.Errorf("%s: exit code %d\n%s%s", c.name, code, stdout, stderr)
		}
		page, err := os.ReadFile("report.html")
		if err != nil {
			t.Fatal(err)
		}
		for _, not := range []string{"unknown backend", "seed", "Faults", "Scenario"} {
			if visible := strings.Split(string(page), "<script>")[0]; strings.Contains(strings.Split(visible, "</style>")[1], not) {
				t.Errorf("%s: the page of a history that nobody has a scenario of speaks of %q", c.name, not)
			}
		}
		if !bytes.Contains(page, []byte("<svg")) {
			t.Errorf("%s: the page has no picture", c.name)
		}
	}
}

func packed(t *testing.T, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// lateTakeover is granted twice, 11 s apart, without a release.
const lateTakeover = `{:type :invoke, :f :acquire, :process 0, :time 1000000000}
{:type :ok, :f :acquire, :process 0, :time 1000000001}
{:type :invoke, :f :acquire, :process 1, :time 12000000000}
{:type :ok, :f :acquire, :process 1, :time 12000000001}
`

func TestHistoriesAreReadInEachOfTheirForms(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "history.edn", lateTakeover)
	write(t, "history.edn.gz", packed(t, lateTakeover))
	write(t, "cut.edn.gz", packed(t, lateTakeover)[:60])
	ours := `{"schema":"lockproof.history/v1"}` + "\n" + `{"at":1,"client":0,"process":0,"op":"acquire","phase":"invoke","lock":"a"}` + "\n"
	write(t, "ours.jsonl.gz", packed(t, ours))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"history.edn"}, exitViolation, "mutual-exclusion"},
		{[]string{"history.edn.gz"}, exitViolation, "lock-linearizability"},
		{[]string{"history.edn", "--set", "promises.shortest_lease=10s"}, exitViolation, "mutual-exclusion"},
		{[]string{"ours.jsonl.gz"}, exitOK, "recorded history"},
		{[]string{"cut.edn.gz"}, exitCannotRun, "cut.edn.gz"},
		{[]string{"history.edn", "--set", "ttl"}, exitCannotRun, "NAME=VALUE"},
		{[]string{"history.edn", "--set", "ttl=soon"}, exitCannotRun, "--set ttl=soon"},
		{[]string{"history.edn", "--set", "promises.all=true"}, exitCannotRun, `unknown field "all"`},
		{[]string{"history.edn", "--html", "-", "--json", "-"}, exitCannotRun, "--json and --html cannot both"},
		{[]string{"history.edn", "--html", "no/such/folder/x.html"}, exitCannotRun, "--html"},
	} {
		code, stdout, stderr := locksim(append([]string{"check"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s%s", c.args, code, c.code, c.says, stdout, stderr)
		}
	}
}
