package report

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// Every property that there is fits into 80 columns, under the heading of its class.
func TestTerminalKeepsTheClassesOfPropertiesApart(t *testing.T) {
	r := &harness.Result{Scenario: scenario(nil), Params: lin.Params{TTL: 10 * time.Second, Promises: promises(0)}}
	r.Verdict = lin.Check(context.Background(), r.Params, r.History)
	var b strings.Builder
	if err := Terminal(&b, TerminalOptions{}, Part{Result: r}); err != nil {
		t.Fatal(err)
	}
	heading, seen := "", map[string]string{}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if plain.Columns(line) > defaultWidth && !strings.Contains(line, "replay:") {
			t.Errorf("%d columns: %s", plain.Columns(line), line)
		}
		words := strings.Fields(line)
		if strings.HasPrefix(line, indent+indent) {
			continue // a detail goes on
		}
		switch {
		case len(words) == 2 && words[0] == "properties:":
			heading = words[1]
		case len(words) > 1:
			seen[words[0]] = heading
		}
	}
	for _, p := range r.Verdict.Properties {
		if p.Class == "" || seen[p.Name] != string(p.Class) {
			t.Errorf("%s stands under %q, and is of %q", p.Name, seen[p.Name], p.Class)
		}
	}
}
