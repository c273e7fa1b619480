package fault

import (
	"slices"
	"time"
)

// Shrink returns a plan under which a run still fails, with as few faults as it
// can find, each as short, small and readable as it can be made.
//
// It first leaves out faults, many at a time and then one by one (Zeller's
// ddmin). Then it makes each fault that is left shorter, from its end and from
// its start, makes its amount smaller, lets it strike at an earlier request, and
// moves its start to a round number; a probability is first made certain, which takes chance out of the run. It
// begins again until nothing helps. Times and amounts are tried as round numbers,
// the roundest first, and are left alone when what could still be gained is under
// a twentieth. A kind or a target is never changed, nor any sign.
//
// stillFails runs a plan; it must give the same answer to the same plan. It is
// called at most budget times, never twice with one plan, only with plans that
// are valid within the clients and the end that the given plan itself uses, and
// always sorted. The first call is with the given plan. What Shrink returns is
// the given plan or one of which stillFails said true.
//
// The given plan is returned as it is if it is not valid even once sorted, if it
// does not fail, or
// if budget is not above 0.
func Shrink(plan Plan, budget int, stillFails func(Plan) bool) Plan {
	s := &shrinker{
		limits: ownLimits(plan),
		left:   budget,
		fails:  stillFails,
		seen:   make(map[string]bool),
	}
	if !s.accept(plan) {
		return slices.Clone(plan)
	}
	for s.changed = true; s.changed && s.left > 0; {
		s.changed = false
		s.dropFaults()
		for i := range s.best {
			s.simplify(i)
		}
	}
	result := slices.Clone(s.best)
	Sort(result)
	return result
}

// ownLimits are the narrowest limits within which a plan can be valid.
func ownLimits(plan Plan) Limits {
	var l Limits
	for _, f := range plan {
		if f.Target >= 0 {
			// An index too large to count the clients up to it stays refused.
			l.Clients = max(l.Clients, f.Target+1)
		}
		l.End = max(l.End, f.Start, f.End())
	}
	return l
}

type shrinker struct {
	limits Limits
	left   int
	fails  func(Plan) bool
	seen   map[string]bool
	// best is the simplest plan that failed. Its faults keep their places while
	// they are changed, so that it may be out of order.
	best    Plan
	changed bool
}

// accept tries a plan and makes it the best one if it fails. A plan that was
// tried before is no news, whatever became of it then.
func (s *shrinker) accept(candidate Plan) bool {
	sorted := slices.Clone(candidate)
	Sort(sorted)
	text := sorted.String()
	if s.left <= 0 || s.seen[text] || Validate(sorted, s.limits) != nil {
		return false
	}
	s.seen[text] = true
	s.left--
	if !s.fails(sorted) {
		return false
	}
	s.best = candidate
	s.changed = true
	return true
}

// dropFaults leaves out runs of faults, from all of them down to single ones.
func (s *shrinker) dropFaults() {
	for size := len(s.best); size > 0; size /= 2 {
		for at := 0; at < len(s.best); {
			end := min(at+size, len(s.best))
			without := slices.Concat(s.best[:at], s.best[end:])
			if !s.accept(without) {
				at = end
			}
		}
	}
}

// alter tries the best plan with one fault changed.
func (s *shrinker) alter(i int, change func(*Fault)) bool {
	candidate := slices.Clone(s.best)
	change(&candidate[i])
	return s.accept(candidate)
}

// simplify changes the numbers of one fault.
func (s *shrinker) simplify(i int) {
	info := Describe(s.best[i].Kind)
	s.shorten(i, info)
	s.weaken(i, info)
	s.advance(i)
	s.roundStart(i)
}

// shorten makes a fault end earlier, then begin later.
func (s *shrinker) shorten(i int, info Info) {
	if info.Duration == Instant {
		return
	}
	least := int64(0)
	if info.Duration == Lasting {
		least = leastTime(int64(s.best[i].Duration))
	}
	lower(int64(s.best[i].Duration), least, timeSteps(), func(d int64) bool {
		return s.alter(i, func(f *Fault) { f.Duration = time.Duration(d) })
	})
	if info.Duration == Outage {
		return // Its harm is done at its start, which is no shorter for being later.
	}
	lower(int64(s.best[i].Duration), least, timeSteps(), func(d int64) bool {
		return s.alter(i, func(f *Fault) {
			f.Start = f.End() - time.Duration(d)
			f.Duration = time.Duration(d)
		})
	})
}

// weaken makes an amount smaller, and a probability certain if it can.
func (s *shrinker) weaken(i int, info Info) {
	amount := s.best[i].Amount
	set := func(n int64) bool {
		return s.alter(i, func(f *Fault) { f.Amount = n })
	}
	if info.Unit == PerMille {
		if amount == certain || set(certain) {
			return
		}
	}
	sign := int64(1)
	if amount < 0 {
		sign = -1
	}
	steps, least := countSteps(), int64(1)
	if info.Unit == Nanoseconds {
		steps, least = timeSteps(), leastTime(sign*amount)
	}
	if info.MinAmount == 0 {
		least = 0
	}
	if info.Unit != NoUnit {
		lower(sign*amount, least, steps, func(n int64) bool { return set(sign * n) })
	}
}

// advance makes an aimed fault strike at an earlier request.
func (s *shrinker) advance(i int) {
	lower(int64(s.best[i].Aim.Nth), 1, countSteps(), func(n int64) bool {
		return s.alter(i, func(f *Fault) { f.Aim.Nth = int(n) })
	})
}

// roundStart moves a fault to a rounder start, earlier or later.
func (s *shrinker) roundStart(i int) {
	start := int64(s.best[i].Start)
	move := func(to int64) bool {
		return s.alter(i, func(f *Fault) { f.Start = time.Duration(to) })
	}
	if start == 0 || move(0) {
		return
	}
	for _, step := range timeSteps() {
		if start%step == 0 {
			return // What follows is less round than what is there.
		}
		down := start - start%step
		if down > 0 && move(down) {
			return
		}
		if int64(s.limits.End)-down >= step && move(down+step) {
			return
		}
	}
}

// lower finds a smaller number, at least least, that try accepts, given that it
// would accept current. It searches the multiples of each step in turn, from the
// roundest to the finest, between the largest number refused and the smallest
// accepted, until the number is round and within a twentieth of the best.
func lower(current, least int64, steps []int64, try func(int64) bool) {
	if current <= least || try(least) {
		return
	}
	refused := least
	for _, step := range steps {
		low, high := refused/step+1, (current-1)/step
		for low <= high {
			middle := low + (high-low)/2
			if try(middle * step) {
				current, high = middle*step, middle-1
			} else {
				refused, low = middle*step, middle+1
			}
		}
		if current%step == 0 && current/step >= 20 {
			return
		}
	}
}

// leastTime is the shortest time worth trying: what is longer than a millisecond
// is not made shorter than that, so that it stays readable.
func leastTime(current int64) int64 {
	if current >= int64(time.Millisecond) {
		return int64(time.Millisecond)
	}
	return 1
}

// timeSteps lists the units in which people read times, the coarsest first.
func timeSteps() []int64 {
	const day = 24 * time.Hour
	var steps []int64
	for _, d := range []time.Duration{
		365 * day, 30 * day, 7 * day, day, 6 * time.Hour, time.Hour,
		30 * time.Minute, 10 * time.Minute, 5 * time.Minute, time.Minute,
		30 * time.Second, 10 * time.Second, 5 * time.Second, 2 * time.Second,
	} {
		steps = append(steps, int64(d))
	}
	return append(steps, decimals(int64(time.Second))...)
}

// countSteps lists the round numbers, the largest first.
func countSteps() []int64 { return decimals(10 * million) }

// decimals lists a power of ten, then half, a fifth and a tenth of it, and so on
// down to 1.
func decimals(power int64) []int64 {
	var steps []int64
	for ; power >= 10; power /= 10 {
		steps = append(steps, power, power/2, power/5)
	}
	return append(steps, 1)
}
