package fault

import (
	"errors"
	"fmt"
	"time"
)

// Chooser answers with a number in [0, n). The answers of one stream do not
// depend on what is asked of another one.
type Chooser interface {
	Choose(stream string, n uint64) uint64
}

// GenerateConfig says what kind of plan to draw.
type GenerateConfig struct {
	// Kinds are the kinds allowed. Their order and repetitions do not matter.
	Kinds []Kind
	// Clients is the number of clients.
	Clients int
	// Until is the length of the safety phase; every fault ends by then.
	Until time.Duration
	// TTL is the length of the leases, to which times are scaled.
	TTL time.Duration
	// RequestTimeout is how long a client waits for an answer, to which latencies
	// are scaled. 0: a sixth of the TTL.
	RequestTimeout time.Duration
	// WholeLinks says that the world cannot tell reads from writes: every fault
	// then concerns all requests.
	WholeLinks bool
	// MaxClockDriftPPM is what the lock allows for, in parts per million: clock
	// rates are drawn from both sides of true time up to it.
	MaxClockDriftPPM int64
	// ClockRatePPM, if not 0, is the clock rate that every clock-rate fault has,
	// with its sign, in place of one drawn from MaxClockDriftPPM. Where clocks
	// are wrong for the whole run, one client is then spared, if there are two:
	// clocks that all run at one rate agree, and nothing goes wrong.
	ClockRatePPM int64
}

// Validate names the first reason why [Generate] could not draw from all of the
// kinds, if there is one.
func (g GenerateConfig) Validate() error {
	// The upper bounds leave room to multiply and to add.
	if g.Until <= 0 || int64(g.Until) > maxShift {
		return fmt.Errorf("Until is %s and must be more than 0 and at most %s", g.Until, time.Duration(maxShift))
	}
	if g.TTL <= 0 || int64(g.TTL) > maxShift {
		return fmt.Errorf("TTL is %s and must be more than 0 and at most %s", g.TTL, time.Duration(maxShift))
	}
	if g.RequestTimeout < 0 || int64(g.RequestTimeout) > maxShift {
		return fmt.Errorf("RequestTimeout is %s and must be from 0 to %s", g.RequestTimeout, time.Duration(maxShift))
	}
	if g.MaxClockDriftPPM < 0 || g.MaxClockDriftPPM >= million {
		return fmt.Errorf("MaxClockDriftPPM is %d and must be from 0 to %d", g.MaxClockDriftPPM, million-1)
	}
	if r := g.ClockRatePPM; r < minRate || r > maxRate {
		return fmt.Errorf("ClockRatePPM is %d and must be from %d to %d", r, minRate, maxRate)
	}
	for _, k := range g.Kinds {
		info := Describe(k)
		if info.Kind == "" {
			return unknownKind(k)
		}
		if err := g.sufficesFor(&info); err != nil {
			return err
		}
	}
	return nil
}

// sufficesFor says what a kind needs and g does not have.
func (g *GenerateConfig) sufficesFor(info *Info) error {
	if !info.OnStore && g.Clients <= 0 {
		return fmt.Errorf("Clients is %d and Kinds has %s, which needs a client", g.Clients, info.Kind)
	}
	if info.Kind == ClockRate && g.MaxClockDriftPPM == 0 && g.ClockRatePPM == 0 {
		return errors.New("MaxClockDriftPPM and ClockRatePPM are 0 and Kinds has clock-rate, which needs one of them")
	}
	return nil
}

// The streams of choices. What shapes the plan as a whole has a stream of its
// own, and so has each kind: "fault/latency" and so on. Which requests a fault of
// a kind concerns has another one: "fault/latency/ops".
const (
	planStream   = "fault"
	streamPrefix = "fault/"
	streamOps    = "/ops"
)

// Generate draws a plan from the chooser. The plan is valid (for g.Clients and
// g.Until), sorted, and holds at least one fault if g is valid and has a kind.
// Kinds that g does not suffice for are left out: ask [GenerateConfig.Validate].
//
// Plans are drawn in swarms: each plan leaves out some of the kinds that are
// allowed, because faults mask each other, and a plan with everything in it shows
// little. Should every kind have been left out, the one that came nearest to
// staying is kept.
//
// Numbers are scaled to the TTL and prefer the places where locks break: just
// under and over a third of it, the whole, the double, and the end of what the
// holder believes. Latencies are scaled to the request timeout, so that requests
// are slow in some plans, and given up just before or after they are answered in
// others. Bad luck is correlated: faults of several kinds may begin near
// one moment, and one fault may strike several clients.
//
// Each kind draws from its own stream, so that adding a kind to g.Kinds leaves
// the faults of all others as they were. The one exception is a plan whose only
// kind had been kept as described.
func Generate(c Chooser, g GenerateConfig) Plan {
	candidates := g.candidates(c)
	if len(candidates) == 0 {
		return nil
	}
	gen := newGenerator(c, g)
	var plan Plan
	for _, cand := range swarm(candidates, gen.keepPercent) {
		plan = append(plan, gen.kind(cand)...)
	}
	Sort(plan)
	return plan
}

// candidate is a kind that may be part of the plan, with its stream of choices
// and the first of them: in a hundred, how far it is from being part of it.
type candidate struct {
	info *Info
	draw source
	far  int64
}

func (g GenerateConfig) candidates(c Chooser) []candidate {
	all := g
	all.Kinds = nil
	if all.Validate() != nil {
		return nil
	}
	found := make([]candidate, 0, len(table))
	for i := range table {
		info := &table[i]
		if !contains(g.Kinds, info.Kind) || g.sufficesFor(info) != nil {
			continue
		}
		draw := source{c, streamPrefix + string(info.Kind)}
		found = append(found, candidate{info, draw, draw.below(100)})
	}
	return found
}

func contains(kinds []Kind, k Kind) bool {
	for _, one := range kinds {
		if one == k {
			return true
		}
	}
	return false
}

// swarm returns the candidates that are part of the plan, and never none.
func swarm(candidates []candidate, keepPercent int64) []candidate {
	var kept []candidate
	nearest := candidates[0]
	for _, cand := range candidates {
		if cand.far < keepPercent {
			kept = append(kept, cand)
		}
		if cand.far < nearest.far {
			nearest = cand
		}
	}
	if len(kept) == 0 {
		return []candidate{nearest}
	}
	return kept
}

// generator holds what the kinds of one plan share.
type generator struct {
	GenerateConfig
	sizes
	// keepPercent is how likely a kind is part of the plan.
	keepPercent int64
	// most is the largest number of times that a kind strikes.
	most int64
	// moments are where faults of different kinds like to begin together.
	moments []time.Duration
}

func newGenerator(c Chooser, g GenerateConfig) *generator {
	draw := source{c, planStream}
	gen := &generator{GenerateConfig: g, sizes: newSizes(g)}
	gen.keepPercent = [...]int64{20, 50, 80}[draw.below(3)]
	// A plan for a longer run has more faults, up to one for each two leases of
	// each kind in the busiest plans.
	leases := int64(g.Until / g.TTL)
	gen.most = max(1, min(leases/2, [...]int64{1, 3, 8}[draw.below(3)]))
	for range draw.below(4) {
		gen.moments = append(gen.moments, gen.upTo(draw, g.Until))
	}
	return gen
}

// kind draws all faults of one kind.
func (gen *generator) kind(cand candidate) Plan {
	if cand.info.Kind == ClockRate && !cand.draw.oneIn(3) {
		return gen.lastingRates(cand.draw)
	}
	var plan Plan
	for range 1 + cand.draw.below(gen.most) {
		plan = gen.strike(plan, cand)
	}
	return plan
}

// strike adds a fault to the plan, or several alike that begin almost together.
// Those that would overlap one that is there already are dropped.
func (gen *generator) strike(plan Plan, cand candidate) Plan {
	draw, info := cand.draw, cand.info
	first := Fault{Kind: info.Kind, Target: Store}
	if !info.OnStore {
		first.Target = int(draw.below(int64(gen.Clients)))
	}
	first.Duration = gen.duration(draw, info)
	first.Start = gen.start(draw, first.Duration)
	first.Amount = gen.amount(draw, info, first.Duration)
	first.Aim = gen.aim(cand)
	plan = place(plan, first)
	if info.OnStore || gen.Clients < 2 || !draw.oneIn(4) {
		return plan
	}
	for target := range gen.Clients {
		if target == first.Target || draw.oneIn(2) {
			continue
		}
		other := first
		other.Target = target
		other.Amount = gen.amount(draw, info, first.Duration)
		other.Start = gen.near(draw, first.Start, first.Duration)
		plan = place(plan, other)
	}
	return plan
}

// place adds a fault unless it overlaps another of its kind and target.
func place(plan Plan, f Fault) Plan {
	for _, there := range plan {
		if there.Kind == f.Kind && there.Target == f.Target && overlap(there, f) {
			return plan
		}
	}
	return append(plan, f)
}

// aim draws which requests a fault concerns and at which moment it strikes.
func (gen *generator) aim(cand candidate) Aim {
	var a Aim
	if cand.info.ByOps && !gen.WholeLinks {
		ops := source{cand.draw.chooser, cand.draw.stream + streamOps}
		if len(cand.info.Moments) > 0 {
			// Nearly all that matters happens around a write.
			a.Ops = [...]Ops{Writes, Writes, Writes, Writes, Reads, AllOps, AllOps, Waits}[ops.below(8)]
		} else {
			a.Ops = [...]Ops{AllOps, AllOps, AllOps, AllOps, Writes, Writes, Reads, Waits}[ops.below(8)]
		}
	}
	if n := len(cand.info.Moments); n > 0 {
		a.Moment = cand.info.Moments[cand.draw.below(int64(n))]
		a.Nth = 1 + int(cand.draw.below([...]int64{1, 2, 4, 16}[cand.draw.below(4)]))
	}
	return a
}

// start draws where a fault of some duration begins: anywhere, or near a moment.
func (gen *generator) start(draw source, d time.Duration) time.Duration {
	if len(gen.moments) > 0 && draw.oneIn(3) {
		moment := gen.moments[draw.below(int64(len(gen.moments)))]
		return gen.near(draw, moment, d)
	}
	return gen.upTo(draw, gen.Until-d)
}

// near draws a start shortly after a moment, but early enough to end in time.
func (gen *generator) near(draw source, moment, d time.Duration) time.Duration {
	return min(moment+gen.upTo(draw, gen.TTL/10), gen.Until-d)
}

// lastingRates draws clocks that run wrong for the whole run. The worst that a
// lock can meet is two clocks that drift apart as far as is allowed: a holder
// that is slow to stop and a contender that is quick to take over.
func (gen *generator) lastingRates(draw source) Plan {
	rate := func(target int64, ppm int64) Fault {
		return Fault{Kind: ClockRate, Target: int(target), Duration: gen.Until, Amount: ppm}
	}
	clients := int64(gen.Clients)
	first := draw.below(clients)
	if gen.ClockRatePPM == 0 && clients > 1 && draw.oneIn(2) {
		second := (first + 1 + draw.below(clients-1)) % clients
		worst := gen.maxRate()
		return Plan{rate(first, worst), rate(second, -worst)}
	}
	plan := Plan{rate(first, gen.rate(draw))}
	for other := int64(1); other < clients; other++ {
		spared := gen.ClockRatePPM != 0 && other == clients-1
		if !spared && draw.oneIn(2) {
			plan = append(plan, rate((first+other)%clients, gen.rate(draw)))
		}
	}
	return plan
}
