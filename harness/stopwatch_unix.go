//go:build unix

package harness

import (
	"syscall"
	"time"
)

// processorTime is what all threads of this process have used so far, 0 if the
// system does not tell.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
