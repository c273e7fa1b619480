package sim

import (
	"errors"
	"fmt"
)

// Choice is one answer of a Chooser.
type Choice struct {
	Stream string
	N      uint64
	Value  uint64
}

// Recorder passes every question on and remembers the answers, in order.
type Recorder struct {
	inner   Chooser
	choices []Choice
}

// NewRecorder returns a Recorder around inner.
func NewRecorder(inner Chooser) *Recorder { return &Recorder{inner: inner} }

// Choose implements Chooser.
func (r *Recorder) Choose(stream string, n uint64) uint64 {
	if n <= 1 {
		return 0
	}
	v := r.inner.Choose(stream, n)
	r.choices = append(r.choices, Choice{Stream: stream, N: n, Value: v})
	return v
}

// Pick implements Scheduler. The answer is recorded as one of the stream
// "schedule", so a Replayer needs to know nothing of tasks.
func (r *Recorder) Pick(tasks []uint64) int {
	s, ok := r.inner.(Scheduler)
	if !ok {
		return int(r.Choose(streamSchedule, uint64(len(tasks))))
	}
	v := s.Pick(tasks)
	r.choices = append(r.choices, Choice{Stream: streamSchedule, N: uint64(len(tasks)), Value: uint64(v)})
	return v
}

// Choices returns what was recorded so far. The caller must not change it.
func (r *Recorder) Choices() []Choice { return r.choices }

// ErrDiverged is wrapped by the error of a Replayer or Enumerator that was asked
// something else than before: the program under it is not deterministic, or is
// not the one that was recorded.
var ErrDiverged = errors.New("the run diverged from the recorded one")

// Replayer gives recorded answers again.
type Replayer struct {
	choices []Choice
	next    int
	err     error
}

// NewReplayer returns a Replayer of choices, which it does not change.
func NewReplayer(choices []Choice) *Replayer { return &Replayer{choices: choices} }

// Choose implements Chooser. From the first question on that does not fit it
// answers 0; Err then says what was asked, and World.Run returns it.
func (r *Replayer) Choose(stream string, n uint64) uint64 {
	if n <= 1 || r.err != nil {
		return 0
	}
	if r.next == len(r.choices) {
		r.err = fmt.Errorf("sim: %w: %q of %d asked after all %d recorded choices", ErrDiverged, stream, n, r.next)
		return 0
	}
	c := r.choices[r.next]
	if c.Stream != stream || c.N != n || c.Value >= n {
		r.err = fmt.Errorf("sim: %w at choice %d: %q of %d asked, %q of %d recorded (answer %d)",
			ErrDiverged, r.next, stream, n, c.Stream, c.N, c.Value)
		return 0
	}
	r.next++
	return c.Value
}

// Err returns how the questions first differed from the recorded ones, or nil.
func (r *Replayer) Err() error { return r.err }

// Rest returns how many recorded choices were not asked for.
func (r *Replayer) Rest() int { return len(r.choices) - r.next }

var (
	_ Scheduler = (*Recorder)(nil)
	_ Chooser   = (*Replayer)(nil)
)
