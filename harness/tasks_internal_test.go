package harness

import (
	"sync"
	"testing"
)

// A client may die while the run is wound down: what it then wants started must
// neither run nor race with the wait (go test -race is what sees the latter).
func TestTasksStartNothingOnceTheyAreWaitedFor(t *testing.T) {
	var background tasks
	first := make(chan struct{})
	background.Go(func() { <-first })
	var started sync.WaitGroup
	for range 8 {
		started.Go(func() { background.Go(func() {}) })
	}
	close(first)
	background.wait()
	started.Wait()
	background.Go(func() { t.Error("a task was started after the wait") })
	background.wait()
}
