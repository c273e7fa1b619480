package harness

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

// More threads than processors: one has to wait.
func TestThreadsThatWaitAreNoticed(t *testing.T) {
	takesRealTime(t)
	if _, err := os.Stat(threadDirectory + "/" + strconv.Itoa(os.Getpid()) + "/schedstat"); err != nil {
		t.Skip("this system keeps no account of it:", err)
	}
	var all threads
	defer all.close()
	all.waited()
	spinners := 4 * runtime.NumCPU()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(spinners))
	var spinning sync.WaitGroup
	for range spinners {
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
