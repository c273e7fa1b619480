package report

import (
	"slices"
	"time"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// focus is where a property failed, as a place in a picture.
type focus struct {
	property string
	label    string
	lock     string
	// from and to are the outlined region; seenFrom and seenTo also take in what
	// led to it.
	from, to         int64
	seenFrom, seenTo int64
	// clients are those concerned; none means all.
	clients []int
	// events are the witness, positions in the history.
	events        []int
	informational bool
}

// focusOf returns where p failed; ok is false if p did not fail or does not say
// where.
func focusOf(p lin.Property, h lin.History) (f focus, ok bool) {
	if p.Verdict != lin.Violation || p.Lock == "" && len(p.Events) == 0 && p.At == 0 {
		return focus{}, false
	}
	f = focus{property: p.Name, lock: p.Lock, from: sane(p.At), to: sane(sane(p.At) + sane(p.Size)), informational: p.Informational}
	f.seenFrom, f.seenTo = f.from, f.to
	for _, at := range p.Events {
		if at < 0 || at >= len(h) {
			continue
		}
		e := &h[at]
		f.events = append(f.events, at)
		f.seenFrom, f.seenTo = min(f.seenFrom, sane(e.At)), max(f.seenTo, sane(e.At))
		if f.lock == "" {
			f.lock = e.Lock
		}
		if !slices.Contains(f.clients, e.Client) {
			f.clients = append(f.clients, e.Client)
		}
	}
	if p.Size <= 0 {
		f.from, f.to = f.seenFrom, f.seenTo
	}
	if p.Name == lin.Liveness {
		f.clients = nil
	}
	f.label = p.Name
	if p.Size > 0 {
		f.label += ": " + plain.Duration(time.Duration(p.Size))
	}
	slices.Sort(f.clients)
	return f, true
}

// fociOf returns where the properties of a result failed. The first is the one to
// look at: those that count come before the informational ones.
func fociOf(r *harness.Result) []focus {
	var counting, informational []focus
	for _, p := range r.Verdict.Properties {
		f, ok := focusOf(p, r.History)
		switch {
		case ok && p.Informational:
			informational = append(informational, f)
		case ok:
			counting = append(counting, f)
		}
	}
	return append(counting, informational...)
}

// name is what a page calls it.
func (f *focus) name() string {
	if f.informational {
		return "for information"
	}
	return "the violation"
}

// window returns what to show of a run first: the surroundings of f.
func (f *focus) window(ttl, end int64) (from, to int64) {
	ttl = sane(ttl)
	if ttl == 0 {
		ttl = max(int64(time.Second), end/20)
	}
	region := f.to - f.from
	// A witness may begin long before it fails, with a hold of many renewals.
	most := max(region*8, ttl*4)
	from = max(f.seenFrom, f.from-most/2)
	to = min(f.seenTo, f.to+most/2)
	pad := max((to-from)/5, (ttl*3/2-(to-from))/2)
	return max(0, from-pad), min(end, to+pad)
}
