package linearizability

import "slices"

// never is a time after every event.
const never = int64(1) << 62

// unset marks a time that did not come. Times count from 0.
const unset = int64(-1)

// grant is all that a history tells of one successful acquire.
type grant struct {
	id    int64
	token uint64
	// invoke is the acquire's; sent is the later of it and Since; ok is its return.
	invoke, sent, ok int64
	// beliefEnd is when the holder stopped believing, never if it did not.
	beliefEnd int64
	// extended is when the last request that surely extended the lease was sent:
	// the acquire itself or a renew that ended ok. renewed is the event of the
	// latter, or -1. renewSent is when the last renew of any end was sent.
	extended  int64
	renewSent int64
	// renewOpen is the invoke of the renew under way, unset if none is.
	renewOpen int64
	// renewFailCall and renewFail span the first renew that proved the loss.
	renewFailCall, renewFail int64
	// release is the invoke, released the return, releaseUntil its Until.
	release, released, releaseUntil int64
	expire, lost, crash             int64

	client, lock               int32
	invokeAt, okAt             int32 // events
	endAt, renewedAt           int32 // events, -1 if none
	believingAt                int32 // in the list of what its client believes in
	renewOpenAt, renewFailedAt int32
	releaseAt                  int32
	mode                       Mode
	endOp                      Op    // what ended the belief, OpInvalid if nothing did
	releasePhase               Phase // PhaseInvalid: not released; Invoke: still open
}

// try is an acquire that was not granted for certain: failed, or without a known
// end.
type try struct {
	call, ret int64 // ret is never where the end is unknown
	answered  int64 // when its client had an answer, or waited for none any more
	until     int64
	client    int32
	holder    int32 // client, -1 if none
	callAt    int32
	retAt     int32 // event, -1 if none
	mode      Mode
	failed    bool
}

// lockIndex is one lock's part of the history, in the order of returns.
type lockIndex struct {
	name   string
	grants []int32
	tries  []try
}

type openAcquire struct {
	lock, at int32
}

type process struct {
	client  int32
	crashed bool
	ended   bool // an acquire or a release ended info
	open    []openAcquire
	// many is where in open the acquire of a lock is, once there are too many to
	// look through.
	many map[int32]int32
}

// fewOpen is how many open acquires of one process are looked through.
const fewOpen = 32

// openOf returns where in open the acquire of a lock is, or -1.
func (p *process) openOf(lock int32) int {
	if p.many != nil {
		if at, ok := p.many[lock]; ok {
			return int(at)
		}
		return -1
	}
	return slices.IndexFunc(p.open, func(o openAcquire) bool { return o.lock == lock })
}

func (p *process) opened(o openAcquire) {
	p.open = append(p.open, o)
	switch {
	case p.many != nil:
		p.many[o.lock] = int32(len(p.open) - 1)
	case len(p.open) > fewOpen:
		p.many = make(map[int32]int32, 2*len(p.open))
		for i, o := range p.open {
			p.many[o.lock] = int32(i)
		}
	}
}

// closed takes the acquire at a place out of open. The last one takes its place.
func (p *process) closed(at int) {
	last := len(p.open) - 1
	if p.many != nil {
		delete(p.many, p.open[at].lock)
		if at != last {
			p.many[p.open[last].lock] = int32(at)
		}
	}
	p.open[at] = p.open[last]
	p.open = p.open[:last]
}

// crashEffect is one belief or, if belief is false, one open acquire that a crash
// ended.
type crashEffect struct {
	event, lock int32
	belief      bool
}

// index is a history in the shape that the checkers read. One pass builds it and
// validates on the way. Its memory is used again by the next build.
type index struct {
	h         History
	grants    []grant
	locks     []lockIndex
	processes []process
	crashes   []crashEffect
	// end is when recording stopped.
	end int64

	byGrant   table
	byProcess table
	byName    map[string]int32
	lastLock  int32
	// believing holds the grants that each client believes in now, and living its
	// processes since its last crash.
	believing, living [][]int32
	// untold holds the grants of each client that ended by its own clock while
	// it had not been told.
	untold  [][]int32
	clients int
	// ownExpiry is Params.ownExpiry.
	ownExpiry int64
}

func (x *index) reset() {
	x.grants = x.grants[:0]
	for i := range x.locks {
		x.locks[i].grants = x.locks[i].grants[:0]
		x.locks[i].tries = x.locks[i].tries[:0]
	}
	x.locks = x.locks[:0]
	for i := range x.processes {
		x.processes[i].open = x.processes[i].open[:0]
	}
	x.processes = x.processes[:0]
	x.crashes = x.crashes[:0]
	for i := range x.believing {
		x.believing[i] = x.believing[i][:0]
	}
	x.believing = x.believing[:0]
	for i := range x.living {
		x.living[i] = x.living[i][:0]
	}
	for i := range x.untold {
		x.untold[i] = x.untold[i][:0]
	}
	x.byGrant.reset()
	x.byProcess.reset()
	clear(x.byName)
	x.lastLock = -1
}

// build reads h. Its error is Validate's.
func (x *index) build(p *Params, h History) error {
	x.reset()
	x.h = h
	x.clients = p.Clients
	x.ownExpiry = p.ownExpiry()
	x.reserve(h)
	last := int64(0)
	for i := range h {
		e := &h[i]
		if err := e.check(); err != nil {
			return malformed(i, e, "%v", err)
		}
		if e.At < last {
			return malformed(i, e, "time runs backwards: the event before is at %s", seconds(last))
		}
		last = e.At
		if err := x.add(i, e); err != nil {
			return err
		}
	}
	x.end = max(last, int64(p.End))
	x.finish()
	return nil
}

// reserve makes room for the grants of a long history at once: growing by steps
// would leave as much garbage as there is data.
func (x *index) reserve(h History) {
	if len(h) < 1<<12 {
		return
	}
	grants := 0
	for i := range h {
		if h[i].Op == OpAcquire && h[i].Phase == Ok {
			grants++
		}
	}
	x.grants = slices.Grow(x.grants, grants)
}

func (x *index) add(i int, e *Event) error {
	if x.clients > 0 && (e.Client >= x.clients || e.Holder > x.clients) {
		return malformed(i, e, "there are only %s", counted(x.clients, "client"))
	}
	p := x.process(e)
	if int(p.client) != e.Client {
		return malformed(i, e, "process %d belongs to c%d", e.Process, p.client)
	}
	access := e.Op == OpRead || e.Op == OpWrite
	if p.crashed && !access {
		return malformed(i, e, "process %d has crashed", e.Process)
	}
	switch e.Op {
	case OpAcquire:
		return x.acquire(i, e, p)
	case OpCrash:
		x.crash(i, e)
		return nil
	}
	at, ok := x.byGrant.get(e.Grant)
	if !ok {
		return malformed(i, e, "grant %d is unknown", e.Grant)
	}
	g := &x.grants[at]
	if int(g.client) != e.Client {
		return malformed(i, e, "grant %d belongs to c%d", e.Grant, g.client)
	}
	if x.locks[g.lock].name != e.Lock {
		return malformed(i, e, "grant %d is of lock %s", e.Grant, x.locks[g.lock].name)
	}
	switch e.Op {
	case OpRenew:
		return x.renew(i, e, g)
	case OpRelease:
		return x.release(i, e, g, at, p)
	case OpExpire:
		g.expired(e.At)
		for len(x.untold) <= e.Client {
			x.untold = append(x.untold, nil)
		}
		x.untold[e.Client] = append(x.untold[e.Client], at)
		x.stopBelieving(i, e, g)
	case OpLost:
		if g.lost == unset {
			g.lost = e.At
		}
		x.stopBelieving(i, e, g)
	}
	return nil
}

func (x *index) process(e *Event) *process {
	at, ok := x.byProcess.get(int64(e.Process))
	if !ok {
		at = int32(len(x.processes))
		x.byProcess.put(int64(e.Process), at)
		if cap(x.processes) > len(x.processes) {
			x.processes = x.processes[:at+1]
			open := x.processes[at].open[:0]
			x.processes[at] = process{client: int32(e.Client), open: open}
		} else {
			x.processes = append(x.processes, process{client: int32(e.Client)})
		}
	}
	for len(x.believing) <= e.Client {
		if cap(x.believing) > len(x.believing) {
			x.believing = x.believing[:len(x.believing)+1]
		} else {
			x.believing = append(x.believing, nil)
		}
	}
	if !ok {
		for len(x.living) <= e.Client {
			x.living = append(x.living, nil)
		}
		x.living[e.Client] = append(x.living[e.Client], at)
	}
	return &x.processes[at]
}

// lockNamed finds a lock's position. Runs name few locks, one after the other.
func (x *index) lockNamed(name string) int32 {
	if x.lastLock >= 0 && x.locks[x.lastLock].name == name {
		return x.lastLock
	}
	at, ok := x.byName[name]
	if !ok {
		at = int32(len(x.locks))
		if x.byName == nil {
			x.byName = map[string]int32{}
		}
		x.byName[name] = at
		if cap(x.locks) > len(x.locks) {
			x.locks = x.locks[:at+1]
			x.locks[at].name = name
		} else {
			x.locks = append(x.locks, lockIndex{name: name})
		}
	}
	x.lastLock = at
	return at
}
