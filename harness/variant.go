package harness

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// Variant is which of the simulated worlds that a lock must be content with a
// run takes place in: all of them keep the contract of lock.Store and
// lock.Watcher.
type Variant struct {
	// Watch: the store can tell of a change.
	Watch bool `json:"watch"`
	// ConflictReturnsCurrent: a failed compare-and-swap carries the record that
	// stood in its way.
	ConflictReturnsCurrent bool `json:"conflict_returns_current"`
	// RevisionsPerKey: one revision occurs under many keys.
	RevisionsPerKey bool `json:"revisions_per_key"`
	// Retry is after what time the SDK sends a request again of which a message
	// was lost; a write then meets itself. 0: it does not.
	Retry Duration `json:"sdk_retry"`
	// WatchLag bounds how late a watch tells of a change, and how old its answer
	// may be. 0: it tells at once of what there is.
	WatchLag Duration `json:"watch_lag"`
	// PreemptEvery is how many readings of the clock there are to one at which the
	// task is interrupted. 0: it is not.
	PreemptEvery int `json:"preempt_every"`
}

// drawVariant draws a world for a seed. Each question has a stream of its own.
func (s Scenario) drawVariant(subject subjects.Subject) *Variant {
	r := sim.NewRandom(s.Seed)
	v := &Variant{
		Watch:                  r.Choose("world/watch", 3) != 0,
		ConflictReturnsCurrent: r.Choose("world/current", 2) == 0,
		RevisionsPerKey:        r.Choose("world/revisions", 2) == 0,
	}
	if r.Choose("world/retry", 4) == 0 {
		v.Retry = s.RequestTimeout / Duration(2+r.Choose("world/retry", 4))
	}
	if v.Watch && r.Choose("world/lag", 4) == 0 {
		v.WatchLag = 1 + Duration(r.Choose("world/lag", uint64(s.TTL/4)))
	}
	if subject.Interruptible && r.Choose("world/preempt", 3) == 0 {
		v.PreemptEvery = 20 + int(r.Choose("world/preempt", 200))
	}
	return v
}

// withVariant is s in the world that it names; where it names none, in the one
// that its seed stands for with this subject.
func (s Scenario) withVariant(subject subjects.Subject) Scenario {
	if s.World == nil && s.Backend == BackendSim {
		s.World = s.drawVariant(subject)
	}
	return s
}

// simplerWorld takes one peculiarity of the world of s after the other away, and
// keeps without what try accepts.
func simplerWorld(s Scenario, try func(Scenario) bool) {
	if s.World == nil {
		return
	}
	for _, simplify := range []func(*Variant){
		func(v *Variant) { v.PreemptEvery = 0 },
		func(v *Variant) { v.WatchLag = 0 },
		func(v *Variant) { v.Retry = 0 },
		func(v *Variant) { v.RevisionsPerKey = false },
		func(v *Variant) { v.ConflictReturnsCurrent = false },
		func(v *Variant) { v.Watch, v.WatchLag = false, 0 },
	} {
		plainer := *s.World
		simplify(&plainer)
		simpler := s
		simpler.World = &plainer
		if plainer != *s.World && try(simpler) {
			s = simpler
		}
	}
}

func (s Scenario) checkVariant() error {
	v := s.World
	switch {
	case v == nil:
		return nil
	case s.Backend != BackendSim:
		return errors.New("world: only a simulated one can be chosen; this run has backend " + s.Backend)
	case v.Retry < 0 || v.Retry > s.TTL:
		return fmt.Errorf("world: sdk_retry %s must be between 0 and the ttl %s", v.Retry, s.TTL)
	case v.WatchLag < 0 || v.WatchLag > s.TTL:
		return fmt.Errorf("world: watch_lag %s must be between 0 and the ttl %s", v.WatchLag, s.TTL)
	case v.WatchLag > 0 && !v.Watch:
		return fmt.Errorf("world: watch_lag %s needs watch", v.WatchLag)
	case v.PreemptEvery < 0 || v.PreemptEvery > 1_000_000:
		return fmt.Errorf("world: preempt_every %d must be between 0 and 1000000", v.PreemptEvery)
	}
	return nil
}

func (s Scenario) checkInterruptions(subject subjects.Subject) error {
	if v := s.World; v != nil && v.PreemptEvery > 0 && !subject.Interruptible {
		return fmt.Errorf("world: preempt_every %d: %s may hold a mutex while it reads the clock, and would block for ever",
			v.PreemptEvery, s.Subject)
	}
	return nil
}

// config is the part of a simulator's configuration that the variant decides.
func (v *Variant) config() sim.Config {
	return sim.Config{
		PreemptEvery: v.PreemptEvery,
		Store: sim.StoreConfig{
			Watch: v.Watch, ConflictReturnsCurrent: v.ConflictReturnsCurrent, RevisionsPerKey: v.RevisionsPerKey,
			Retry: v.Retry.D(), WatchLag: v.WatchLag.D(),
		},
	}
}

// allow gives the checkers what only the run itself could tell, and what the
// variant makes later: when aimed faults struck, and that whoever is interrupted
// hears of a loss that much later.
func (v *Variant) allow(p *linearizability.Params, w *sim.World) {
	if v.PreemptEvery > 0 {
		p.NoticeSlack += 4 * sim.MaxPreempt
	}
	for _, x := range w.Strikes() {
		if x.Fault.Kind == fault.AimedPause {
			p.Faulty = append(p.Faulty, linearizability.Interval{Client: x.Fault.Target, From: x.At, To: x.Until})
		}
	}
}

// tampered records that a record was changed by somebody who is no client.
func (r *run) tampered(x sim.Tamper) {
	if name := r.lockUnder(x.Key); name != "" {
		r.rec.addAt(x.At, linearizability.Event{Op: linearizability.OpTamper, Phase: linearizability.Info, Lock: name})
	}
}

// lockUnder is the lock whose record is kept under key: of that name, or with
// what the subject puts before it.
func (r *run) lockUnder(key string) string {
	i := slices.IndexFunc(r.locks, func(name string) bool { return key == name })
	if i < 0 {
		i = slices.IndexFunc(r.locks, func(name string) bool { return strings.HasSuffix(key, name) })
	}
	if i < 0 {
		return ""
	}
	return r.locks[i]
}
