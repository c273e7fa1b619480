package report

import (
	"bytes"
	"testing"

	"github.com/lockproof/lockproof/harness"
)

func htmlOf(t *testing.T, r *harness.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r, HTMLOptions{Replay: "locksim replay runs/42"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHTMLOfAViolation(t *testing.T) { golden(t, "violation.html", htmlOf(t, violating())) }
func TestHTMLOfASoundRun(t *testing.T)  { golden(t, "ok.html", htmlOf(t, sound())) }
