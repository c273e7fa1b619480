package locktest_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/locktest"
	"github.com/lockproof/lockproof/subjects"
)

// childVariable makes a process of this test binary run a test that is to fail.
const childVariable = "LOCKPROOF_LOCKTEST_CHILD"

func TestTheReferencePasses(t *testing.T) {
	locktest.Run(t, subjects.Reference(), locktest.Seeds(40))
}

func TestAStoreIsTried(t *testing.T) {
	locktest.Store(t, func(*testing.T) (lock.Store, backendtest.Options) {
		return memory.New(), backendtest.Options{Rounds: 2, Patience: 5 * time.Second}
	})
}

// TestChild is no test: others run it in a process of its own, where it fails.
func TestChild(t *testing.T) {
	switch os.Getenv(childVariable) {
	case "":
		t.Skip("is run by other tests")
	case "broken":
		locktest.Run(t, subjects.NATSLock(), locktest.Faults("none", "network"))
	case "vacuous":
		// A client alone that crashes never, and abandons next to nothing, takes over from nobody.
		locktest.Run(t, subjects.Reference(), locktest.Seeds(60), locktest.Faults("none"), locktest.Scenario(func(s *harness.Scenario) {
			s.Clients, s.Duration = 1, harness.Duration(2*time.Second)
			*s = s.WithDefaults()
			s.Workload.Abandon, s.Workload.Die = 1, 0
		}))
	case "word":
		locktest.Run(t, subjects.Reference(), locktest.Faults("clocks"))
	}
}

func child(t *testing.T, role string, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, append([]string{"-test.run=^TestChild$"}, args...)...)
	cmd.Env = append(os.Environ(), childVariable+"="+role)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("it passes:\n%s", out)
	}
	return string(out)
}

func TestAFailureReadsLikeABugReport(t *testing.T) {
	out := child(t, "broken", "-test.artifacts", "-test.outputdir="+t.TempDir())
	for _, want := range []string{
		"--- FAIL: TestChild/none", "--- FAIL: TestChild/network",
		"mutual-exclusion: c", "the smallest run that fails in the same way: ",
		"Put ", "Get ", "believes that it holds", "again:  go test -run '^TestChild$/^none$' -locktest.seed=", "report.html",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	page := regexp.MustCompile(`report: (\S+report\.html)`).FindStringSubmatch(out)
	if page == nil {
		t.Fatal("no report is named")
	}
	if _, err := os.Stat(page[1]); err != nil {
		t.Error(err)
	}
	// The line that is to be pasted finds it again, by its seed alone.
	line := regexp.MustCompile(`-run '\^TestChild\$/\^none\$' (-locktest\.seed=\d+)`).FindStringSubmatch(out)
	if line == nil {
		t.Fatal("no line to paste")
	}
	if again := child(t, "broken", line[1], "-test.run=^TestChild$/^none$"); !strings.Contains(again, ": mutual-exclusion: c") {
		t.Errorf("with %s:\n%s", line[1], again)
	}
}

func TestWhatProvesNothingFails(t *testing.T) {
	if out := child(t, "vacuous"); !strings.Contains(out, "60 seeds prove nothing: ") {
		t.Error(out)
	}
	if out := child(t, "word"); !strings.Contains(out, `"clocks"`) {
		t.Error(out)
	}
}
