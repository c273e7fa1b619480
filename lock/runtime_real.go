package lock

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"time"
)

// SystemRuntime is the machine itself. Its zero value is ready.
//
// Now: on Linux CLOCK_BOOTTIME, which nobody sets and which counts while the
// machine is suspended (clock_gettime(2)). Elsewhere Go's monotonic reading: on
// Windows that counts through sleep too, on macOS it does not, so that a holder
// whose Mac slept believes in its lease for as long again as it slept; there
// only the fencing token protects.
//
// Sleep: timers stop while the machine is suspended, so it looks at Now every
// quarter of a second and is late by at most that after a suspend.
type SystemRuntime struct{}

var _ Runtime = SystemRuntime{}

// sleepSlice bounds how late a Sleep is after a suspend.
const sleepSlice = 250 * time.Millisecond

// Now implements Runtime.
func (SystemRuntime) Now() time.Duration { return bootTime() }

// Sleep implements Runtime.
func (SystemRuntime) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	until := bootTime() + d
	timer := time.NewTimer(min(d, sleepSlice))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
		left := until - bootTime()
		if left <= 0 {
			return nil
		}
		timer.Reset(min(left, sleepSlice))
	}
}

// Go implements Runtime. The goroutine ends when f returns; the caller waits for
// it with join.
func (SystemRuntime) Go(f func()) (join func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return func() { <-done }
}

// Uint64 implements Runtime with the operating system's random source. Clones of
// a process draw different numbers, since they ask one kernel; clones of a
// virtual machine do where the hypervisor tells the kernel of the cloning
// (VM Generation ID, Linux 5.18 and later).
func (SystemRuntime) Uint64() uint64 {
	var b [8]byte
	_, _ = crand.Read(b[:]) // never fails (crypto/rand)
	return binary.NativeEndian.Uint64(b[:])
}

// WithTimeoutCause spares the lock a goroutine for each request. It counts on
// Go's monotonic clock: a request outlives a suspend, which is harmless.
func (SystemRuntime) WithTimeoutCause(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, cause)
}

// processStart anchors Go's monotonic reading.
var processStart = time.Now()

func sinceStart() time.Duration { return time.Since(processStart) }
