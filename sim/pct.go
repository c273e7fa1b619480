package sim

// PCT is a Chooser that schedules by random priorities (Burckhardt, Kothari,
// Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees
// of Finding Bugs, ASPLOS 2010): the ready task of highest priority runs; at
// depth-1 random steps the task that would run drops below all others. A bug
// that needs depth ordered steps among n tasks is found with a probability of at
// least 1/(n x steps^(depth-1)) per run. Everything but the schedule is as with
// Random of the same seed.
//
// It only chooses among tasks that are ready in the same instant. With drawn
// latencies there are few; use it with a fixed latency.
type PCT struct {
	random     *Random
	changes    []uint64
	step       uint64
	priorities map[uint64]uint64 // by task; looked up, never ranged over
	lowest     uint64
}

// NewPCT returns a PCT for bugs of the given depth (1 or more) in runs of about
// so many scheduling steps (1 or more).
func NewPCT(seed uint64, depth, steps int) *PCT {
	p := &PCT{random: NewRandom(seed), priorities: make(map[uint64]uint64), lowest: 1 << 20}
	for range depth - 1 {
		p.changes = append(p.changes, p.random.Choose("pct/change", uint64(max(steps, 1))))
	}
	return p
}

// Choose implements Chooser.
func (p *PCT) Choose(stream string, n uint64) uint64 { return p.random.Choose(stream, n) }

// Pick implements Scheduler.
func (p *PCT) Pick(tasks []uint64) int {
	best := p.best(tasks)
	for _, c := range p.changes {
		if c == p.step {
			p.lowest--
			p.priorities[tasks[best]] = p.lowest
			best = p.best(tasks)
		}
	}
	p.step++
	return best
}

func (p *PCT) best(tasks []uint64) int {
	best, highest := 0, uint64(0)
	for i, id := range tasks {
		v, ok := p.priorities[id]
		if !ok {
			v = 1<<20 + p.random.Choose("pct/priority", 1<<40)
			p.priorities[id] = v
		}
		if v > highest {
			best, highest = i, v
		}
	}
	return best
}

var _ Scheduler = (*PCT)(nil)
