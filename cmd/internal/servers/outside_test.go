package servers_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/servers"
)

func TestAProcessIsStoppedAndSaysHowItEnded(t *testing.T) {
	p, err := servers.StartProcess(exec.Command("sh", "-c", "echo why; cat"))
	if err != nil {
		t.Skip("no sh:", err)
	}
	if err := p.Ended(); err != nil {
		t.Errorf("it runs, but %v", err)
	}
	p.Stop()
	p.Stop()
	if p.Ended() == nil {
		t.Error("it was killed and is said to run")
	}
	short, err := servers.StartProcess(exec.Command("sh", "-c", "echo why; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	defer short.Stop()
	for deadline := time.Now().Add(time.Minute); short.Ended() == nil && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if err := short.Ended(); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("want what it said last, got %v", err)
	}
}
