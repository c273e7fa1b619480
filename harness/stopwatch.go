package harness

import (
	"runtime"
	"time"
)

// stopwatch measures how fast the harness itself is; nothing in a verdict depends
// on it.
type stopwatch struct {
	started time.Time
	cpu     time.Duration
}

func startStopwatch() stopwatch { return stopwatch{time.Now(), processorTime()} }

// read returns the time since the start on the wall, and that of the processor:
// of all threads of this process, or, where the system does not tell, the time
// on the wall for each of so many workers that a core was there for.
func (w stopwatch) read(workers int) (wall, core time.Duration) {
	wall = time.Since(w.started)
	if cpu := processorTime(); cpu > w.cpu {
		return wall, cpu - w.cpu
	}
	return wall, wall * time.Duration(max(1, min(workers, runtime.GOMAXPROCS(0))))
}
