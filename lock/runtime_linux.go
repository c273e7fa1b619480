package lock

import (
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime is CLOCK_BOOTTIME of clock_gettime(2).
const clockBoottime = 7

// bootTime reads CLOCK_BOOTTIME, or Go's monotonic clock on a kernel that has
// none (before 2.6.39).
func bootTime() time.Duration {
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return sinceStart()
	}
	return time.Duration(ts.Nano())
}
