package harness

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// threadDirectory has a folder for each thread of this process (proc(5)).
const threadDirectory = "/proc/self/task"

// threads tells how long the threads of this process, ready to run, waited for a
// processor. A machine that is busy may keep one of them waiting for most of a
// second while the others run, and with it the goroutine that it was about to run,
// and whoever waits for a mutex that this one holds. Timers, which run on the other
// threads, do not show it.
type threads struct {
	known map[string]*thread
	begun bool
	text  [64]byte
}

type thread struct {
	file   *os.File
	waited time.Duration
	seen   bool
}

// waited returns the longest that one of them waited among the waits that ended
// since it was asked last; 0 where the system does not tell.
func (t *threads) waited() (longest time.Duration) {
	folder, err := os.Open(threadDirectory)
	if err != nil {
		return 0
	}
	names, _ := folder.Readdirnames(-1) // what there is
	_ = folder.Close()
	if t.known == nil {
		t.known = map[string]*thread{}
	}
	for _, name := range names {
		one, isNew := t.thread(name)
		if one == nil {
			continue
		}
		one.seen = true
		waited, ok := one.read(t.text[:])
		if ok && (t.begun || !isNew) {
			longest = max(longest, waited-one.waited)
		}
		if ok {
			one.waited = waited
		}
	}
	t.begun = true
	for name, one := range t.known {
		if !one.seen {
			_ = one.file.Close()
			delete(t.known, name)
		}
		one.seen = false
	}
	return longest
}

func (t *threads) thread(name string) (one *thread, isNew bool) {
	if known := t.known[name]; known != nil {
		return known, false
	}
	file, err := os.Open(threadDirectory + "/" + name + "/schedstat")
	if err != nil {
		return nil, false // it has ended, or the system keeps no such account
	}
	one = &thread{file: file}
	t.known[name] = one
	return one, true
}

// read reads the second number of schedstat: nanoseconds spent waiting in a queue.
// Linux adds a wait when it is over.
func (one *thread) read(text []byte) (waited time.Duration, ok bool) {
	n, _ := one.file.ReadAt(text, 0)
	fields := bytes.Fields(text[:n])
	if len(fields) < 2 {
		return 0, false
	}
	ns, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return time.Duration(ns), err == nil
}

func (t *threads) close() {
	for _, one := range t.known {
		_ = one.file.Close()
	}
	t.known = nil
}
