package report

import (
	lin "github.com/lockproof/lockproof/linearizability"
)

// track is what happened to one lock, in the shape of a picture. It is made from
// any history, malformed ones included: what does not fit is left out, because a
// picture is wanted most of all of a history that was refused.
type track struct {
	lock  string
	holds []hold
	waits []wait
	marks []mark
	// events are the positions in the history of what belongs to the lock.
	events []int
}

// hold is one grant, from when the client was told of it to when it stopped
// believing in it.
type hold struct {
	client   int
	from, to int64
	grant    int64
	token    uint64
	mode     lin.Mode
	// ended is what ended the belief; OpInvalid if nothing did.
	ended lin.Op
	// okAt and endAt are positions in the history, endAt -1 if there is none.
	okAt, endAt int
}

// wait is one acquire, from its invoke to its return.
type wait struct {
	client   int
	from, to int64
	// end is how it returned; Invoke if it never did.
	end     lin.Phase
	mode    lin.Mode
	holder  int   // 1 + client, as in Event
	until   int64 // as in Event
	crashed bool
}

// mark is one instant.
type mark struct {
	client int
	at     int64
	event  int
}

// tracker builds the tracks of all locks in one pass.
type tracker struct {
	tracks []*track
	byLock map[string]*track
	grants map[int64]place
	// open holds, for each process and lock, its wait that has not returned.
	open map[processLock]int
	// live holds the grants that each client believes in.
	live map[int][]int64
}

type place struct {
	t  *track
	at int
}

type processLock struct {
	process int
	lock    string
}

// tracksOf returns one track for each lock, in the order in which the history
// names them, and the end of the run.
func tracksOf(p lin.Params, h lin.History) ([]*track, int64) {
	b := tracker{byLock: map[string]*track{}, grants: map[int64]place{}, open: map[processLock]int{},
		live: map[int][]int64{}}
	end := sane(int64(p.End))
	for i := range h {
		e := h[i]
		e.At = sane(e.At)
		b.add(i, &e)
		end = max(end, e.At)
	}
	for _, t := range b.tracks {
		for i := range t.holds {
			if t.holds[i].endAt < 0 {
				t.holds[i].to = end
			}
		}
		for i := range t.waits {
			if w := &t.waits[i]; w.end == lin.Invoke && !w.crashed {
				w.to = end
			}
		}
	}
	return b.tracks, end
}

func (b *tracker) track(lock string) *track {
	t, ok := b.byLock[lock]
	if !ok {
		t = &track{lock: lock}
		b.byLock[lock] = t
		b.tracks = append(b.tracks, t)
	}
	return t
}

func (b *tracker) add(i int, e *lin.Event) {
	if e.Op == lin.OpCrash {
		b.crash(i, e)
		return
	}
	t := b.track(e.Lock)
	t.events = append(t.events, i)
	switch e.Op {
	case lin.OpAcquire:
		b.acquire(t, i, e)
		return
	case lin.OpRenew:
		if e.Phase == lin.Invoke {
			return
		}
	case lin.OpRelease:
		if e.Phase == lin.Invoke {
			b.endBelief(i, e)
			return
		}
	case lin.OpExpire, lin.OpLost:
		b.endBelief(i, e)
	}
	t.marks = append(t.marks, mark{client: e.Client, at: e.At, event: i})
}

func (b *tracker) acquire(t *track, i int, e *lin.Event) {
	key := processLock{e.Process, e.Lock}
	if e.Phase == lin.Invoke {
		b.open[key] = len(t.waits)
		t.waits = append(t.waits, wait{client: e.Client, from: e.At, to: e.At, end: lin.Invoke, mode: e.Mode})
		return
	}
	if at, ok := b.open[key]; ok {
		delete(b.open, key)
		w := &t.waits[at]
		w.to, w.end, w.holder, w.until = e.At, e.Phase, e.Holder, e.Until
	}
	if e.Phase != lin.Ok {
		t.marks = append(t.marks, mark{client: e.Client, at: e.At, event: i})
		return
	}
	b.grants[e.Grant] = place{t, len(t.holds)}
	b.live[e.Client] = append(b.live[e.Client], e.Grant)
	t.holds = append(t.holds, hold{client: e.Client, from: e.At, to: e.At, grant: e.Grant, token: e.Token,
		mode: e.Mode, okAt: i, endAt: -1})
}

func (b *tracker) endBelief(i int, e *lin.Event) {
	at, ok := b.grants[e.Grant]
	if !ok {
		return
	}
	at.t.holds[at.at].end(i, e)
}

func (h *hold) end(i int, e *lin.Event) {
	if h.endAt < 0 && e.At >= h.from {
		h.to, h.ended, h.endAt = e.At, e.Op, i
	}
}

// crash ends all that the client believes in and waits for, of every lock.
func (b *tracker) crash(i int, e *lin.Event) {
	for _, g := range b.live[e.Client] {
		at := b.grants[g]
		at.t.holds[at.at].end(i, e)
	}
	delete(b.live, e.Client)
	for _, t := range b.tracks {
		key := processLock{e.Process, t.lock}
		if at, ok := b.open[key]; ok {
			delete(b.open, key)
			t.waits[at].to, t.waits[at].crashed = e.At, true
		}
		t.events = append(t.events, i)
		t.marks = append(t.marks, mark{client: e.Client, at: e.At, event: i})
	}
}
