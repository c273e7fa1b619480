package harness

import "fmt"

// Chance is a probability of the workload, per mille, as a scenario file and a
// flag name it.
type Chance struct {
	// Name is "try" for the field "try_permille" and the flag --try.
	Name string
	// Summary is one line that begins with what happens.
	Summary string
	// Of returns the field.
	Of func(*Workload) *uint64
}

// chances is the table of all of them. It is never written.
var chances = [...]Chance{
	{"try", "an acquire does not wait", func(w *Workload) *uint64 { return &w.Try }},
	{"give_up", "a waiting acquire is cancelled after a while", func(w *Workload) *uint64 { return &w.GiveUp }},
	{"wait_limit", "a waiting acquire has a limit of its own", func(w *Workload) *uint64 { return &w.WaitLimit }},
	{"abandon", "a holder does not renew, and lets its lease run out", func(w *Workload) *uint64 { return &w.Abandon }},
	{"die", "a holder's process crashes and restarts", func(w *Workload) *uint64 { return &w.Die }},
	{"ask", "a holder asks its lease how long it stands, at each access", func(w *Workload) *uint64 { return &w.Ask }},
	{"renew", "a holder renews by hand, at each access", func(w *Workload) *uint64 { return &w.Renew }},
	{"do", "a turn runs a function under the lock", func(w *Workload) *uint64 { return &w.Do }},
	{"another", "a holder takes a second lock besides, at each access", func(w *Workload) *uint64 { return &w.Another }},
	{"inspect", "a turn begins with a look at who holds the lock", func(w *Workload) *uint64 { return &w.Inspect }},
	{"close", "a client is closed, whatever it is doing, and goes on as a new one", func(w *Workload) *uint64 { return &w.Close }},
	{"parallel", "a process uses its client from two or three goroutines", func(w *Workload) *uint64 { return &w.Parallel }},
	{"spread", "the settings of the clients of a run differ", func(w *Workload) *uint64 { return &w.Spread }},
}

// Chances returns the probabilities of a workload, always in the same order.
func Chances() []Chance { return append([]Chance(nil), chances[:]...) }

func (w Workload) validate() error {
	for _, d := range []struct {
		name  string
		value Duration
	}{{"hold_max", w.HoldMax}, {"think_max", w.ThinkMax}, {"effect_every", w.EffectEvery}} {
		if d.value <= 0 || d.value.D() > longest {
			return fmt.Errorf("workload: %s %s must be more than 0 and at most 720h", d.name, d.value)
		}
	}
	for _, c := range chances {
		if p := *c.Of(&w); p > 1000 {
			return fmt.Errorf("workload: %s_permille %d must be between 0 and 1000", c.Name, p)
		}
	}
	return nil
}
