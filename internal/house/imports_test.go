package house

import (
	"fmt"
	"path"
	"strings"
	"testing"
)

// room says what a folder, and all below it, may import besides the standard
// library. The first that matches counts.
type room struct {
	dir   string
	ours  []string // folders of the module, each with all below it
	other bool     // packages of other modules
	why   string
}

var rooms = []room{
	{"lock/election", []string{"lock"}, false, "an election is made of the lock and nothing else"},
	{"lock", []string{"lock"}, false, "whoever takes the lock takes no dependency with it, and it can be read in one sitting"},
	{"backends/backendtest", []string{"lock"}, true, "a backend from elsewhere must be able to import its conformance suite alone"},
	{"backends", []string{"lock"}, true, "a user of one store must not get the SDK of another, nor the simulator"},
	{"fault", nil, false, "faults are data; what applies them imports them"},
	{"sim", []string{"lock", "fault"}, false, "the simulator knows no harness, no checker and no real store; what it needs is deterministic and ours"},
	{"linearizability", []string{"linearizability"}, true, "a verdict depends on the history alone, whoever recorded it"},
	{"subjects", []string{"lock", "subjects", "linearizability"}, true, "a subject runs in every world, so it knows none; it says what it promises in the words of the checkers"},
	{"harness/target", []string{"lock", "backends/memory", "backends/file", "internal/tempdir"}, false, "a store with an SDK is handed over by who links it"},
	{"harness", []string{"lock", "fault", "sim", "linearizability", "subjects", "harness", "internal/live"}, false, "an experiment ends with a verdict; how that is shown is not its business, and it links no SDK"},
	{"locktest", []string{"lock", "fault", "linearizability", "subjects", "harness", "report", "backends/backendtest", "backends/memory", "internal/plain"}, false, "the front door for authors leads to the simulator, and to no server"},
	{"report", []string{"lock", "fault", "linearizability", "harness", "report", "internal/plain", "internal/resultfile"}, true, "a report is made from results; it runs nothing"},
	{"internal/live", []string{"lock", "fault", "subjects", "linearizability"}, false, "the live world is one of two behind an interface and does not know the other, nor any store"},
	{"internal/house", nil, false, "it reads the source and needs nothing else"},
	{"internal/mutants/schemata", nil, false, "it makes mutants of source and knows none of what is done with them"},
	{"internal/mutants", []string{"fault", "subjects", "linearizability", "harness", "internal"}, true, "it judges mutants as a user judges a lock: by a sweep"},
	{"internal", []string{"internal"}, true, "small helpers that know no room"},
	{"cmd/internal/servers", []string{"internal/tempdir", "cmd/internal/require"}, true, "a server is started for any room, so it knows none"},
	{"cmd/internal/targets", []string{"lock", "backends", "harness/target", "cmd/internal/servers"}, true, "it opens stores; what is done on them is others' business"},
	{"cmd/internal/conformance", nil, false, "it has no code of its own; its tests may import every room"},
	{"cmd/internal/bench", []string{"lock", "fault", "sim", "linearizability", "subjects", "backends", "harness", "internal", "cmd/internal/bench", "cmd/internal/targets", "cmd/internal/servers"}, true, "a measurement returns numbers, live or predicted in the simulator; how they are shown is not its business"},
	{"cmd/internal/benchreport", []string{"internal/plain", "cmd/internal/bench"}, true, "a report is made from results; it runs nothing"},
	{"cmd/internal/release", nil, true, "it packs modules and knows no room"},
	{"cmd/internal", []string{"internal"}, true, "small helpers of the commands that know no room"},
	{"cmd", nil, true, "flags and printing; it may import every room"},
	{"docker", nil, true, "starts servers and knows no room"},
	{"docs", nil, true, "examples for the documents"},
	{"examples", nil, true, "examples use what users use"},
}

func roomOf(dir string) *room {
	for i := range rooms {
		if within(dir, rooms[i].dir) {
			return &rooms[i]
		}
	}
	return nil
}

const porcupine = "github.com/anishathalye/porcupine"

// checkImports: data flows one way (DESIGN: scenario, world, history, verdict,
// report), and each room can be used without those that come after it.
func checkImports(s *source) []string {
	var found []string
	r := roomOf(s.dir())
	if r == nil {
		return []string{fmt.Sprintf("%s: folder %s has no rule about imports; give it one here", s.path, s.dir())}
	}
	free := r.dir == "cmd" || r.dir == "docs" || r.dir == "examples" || s.isTest()
	for _, spec := range s.tree.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		ours, inModule := strings.CutPrefix(p, module+"/")
		switch {
		case p == porcupine && !s.inDirs("linearizability"):
			found = append(found, s.at(spec, "only linearizability imports porcupine: its verdicts need the checks that are made before it is asked"))
		case inModule && within(ours, "cmd") && (!s.inDirs("cmd") || !within(ours, "cmd/internal")):
			found = append(found, s.at(spec, "nothing imports a command: what is worth importing belongs in a room"))
		case s.inDirs("backends") && inModule && within(ours, "backends") && !s.isTest() && !within(ours, s.dir()):
			found = append(found, s.at(spec, "a backend imports another backend: %s", r.why))
		case free || !strings.Contains(strings.Split(p, "/")[0], "."):
		case inModule && !allowed(r.ours, ours) && !within(ours, s.dir()):
			found = append(found, s.at(spec, "%s must not import %s: %s", r.dir, ours, r.why))
		case !inModule && !r.other:
			found = append(found, s.at(spec, "%s imports the standard library and this module only, not %s: %s", r.dir, p, r.why))
		}
	}
	return found
}

func allowed(roots []string, dir string) bool {
	for _, root := range roots {
		if within(dir, root) {
			return true
		}
	}
	return false
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	for _, s := range goFiles(load(t), true) {
		report(t, checkImports(s))
	}
}

func TestABadImportIsFound(t *testing.T) {
	for _, c := range []struct{ file, imported, want string }{
		{"lock/x.go", "golang.org/x/sync/errgroup", "takes no dependency"},
		{"lock/x.go", module + "/fault", "lock must not import fault"},
		{"lock/election/x.go", module + "/sim", "an election is made of the lock"},
		{"backends/nats/x.go", module + "/backends/memory", "another backend"},
		{"backends/nats/x.go", module + "/sim", "backends must not import sim"},
		{"fault/x.go", module + "/lock", "faults are data"},
		{"sim/x.go", module + "/harness", "the simulator knows no harness"},
		{"sim/x.go", "golang.org/x/exp/rand", "sim imports the standard library"},
		{"linearizability/x.go", module + "/harness", "whoever recorded it"},
		{"subjects/x.go", module + "/sim", "so it knows none"},
		{"internal/live/x.go", module + "/sim", "does not know the other"},
		{"harness/x.go", module + "/backends/nats", "it links no SDK"},
		{"harness/x.go", "github.com/nats-io/nats.go", "it links no SDK"},
		{"harness/target/x.go", module + "/backends/nats", "handed over by who links it"},
		{"backends/nats/x_test.go", module + "/cmd/internal/servers", "nothing imports a command"},
		{"cmd/internal/bench/x.go", module + "/cmd/internal/benchreport", "how they are shown"},
		{"cmd/lockbench/x.go", module + "/cmd/locksim", "nothing imports a command"},
		{"harness/x.go", module + "/report", "how that is shown"},
		{"report/x.go", module + "/sim", "it runs nothing"},
		{"harness/x.go", porcupine, "only linearizability"},
		{"harness/x_test.go", porcupine, "only linearizability"},
		{"report/x_test.go", module + "/cmd/locksim", "nothing imports a command"},
		{"attic/x.go", "fmt", "has no rule"},
	} {
		text := fmt.Sprintf("package %s\n\nimport _ %q\n", path.Base(path.Dir(c.file)), c.imported)
		wantFinding(t, checkImports(bad(t, c.file, text)), c.file, c.want)
	}
	fine := bad(t, "backends/nats/x.go", "package nats\n\nimport (\n\"fmt\"\n\"github.com/nats-io/nats.go\"\n\""+module+"/lock\"\n)\n")
	if found := checkImports(fine); len(found) != 0 {
		t.Error(found)
	}
}
