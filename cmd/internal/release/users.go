package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// user is somebody's program or test that imports a package of ours.
type user struct {
	imports string // from the root module
	file    string // what it is called
	text    string
	may     []string // whose modules may stand in its go.sum, of those that sdks lists
}

// sdks are the beginnings of the paths of what nobody gets who did not ask for it.
var sdks = map[string][]string{
	"nats":       {"github.com/nats-io/nats.go"},
	"nats keys":  {"github.com/nats-io/nkeys", "github.com/nats-io/nuid"},
	"a server":   {"github.com/nats-io/nats-server", "go.etcd.io/", "github.com/redis/"},
	"aws":        {"github.com/aws/"},
	"kubernetes": {"k8s.io/", "sigs.k8s.io/"},
	"mongodb":    {"go.mongodb.org/mongo-driver"},
	"gocloud":    {"gocloud.dev", "cloud.google.com/", "google.golang.org/api", "google.golang.org/grpc", "google.golang.org/genproto"},
	"docker":     {"github.com/docker/", "github.com/moby/", "github.com/testcontainers/", "github.com/containerd/"},
	"commands":   {"github.com/spf13/cobra", "github.com/jedib0t/", "gonum.org/v1/plot"},
}

// backend is a user of one store, which opens it and locks with it.
func backend(name string, may ...string) user {
	return user{imports: "backends/" + name, file: "main.go", may: may, text: fmt.Sprintf(`package main

import (
	"fmt"

	"%[1]s/backends/%[2]s"
	"%[1]s/lock"
)

func main() {
	var store *%[2]s.Store
	var _ lock.Store = store
	fmt.Println("it compiles")
}
`, ourPath, name)}
}

// users are those outside who must get what they ask for, and nothing else.
var users = []user{
	{imports: "lock", file: "main.go", text: `package main

import (
	"fmt"

	"` + ourPath + `/backends/memory"
	"` + ourPath + `/lock"
)

func main() {
	_, err := lock.New(memory.New(), lock.SystemRuntime{}, lock.Config{})
	fmt.Println(err)
}
`},
	{imports: "harness", file: "own_test.go", text: ownTest},
	{imports: "locktest", file: "lock_test.go", text: `package own

import (
	"testing"

	"` + ourPath + `/locktest"
	"` + ourPath + `/subjects"
)

func TestLock(t *testing.T) { locktest.Run(t, subjects.Reference(), locktest.Seeds(20)) }
`},
	backend("nats", "nats", "nats keys"),
	backend("dynamodb", "aws"),
	backend("kubernetes", "kubernetes"),
	backend("mongodb", "mongodb"),
	backend("docstore", "gocloud", "aws"),
}

// ownTest is the test of somebody's own lock, in their own repository.
const ownTest = `package own

import (
	"testing"

	"` + ourPath + `/fault"
	"` + ourPath + `/harness"
	"` + ourPath + `/harness/target"
	"` + ourPath + `/linearizability"
	"` + ourPath + `/subjects"
)

func TestOwnLock(t *testing.T) {
	mine := subjects.Reference()
	mine.Name = "mine"
	kinds, err := fault.ParseKinds("all")
	if err != nil {
		t.Fatal(err)
	}
	base := harness.Scenario{Subject: mine.Name, Kinds: kinds}.WithDefaults()
	s, err := harness.Sweep{Subject: mine, Base: base, First: 1, Seeds: 20}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Verdict == linearizability.Violation || s.Seeds != 20 {
		t.Errorf("%s in %d seeds", s.Verdict, s.Seeds)
	}
	base.Backend, base.Kinds, base.Duration, base.LivenessTTLs = "memory", nil, harness.Duration(1e9), 3
	base.TTL, base.RenewEvery, base.PollEvery, base.RequestTimeout = harness.Duration(1e8), harness.Duration(3e7), harness.Duration(1e7), harness.Duration(1e7)
	if _, err := harness.Run(t.Context(), mine, base, target.Memory()); err != nil {
		t.Error(err)
	}
}
`

// useAll does what users do, each in an empty module.
func useAll(ctx context.Context, p *proxy, dir, version string) error {
	for _, u := range users {
		if err := u.use(ctx, p, filepath.Join(dir, strings.ReplaceAll(u.imports, "/", "-")), version); err != nil {
			return fmt.Errorf("outside, with %s: %w", u.imports, err)
		}
	}
	return install(ctx, p, dir, version)
}

func (u user) use(ctx context.Context, p *proxy, dir, version string) error {
	begun := time.Now()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if _, err := tool(ctx, dir, p.env, "mod", "init", "example.com/outside"); err != nil {
		return err
	}
	if _, err := tool(ctx, dir, p.env, "get", ourPath+"/"+u.imports+"@"+version); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, u.file), []byte(u.text), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"vet", "./..."}, {"test", "./..."}} {
		if _, err := tool(ctx, dir, p.env, args...); err != nil {
			return err
		}
	}
	lines, err := u.checkSum(filepath.Join(dir, "go.sum"))
	if err != nil {
		return err
	}
	fmt.Printf("used      %-28s %d lines in go.sum, %s\n", u.imports, lines, time.Since(begun).Round(100*time.Millisecond))
	return nil
}

// checkSum looks for modules in a go.sum that nobody asked for.
func (u user) checkSum(name string) (lines int, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		lines++
		for whose, paths := range sdks {
			stranger := slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(line, p) })
			if stranger && !slices.Contains(u.may, whose) {
				return lines, fmt.Errorf("go.sum has %s, which is of %s", strings.Fields(line)[0], whose)
			}
		}
	}
	return lines, nil
}

// install installs both commands and runs them.
func install(ctx context.Context, p *proxy, dir, version string) error {
	begun := time.Now()
	bin := filepath.Join(dir, "bin")
	env := append(slices.Clone(p.env), "GOBIN="+bin)
	for _, name := range []string{"locksim", "lockbench"} {
		if _, err := tool(ctx, dir, env, "install", ourPath+"/cmd/"+name+"@"+version); err != nil {
			return err
		}
		said, err := runIn(ctx, dir, nil, filepath.Join(bin, name), "--version")
		if err != nil {
			return err
		}
		if !strings.Contains(said, version) {
			return fmt.Errorf("%s --version says %q, and not %s", name, said, version)
		}
	}
	if _, err := runIn(ctx, dir, nil, filepath.Join(bin, "locksim"), "run", "--backend", "sim", "--seeds", "100"); err != nil {
		return err
	}
	fmt.Printf("installed %-28s %s\n", "locksim, lockbench", time.Since(begun).Round(100*time.Millisecond))
	return nil
}
