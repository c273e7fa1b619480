package linearizability

import (
	"slices"
	"time"

	"pgregory.net/rapid"
)

// world is a small lock service that answers mostly well, with clients that talk
// to it at random. It makes histories that are well formed, and near the border
// between what one lock can answer and what it cannot.
type world struct {
	t       *rapid.T
	p       Params
	lies    int // per mille of the answers
	now     int64
	h       History
	grants  int64
	tokens  uint64
	holders []held
	clients []genClient
	procs   int
	retakes bool // a client may be granted its own lease again
}

type held struct {
	client  int
	grant   int64
	token   uint64
	mode    Mode
	renewed int64
}

type genClient struct {
	client  int
	process int
	op      Op // open, or OpInvalid
	mode    Mode
	invoked int64
	sent    int64
	// got is the effect of the open operation, if it has come.
	applied bool
	result  Phase
	holder  int
	token   uint64
	grant   int64
	has     bool
	hasMode Mode
}

// Odd lengths, so that ends of leases rarely meet the times of events by chance
// alone: genTick divides both.
const (
	genTick = int64(500 * time.Millisecond)
	genTTL  = int64(5 * time.Second)
	// genDriftPPM makes a lease end a tick early, and a belief two.
	genDriftPPM = 100_000
)

func genHistory(t *rapid.T, events int) (Params, History) {
	w := &world{t: t}
	return w.history(events)
}

// genRetakes is genHistory of a lock that may grant a client its own lease again.
func genRetakes(t *rapid.T, events int) (Params, History) {
	w := &world{t: t, retakes: true}
	p, h := w.history(events)
	p.Promises.NoRetake = false
	return p, h
}

func (w *world) history(events int) (Params, History) {
	t := w.t
	w.lies = rapid.SampledFrom([]int{0, 30, 100, 300}).Draw(t, "lies")
	drift := rapid.SampledFrom([]int64{0, genDriftPPM}).Draw(t, "drift")
	w.p = Params{TTL: time.Duration(genTTL), Clients: 3, MaxClockDriftPPM: drift, Promises: LeasePromises(time.Duration(genTTL), drift)}
	w.p.Promises.Tokens = rapid.Bool().Draw(t, "tokens")
	// Sometimes the last client makes two calls at a time.
	callers := rapid.SampledFrom([]int{3, 3, 4}).Draw(t, "callers")
	for i := range callers {
		w.clients = append(w.clients, genClient{client: min(i, 2), process: i})
	}
	w.procs = callers
	shared := rapid.IntRange(0, 2).Draw(t, "shared")
	for len(w.h) < events {
		w.now += genTick * int64(rapid.SampledFrom([]int{0, 0, 1, 1, 2, 7}).Draw(t, "pass"))
		c := &w.clients[rapid.IntRange(0, callers-1).Draw(t, "caller")]
		w.act(c.client, c, shared)
	}
	return w.p, w.h
}

func (w *world) chance(what string, permille int) bool {
	return permille > 0 && rapid.IntRange(0, 999).Draw(w.t, what) < permille
}

func (w *world) lie() bool { return w.chance("lie", w.lies) }

func (w *world) event(i int, c *genClient, op Op, phase Phase) *Event {
	e := Event{At: w.now, Client: i, Process: c.process, Op: op, Phase: phase, Lock: "a"}
	if op != OpAcquire {
		e.Grant, e.Mode = c.grant, c.hasMode
	} else {
		e.Mode = c.mode
	}
	w.h = append(w.h, e)
	return &w.h[len(w.h)-1]
}

func (w *world) act(i int, c *genClient, shared int) {
	switch {
	case c.op == OpInvalid && !c.has:
		c.mode = Exclusive
		if shared > 0 && w.chance("reads", 300*shared) {
			c.mode = Shared
		}
		c.op, c.applied, c.invoked, c.sent = OpAcquire, false, w.now, w.now
		w.event(i, c, OpAcquire, Invoke)
	case c.op == OpInvalid:
		w.holder(i, c)
	case !c.applied:
		w.apply(i, c)
	default:
		w.answer(i, c)
	}
}

// holder lets a client that has a grant go on.
func (w *world) holder(i int, c *genClient) {
	switch n := rapid.IntRange(0, 9).Draw(w.t, "holder"); {
	case n < 4:
		c.op = OpRenew
	case n < 8:
		c.op = OpRelease
	case n == 8:
		w.event(i, c, OpExpire, Info)
		c.has = false
		return
	default:
		w.event(i, c, OpCrash, Info)
		for k := range w.clients {
			if other := &w.clients[k]; other.client == i {
				w.fresh(other)
				other.has, other.op = false, OpInvalid
			}
		}
		return
	}
	c.applied, c.invoked, c.sent = false, w.now, w.now
	w.event(i, c, c.op, Invoke)
}

func (w *world) fresh(c *genClient) {
	c.process = w.procs
	w.procs++
}

// apply performs the open operation at the service, or gives up on it.
func (w *world) apply(i int, c *genClient) {
	if w.chance("vanishes", 100) {
		w.vanish(i, c)
		return
	}
	w.holders = slices.DeleteFunc(w.holders, func(h held) bool {
		return w.now >= h.renewed+int64(w.p.Promises.ShortestLease) && w.chance("expires", 500)
	})
	at := slices.IndexFunc(w.holders, func(h held) bool { return h.grant == c.grant })
	switch c.op {
	case OpAcquire:
		if !w.tryGrant(i, c) && w.chance("waits", 500) {
			c.sent = w.now
			return // and tries again
		}
	case OpRenew, OpRelease:
		c.result = Fail
		if at >= 0 != w.lie() {
			c.result = Ok
		}
		if at >= 0 && c.op == OpRenew {
			w.holders[at].renewed = c.invoked
		}
		if at >= 0 && c.op == OpRelease && !w.lie() {
			w.holders = slices.Delete(w.holders, at, at+1)
		}
	}
	c.applied = true
}

func (w *world) tryGrant(i int, c *genClient) bool {
	own := func(h held) bool { return w.retakes && h.client == i }
	kept := slices.ContainsFunc(w.holders, own)
	w.holders = slices.DeleteFunc(w.holders, own)
	free := !slices.ContainsFunc(w.holders, func(h held) bool { return h.mode == Exclusive || c.mode == Exclusive })
	c.result, c.holder = Fail, 0
	if free == w.lie() {
		if len(w.holders) > 0 {
			c.holder = 1 + w.holders[0].client
		} else if w.lies > 0 {
			c.holder = rapid.IntRange(0, 3).Draw(w.t, "wrong holder")
		}
		return false
	}
	w.grants++
	if !kept || w.chance("new token", 500) {
		w.tokens++
	}
	if w.lie() {
		w.tokens -= min(w.tokens, 2)
	}
	c.result = Ok
	c.token, c.grant = max(w.tokens, 1), w.grants
	if w.chance("no token", 20) {
		c.token = 0
	}
	w.holders = append(w.holders, held{client: i, grant: w.grants, token: c.token, mode: c.mode, renewed: c.sent})
	return true
}

// vanish ends the open operation without an answer. Its effect may have come.
func (w *world) vanish(i int, c *genClient) {
	op := c.op
	c.op = OpInvalid
	var until int64
	switch {
	case op == OpAcquire && w.chance("lands", 500):
		w.tryGrant(i, c)
		if w.chance("known", 500) {
			until = max(w.now, 1)
		}
	case op == OpAcquire && w.chance("known never", 500):
		until = -1
	case op == OpRelease && w.chance("lands", 500):
		w.holders = slices.DeleteFunc(w.holders, func(h held) bool { return h.grant == c.grant })
		if w.chance("known", 500) {
			until = max(w.now, 1)
		}
	}
	grant := c.grant
	if op == OpAcquire {
		c.grant = 0
	}
	w.event(i, c, op, Info).Until = until
	c.grant = grant
	if op != OpRenew {
		c.has = false
		w.fresh(c)
	}
}

// answer returns the open operation.
func (w *world) answer(i int, c *genClient) {
	op := c.op
	c.op = OpInvalid
	e := w.event(i, c, op, c.result)
	switch {
	case op == OpAcquire && c.result == Ok:
		e.Grant, e.Token = c.grant, 0
		if w.p.Promises.Tokens {
			e.Token = c.token
		}
		if c.sent > c.invoked && w.chance("since", 500) {
			e.Since = c.sent
		}
		c.has, c.hasMode = true, c.mode
	case op == OpAcquire:
		e.Grant, e.Holder = 0, c.holder
	case op == OpRelease:
		c.has = false
	case c.result == Fail:
		c.has = false
	}
}
