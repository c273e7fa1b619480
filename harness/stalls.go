package harness

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/lockproof/lockproof/linearizability"
)

const (
	// stallTick is how often a run looks whether its process still gets to run.
	stallTick = 5 * time.Millisecond
	// stallFrom is by how much a tick must be late to count as time that was lost.
	// What is less is the lateness that any timer has.
	stallFrom = 20 * time.Millisecond
	// stallWatchers is how many goroutines look, at most: a busy machine may keep
	// one thread of a process waiting and not the other.
	stallWatchers = 4
)

// stallWatch measures when the process stood still, or got its timers late: a
// stopped process, a machine that was suspended or is too busy. Nothing that
// happens then, or does not, is the lock's doing.
type stallWatch struct {
	now func() time.Duration

	mu       sync.Mutex
	stalls   []linearizability.Stall // as they were noticed
	lateness time.Duration           // the worst tick that was no stall
}

// watch starts the goroutines that look, as tasks that end with ctx.
func (w *stallWatch) watch(ctx context.Context, start func(func())) {
	for range min(runtime.GOMAXPROCS(0), stallWatchers) {
		start(func() { w.look(ctx) })
	}
	start(func() { w.lookAtThreads(ctx) })
}

func (w *stallWatch) look(ctx context.Context) {
	for ctx.Err() == nil {
		from := w.now()
		waitUntil(ctx, stallTick)
		w.tick(from, w.now())
	}
}

// lookAtThreads notes when a thread waited for a processor, until the wait that is
// under way when the run ends.
func (w *stallWatch) lookAtThreads(ctx context.Context) {
	var t threads
	defer t.close()
	t.waited()
	for from := w.now(); ; {
		waitUntil(ctx, stallTick)
		over := ctx.Err() != nil
		longest, to := t.waited(), w.now()
		w.starved(from, to, longest)
		if over {
			return
		}
		from = to
	}
}

// starved notes that between two looks a wait of a thread ended that was as long
// as that at the most. It may have begun before the first look:
//
//	first look          second look
//	    |                    |
//	 [ wait ................]|     which ended anywhere in between
func (w *stallWatch) starved(first, second, longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case longest >= stallFrom:
		w.stalls = append(w.stalls, linearizability.Stall{From: max(0, first-longest), To: second})
	case longest > w.lateness:
		w.lateness = longest
	}
}

// tick notes that a wait of one tick took from one time to another. Where in it
// the process stood still is not known: all of it may be lost.
func (w *stallWatch) tick(from, to time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	late := to - from - stallTick
	switch {
	case late >= stallFrom:
		w.stalls = append(w.stalls, linearizability.Stall{From: from, To: to})
	case late > w.lateness:
		w.lateness = late
	}
}

// found returns the stalls, in order and apart from each other, and how late
// anything else may have been.
func (w *stallWatch) found() (stalls []linearizability.Stall, lateness time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.stalls)
	slices.SortFunc(all, func(a, b linearizability.Stall) int { return cmp.Compare(a.From, b.From) })
	for _, s := range all {
		if last := len(stalls) - 1; last >= 0 && s.From <= stalls[last].To+stallTick {
			stalls[last].To = max(stalls[last].To, s.To)
			continue
		}
		stalls = append(stalls, s)
	}
	return stalls, w.lateness
}

// lost is how much of the time since from was lost.
func (w *stallWatch) lost(from time.Duration) time.Duration {
	stalls, _ := w.found()
	sum := time.Duration(0)
	for _, s := range stalls {
		sum += max(0, s.To-max(s.From, from))
	}
	return sum
}
