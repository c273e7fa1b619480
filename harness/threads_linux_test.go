package harness

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// More threads than processors, beside processes that are busy too: one has to wait.
func TestThreadsThatWaitAreNoticed(t *testing.T) {
	takesRealTime(t)
	keepBusy(t, 2*runtime.NumCPU())
	var all threads
	defer all.close()
	all.waited()
	var spinning sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		spinning.Go(func() {
			runtime.LockOSThread()
			for from := time.Now(); time.Since(from) < 500*time.Millisecond; {
			}
		})
	}
	spinning.Wait()
	if longest := all.waited(); longest < time.Millisecond {
		t.Errorf("the longest wait is %s", longest)
	}
	if longest := new(threads).waited(); longest != 0 {
		t.Errorf("%s were waited before anybody looked", longest)
	}
}
