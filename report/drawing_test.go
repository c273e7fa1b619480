package report

import (
	"strings"
	"testing"

	"github.com/lockproof/lockproof/fault"
)

// TestFaultsAreToldWithWhatTheyAreAimedAt: slow writes are not a slow link, and a
// pause before the second write is not one at an instant.
func TestFaultsAreToldWithWhatTheyAreAimedAt(t *testing.T) {
	for line, want := range map[string]string{
		"2s +6s latency c1 40ms":                    "c1: latency 40ms from",
		"2s +6s latency c1 40ms writes":             "c1: latency 40ms writes from",
		"2s +6s aimed-pause c1 writes before:2":     "c1: aimed-pause writes before:2 from",
		"2s +6s aimed-partition c1 9.8s answered:1": "c1: aimed-partition 9.8s answered:1 from",
		"2s aimed-lose-reply c1 reads applied:3":    "c1: aimed-lose-reply reads applied:3 at",
		"2s +6s refuse store 300permille reads":     "store: refuse 30% reads from",
		"2s +6s clock-stop c1":                      "c1: clock-stop from",
	} {
		f, err := fault.ParseFault(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := faultWords(f); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q at its beginning", line, got, want)
		}
	}
}
