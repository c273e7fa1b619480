package harness

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/lockproof/lockproof/linearizability"
)

// TestFindingsStayFixed runs the scenarios in which the harness once broke the
// reference lock, or a checker once raised a false alarm. results/track-record.md
// tells the story of each.
func TestFindingsStayFixed(t *testing.T) {
	files, err := filepath.Glob("testdata/regressions/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no regressions found", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := DecodeScenario(b)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Run(context.Background(), lockOf(t, s), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range r.Verdict.Properties {
				bad := p.Verdict == linearizability.Violation || p.Verdict == linearizability.Unknown
				if bad && !p.Informational {
					t.Errorf("%s: %s\nagain: go run ./cmd/locksim run --scenario harness/%s", p.Name, p.Detail, file)
				}
			}
		})
	}
}
