package house

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// requirements says which modules the go.mod of a folder may require, and why no
// others. A path that ends in a slash stands for all below it, and "" for any. Each
// module needs a rule.
type requirements struct {
	dir      string
	direct   []string // what the code and its tests import
	indirect []string // what those need, besides direct; nil: whatever they need
	why      string
	outside  string // why go.work does not use it; such a module is named by .ci/run
}

// Modules that tests of any module may use; they reach no one who imports it.
var testLibraries = []string{"github.com/google/go-cmp", "go.uber.org/goleak", "pgregory.net/rapid"}

var modules = []requirements{
	{".", []string{
		"github.com/HdrHistogram/hdrhistogram-go", // quantiles in reports
		"github.com/anishathalye/porcupine",       // the search for an order
		"github.com/cockroachdb/datadriven",       // scripts of the simulator's tests
		"github.com/fsnotify/fsnotify",            // what tells the file store of a change
		"github.com/gofrs/flock",                  // who holds a temporary directory
		"github.com/mattn/go-runewidth",           // columns of a terminal
		"golang.org/x/sys",                        // clocks and locks of the system
	}, []string{
		"github.com/pmezard/go-difflib", "github.com/rivo/uniseg", "go.yaml.in/yaml/v3", "gonum.org/v1/gonum",
	}, "whoever uses the lock or tests one gets no SDK, no server and no Docker", ""},
	{"backends/nats", []string{module, "github.com/nats-io/nats.go"}, []string{
		"github.com/klauspost/compress", "github.com/nats-io/nkeys", "github.com/nats-io/nuid", "golang.org/x/crypto", "golang.org/x/sys", "golang.org/x/text",
	}, "a user of one store gets its SDK and no other's", ""},
	{"backends/dynamodb", []string{module, "github.com/aws/"}, []string{}, "a user of one store gets its SDK and no other's", ""},
	{"backends/kubernetes", []string{module, "k8s.io/apimachinery", "k8s.io/client-go"}, nil, "a user of one store gets its SDK; the typed clientset is a third of a build", ""},
	{"backends/mongodb", []string{module, "go.mongodb.org/mongo-driver/v2"}, []string{
		"github.com/klauspost/compress", "github.com/davecgh/go-spew", "github.com/xdg-go/", "github.com/youmark/pkcs8", "golang.org/x/",
	}, "a user of one store gets its SDK and no other's", ""},
	{"backends/docstore", []string{module, "gocloud.dev", "github.com/aws/aws-sdk-go-v2", "github.com/aws/aws-sdk-go-v2/service/dynamodb"}, nil, "a user of one store gets its SDK; DynamoDB must be told to read what was written", ""},
	{"cmd", []string{""}, nil, "the module of the programs: nobody imports it", ""},
	{"cmd/internal/bench/peers", []string{""}, nil, "the libraries of others, for a comparison: nobody imports it",
		"what etcd requires would move the versions of all other modules"},
	{"examples/ownlock", []string{module}, []string{
		"github.com/HdrHistogram/hdrhistogram-go", "github.com/anishathalye/porcupine", "github.com/fsnotify/fsnotify", "github.com/gofrs/flock",
		"github.com/mattn/go-runewidth", "github.com/rivo/uniseg", "golang.org/x/sys",
	}, "who tests a lock of their own gets no SDK, no server and no Docker", "it stands for a repository of somebody else's"},
	{"docker/kubernetes", []string{"k8s.io/", "go.etcd.io/", "github.com/spf13/pflag"}, nil, "what a Kubernetes API server is built from, and nothing of ours: its program is kept by the hash of this folder",
		"what a Kubernetes server requires would move the versions of all other modules"},
}

// checkModule looks at one go.mod.
func checkModule(s *source) []string {
	i := slices.IndexFunc(modules, func(r requirements) bool { return r.dir == s.dir() })
	if i < 0 {
		return []string{fmt.Sprintf("%s: a module without a rule about requirements; give it one here", s.path)}
	}
	r := modules[i]
	among := func(p string, paths []string) bool {
		return slices.ContainsFunc(paths, func(may string) bool {
			return p == may || may == "" || strings.HasSuffix(may, "/") && strings.HasPrefix(p, may)
		})
	}
	var found []string
	for n, line := range strings.Split(s.text, "\n") {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") || strings.HasPrefix(line, "replace") || slices.Contains(fields, "=>") {
			continue
		}
		required := fields[0]
		if among(required, r.direct) || among(required, testLibraries) {
			continue
		}
		if strings.HasSuffix(line, "// indirect") && (r.indirect == nil || among(required, r.indirect)) {
			continue
		}
		found = append(found, fmt.Sprintf("%s:%d: it must not require %s: %s", s.path, n+1, required, r.why))
	}
	return found
}

func goMods(all []*source) []*source {
	return slices.DeleteFunc(slices.Clone(all), func(s *source) bool { return s.path != "go.mod" && !strings.HasSuffix(s.path, "/go.mod") })
}

func TestModulesRequireOnlyWhatTheyMay(t *testing.T) {
	mods := goMods(load(t))
	if len(mods) != len(modules) {
		t.Errorf("%d modules, and rules for %d", len(mods), len(modules))
	}
	for _, s := range mods {
		report(t, checkModule(s))
	}
}

// A module that is neither in the workspace nor named by the stage for those that
// are not would be compiled, tested and linted by nobody, without a word.
func TestEveryModuleIsChecked(t *testing.T) {
	work, err := os.ReadFile("../../go.work")
	if err != nil {
		t.Fatal(err)
	}
	check, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range modules {
		use := "./" + r.dir
		if r.dir == "." {
			use = "."
		}
		used := slices.Contains(strings.Split(string(work), "\n"), "\t"+use)
		if used != (r.outside == "") {
			t.Errorf("%s: used by go.work: %v; the rule says why not: %q", r.dir, used, r.outside)
		}
		if !used && !strings.Contains(string(check), r.dir) {
			t.Errorf("%s is not in the workspace, and .ci/run does not name it", r.dir)
		}
	}
}

func TestABadRequirementIsFound(t *testing.T) {
	for _, c := range []struct{ file, line, want string }{
		{"go.mod", "require github.com/nats-io/nats.go v1.0.0", "gets no SDK"},
		{"go.mod", "require (\n\tgithub.com/nats-io/nats.go v1.0.0\n)", "gets no SDK"},
		{"go.mod", "require (\n\tgithub.com/aws/smithy-go v1.0.0 // indirect\n)", "gets no SDK"},
		{"backends/nats/go.mod", "require github.com/aws/smithy-go v1.0.0 // indirect", "no other's"},
		{"backends/nats/go.mod", "require " + module + "/backends/dynamodb v0.0.0", "no other's"},
		{"backends/dynamodb/go.mod", "require github.com/nats-io/nats.go v1.0.0", "no other's"},
		{"docker/kubernetes/go.mod", "require " + module + " v0.0.0", "nothing of ours"},
		{"attic/go.mod", "", "without a rule"},
	} {
		wantFinding(t, checkModule(bad(t, c.file, "module x\n\n"+c.line+"\n")), c.file, c.want)
	}
	fine := "module x\n\ngo 1.26.0\n\nreplace " + module + " => ../..\n\nrequire " + module + " v0.0.0\n\nrequire (\n\tgo.uber.org/goleak v1.3.0\n)\n"
	if found := checkModule(bad(t, "backends/nats/go.mod", fine)); len(found) != 0 {
		t.Error(found)
	}
}
