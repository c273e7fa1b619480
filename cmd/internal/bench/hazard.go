package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/sim"
)

// How often a healthy holder loses its lease is not found by waiting for it: a
// cut a week gives a dozen in 2,000 hours, and three losses or six are chance.
// What goes wrong, and how often, is known; it is the profile. So each trial
// begins at a cut, a pause, a sleep or a lost request, at a random phase of the
// renewal, and only the share of them that cost the lease is simulated:
//
//	rate = sum over hazards of (how often it comes) x (how often it costs the lease)
//
// Lengths are taken by doublings, each a hazard of its own, and at even distances
// within one. That two episodes meet is left out.

// hazard is one kind of thing that goes wrong, of about one size.
type hazard struct {
	kind    fault.Kind // "": requests that are not answered
	length  Span
	calls   int     // not answered, in a row
	late    bool    // they were carried out, and the answer came too late
	perHour float64 // how often it comes
	certain bool    // it costs the lease: not simulated

	episodes, lost int64
}

// Estimate is a rate and what bounds it with 95 % confidence.
type Estimate struct{ Rate, Low, High Rate }

// longestRun bounds the hazards of unanswered requests; a longer run of them is
// taken to cost the lease. rareRun is how seldom a run may come, in an hour, to be
// left out likewise: once in ten thousand years.
const (
	longestRun = 24
	rareRun    = 1e-8
)

// hazards lists what can go wrong for a holder.
func (c PredictConfig) hazards() []hazard {
	var all []hazard
	for _, e := range c.Profile.episodes() {
		spans := e.Length.doublings()
		for _, s := range spans {
			all = append(all, hazard{kind: e.kind, length: s, perHour: 1 / e.Every.Hours() / float64(len(spans))})
		}
	}
	kept := 1 - float64(c.Profile.LossPPM)/maxPartsPerMillion
	all = append(all, c.runs(1-kept*kept, false)...)
	return append(all, c.runs(slower(c.writes(), c.Settings.RequestTimeout), true)...)
}

// runs are requests in a row that get no answer in time, if that is what becomes
// of a share of them. Where more than some in a hundred are late the rate is too
// high: a run that was begun on purpose meets others.
func (c PredictConfig) runs(share float64, late bool) []hazard {
	if share == 0 {
		return nil
	}
	var all []hazard
	begin := float64(time.Hour) / float64(c.Settings.RenewEvery) * share // in an hour
	for k := 1; begin >= rareRun && k <= longestRun; k++ {
		all = append(all, hazard{calls: k, late: late, perHour: begin * (1 - share)})
		begin *= share
	}
	return append(all, hazard{perHour: begin, certain: true})
}

// writes are the quantiles of a compare-and-swap.
func (c PredictConfig) writes() []time.Duration {
	switch rtt := c.Profile.RTT; {
	case rtt.High > 0:
		return []time.Duration{rtt.Low, rtt.High}
	case len(c.Store.Writes) > 0:
		return c.Store.Writes
	}
	return []time.Duration{time.Millisecond, 3 * time.Millisecond}
}

// slower is the share above d of what is drawn evenly between neighbours in a
// table of quantiles.
func slower(table []time.Duration, d time.Duration) float64 {
	i := sort.Search(len(table), func(i int) bool { return table[i] > d })
	switch {
	case i == len(table):
		return 0
	case i == 0:
		return 1
	}
	steps := float64(len(table) - 1)
	within := float64(d-table[i-1]) / float64(table[i]-table[i-1])
	return 1 - (float64(i-1)+within)/steps
}

// kindOfEpisode is one of the three.
type kindOfEpisode struct {
	kind fault.Kind
	Episodes
}

// episodes are those that p has.
func (p Profile) episodes() []kindOfEpisode {
	all := []kindOfEpisode{{fault.Partition, p.Partition}, {fault.Pause, p.Pause}, {fault.Suspend, p.Suspend}}
	return slices.DeleteFunc(all, func(e kindOfEpisode) bool { return e.Every <= 0 })
}

// doublings cuts a span at twice its low end, and so on. Each is as likely.
func (s Span) doublings() []Span {
	var all []Span
	for low := s.Low; ; low *= 2 {
		if high := low * 2; high < s.High {
			all = append(all, Span{low, high})
			continue
		}
		return append(all, Span{low, s.High})
	}
}

// mostPasses is how often the episodes are repeated where the interval of the
// rate holds the budget.
const mostPasses = 16

// predictLosses finds how often a healthy holder loses its lease, and how often
// it would if all episodes lasted twice as long.
func predictLosses(ctx context.Context, c PredictConfig, p *Prediction) error {
	if c.Episodes == 0 {
		return nil
	}
	var err error
	if p.hazards, err = c.expose(ctx, "hazard", p); err != nil {
		return err
	}
	p.FalseFailovers, p.TwiceAsOften = estimate(p.hazards, 1), estimate(p.hazards, 2)
	for _, h := range p.hazards {
		p.Episodes += h.episodes
		p.Lost += h.lost
	}
	longer := c
	for _, e := range []*Episodes{&longer.Profile.Partition, &longer.Profile.Pause, &longer.Profile.Suspend} {
		e.Length.Low, e.Length.High = 2*e.Length.Low, 2*e.Length.High
	}
	twice, err := longer.expose(ctx, "longer hazard", p)
	p.TwiceAsLong = estimate(twice, 1)
	return err
}

// expose lets a holder meet each hazard, as often as it takes to tell on which
// side of the budget the rate is.
func (c PredictConfig) expose(ctx context.Context, part string, p *Prediction) ([]hazard, error) {
	all := c.hazards()
	for pass := range mostPasses {
		widest := 0.0
		for _, h := range all {
			widest = max(widest, h.width())
		}
		for i := range all {
			h := &all[i]
			if h.certain || pass > 0 && h.width() < widest/4 {
				continue // more of it would tell next to nothing
			}
			if err := c.meet(ctx, fmt.Sprintf("%s %d/%d", part, i, pass), h, p); err != nil {
				return nil, err
			}
		}
		if e := estimate(all, 1); e.High <= c.Budget || e.Low > c.Budget {
			break
		}
	}
	return all, nil
}

// estimate sums up hazards, if episodes came so many times as often. Its interval
// is MOVER's (G. Y. Zou and A. Donner, 2008) of Wilson's intervals of the shares.
func estimate(all []hazard, times float64) Estimate {
	rate, below, above := 0.0, 0.0, 0.0
	for _, h := range all {
		perHour := h.perHour
		if h.kind != "" {
			perHour *= times
		}
		share, low, high := h.share()
		rate += perHour * share
		below += square(perHour * (share - low))
		above += square(perHour * (high - share))
	}
	return Estimate{Rate(rate), Rate(max(0, rate-math.Sqrt(below))), Rate(rate + math.Sqrt(above))}
}

func square(x float64) float64 { return x * x }

// width is how much of a rate is open because of this hazard.
func (h *hazard) width() float64 {
	_, low, high := h.share()
	return h.perHour * (high - low)
}

// share is how often it costs the lease.
func (h *hazard) share() (value, low, high float64) {
	if h.certain {
		return 1, 1, 1
	}
	return wilson(h.lost, h.episodes)
}

// wilson is a share of k in n with its interval of 95 % confidence (E. B. Wilson,
// 1927).
func wilson(k, n int64) (value, low, high float64) {
	if n == 0 {
		return 0, 0, 1
	}
	const z = 1.959964
	m := float64(n)
	p := float64(k) / m
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	d := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return p, min(max(0, middle-d), p), max(min(1, middle+d), p)
}

// exposure is a holder that meets one hazard again and again.
type exposure struct {
	h       *hazard
	holder  *predictClient
	begins  []time.Duration
	held    []bool
	lost    []bool
	present int // the episode that it is at; -1: before the first
}

// meet plays c.Episodes of a hazard. The holder is alone: a lease is never taken
// from a holder that still believes in it.
func (c PredictConfig) meet(ctx context.Context, part string, h *hazard, p *Prediction) error {
	h2 := c
	if h.kind == "" && !h.late {
		h2.Profile.LossPPM = 0 // they are what is counted
	}
	n := c.Episodes
	x := &exposure{h: h, held: make([]bool, n), lost: make([]bool, n), present: -1}
	w, err := h2.worldWith(part, 1, func(choices sim.Chooser) fault.Plan { return x.plan(choices, h2) })
	if err != nil {
		return err
	}
	defer w.close()
	x.holder = w.clients[0]
	x.holder.lost = func() {
		if x.present >= 0 {
			x.lost[x.present] = true
		}
	}
	for i, at := range x.begins {
		w.At(at-1, func() { x.begin(i) })
	}
	x.holder.start()
	if err := w.run(ctx, x.begins[n-1]+h.length.High+quiet*c.Settings.TTL, nil); err != nil {
		return err
	}
	for i, held := range x.held {
		if !held {
			continue // the one before still had its effect
		}
		h.episodes++
		if x.lost[i] {
			h.lost++
		}
	}
	p.account(w)
	return nil
}

// begin is the moment before an episode.
func (x *exposure) begin(i int) {
	x.present, x.held[i] = i, x.holder.holding
	x.holder.unanswered, x.holder.late = x.h.calls, x.h.late
}

// quiet is how many TTLs are left after an episode: one in which the lease can
// still be lost, one to get it again, and one of calm.
const quiet = 3

// plan has the episodes one after the other, each at a random phase of the
// renewal, their lengths at even distances.
func (x *exposure) plan(choices sim.Chooser, c PredictConfig) fault.Plan {
	plan := c.Profile.drifts(choices, 1, forEver)
	n := uint64(c.Episodes)
	at := quiet * c.Settings.TTL
	for i := range n {
		begin := at + time.Duration(choices.Choose("bench/phase", uint64(c.Settings.RenewEvery)))
		x.begins = append(x.begins, begin)
		length := x.h.length.Low
		if span := uint64(x.h.length.High - x.h.length.Low); span > 0 {
			length += time.Duration((span*i + choices.Choose("bench/length", span+1)) / n)
		}
		if x.h.kind != "" {
			plan = append(plan, fault.Fault{Kind: x.h.kind, Start: begin, Duration: length})
		}
		at = begin + length + quiet*c.Settings.TTL
	}
	return plan
}
