package sim

import (
	"fmt"
	"math/bits"
	"strings"
)

// Enumerator answers, run after run, with every sequence of answers there is,
// depth first, each exactly once:
//
//	e := sim.NewEnumerator(2)
//	for e.Next() {
//		w, err := sim.New(sim.Config{Chooser: e, ...})
//		...
//	}
//	err := e.Err()
//
// It is an odometer whose wheels are found while it turns: a run that repeats a
// prefix of answers must be asked the same questions, which is checked.
type Enumerator struct {
	fanOut  uint64
	only    []string
	others  *Random
	path    []wheel
	depth   int // choices answered in this run
	runs    int
	sampled bool
	err     error
}

type wheel struct {
	stream string
	n      uint64 // as asked
	wide   uint64 // answers tried: min(n, fanOut)
	index  uint64
}

// NewEnumerator returns an Enumerator that tries at most fanOut (2 or more)
// answers to each question: all where there are no more, else the least, the
// greatest and others evenly between. If streams are named, only those are
// enumerated. All others, and always the identities that must differ between
// nodes ("ids/...", "boot/..."), are answered as by a Random, the same in each run.
func NewEnumerator(fanOut int, streams ...string) *Enumerator {
	return &Enumerator{fanOut: uint64(max(fanOut, 2)), only: streams, depth: -1}
}

// Next prepares the next run. It returns false when all runs are done, or after
// an error.
func (e *Enumerator) Next() bool {
	if e.err != nil {
		return false
	}
	if e.depth >= 0 { // not the first run
		if e.depth < len(e.path) {
			e.err = fmt.Errorf("sim: %w: %d choices asked, %d in the run before", ErrDiverged, e.depth, len(e.path))
			return false
		}
		for len(e.path) > 0 && e.path[len(e.path)-1].index+1 == e.path[len(e.path)-1].wide {
			e.path = e.path[:len(e.path)-1]
		}
		if len(e.path) == 0 {
			return false
		}
		e.path[len(e.path)-1].index++
	}
	e.depth = 0
	e.runs++
	e.others = NewRandom(0)
	return true
}

// Choose implements Chooser.
func (e *Enumerator) Choose(stream string, n uint64) uint64 {
	if n <= 1 {
		return 0
	}
	if !e.enumerates(stream) {
		return e.others.Choose(stream, n)
	}
	if e.depth == len(e.path) {
		e.path = append(e.path, wheel{stream: stream, n: n, wide: min(n, e.fanOut)})
	}
	x := e.path[e.depth]
	if x.stream != stream || x.n != n {
		if e.err == nil {
			e.err = fmt.Errorf("sim: %w at choice %d: %q of %d asked, %q of %d before", ErrDiverged, e.depth, stream, n, x.stream, x.n)
		}
		return 0
	}
	e.depth++
	if x.wide == n {
		return x.index
	}
	e.sampled = true
	hi, lo := bits.Mul64(x.index, n-1)
	v, _ := bits.Div64(hi, lo, x.wide-1)
	return v
}

func (e *Enumerator) enumerates(stream string) bool {
	if len(e.only) == 0 {
		return !strings.HasPrefix(stream, streamIDs) && !strings.HasPrefix(stream, streamBoot)
	}
	for _, s := range e.only {
		if s == stream {
			return true
		}
	}
	return false
}

// Runs returns the number of runs begun.
func (e *Enumerator) Runs() int { return e.runs }

// Sampled reports whether some question had more answers than the fan-out, so
// that the enumeration is not exhaustive.
func (e *Enumerator) Sampled() bool { return e.sampled }

// Err returns how a run differed from one with the same answers, or nil.
func (e *Enumerator) Err() error { return e.err }

var _ Chooser = (*Enumerator)(nil)
