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
	// believes is from when on the holder believes: ok, or a resume. beliefEnd is
	// when it stopped, never if it did not.
	believes, beliefEnd int64
	// expiry is when the grant may have ended by itself at the earliest, retaken when
	// its own client may have been granted the same lease again, unset if it was not.
	expiry, retaken int64
	// tampered is when somebody else changed the record after it was last extended,
	// unset if nobody did.
	tampered int64
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
	// closed is when its client was closed after the lease had ended by its own clock.
	closed int64

	client, lock               int32
	invokeAt, okAt             int32 // events
	endAt, renewedAt           int32 // events, -1 if none
	believingAt                int32 // in the list of what its client believes in
	renewOpenAt, renewFailedAt int32
	releaseAt                  int32
	mode                       Mode
	endOp                      Op    // what ended the belief, OpInvalid if nothing did
	releasePhase               Phase // PhaseInvalid: not released; Invoke: still open
	again                      bool  // it may be a lease that its client had already
	loose                      bool  // a release of another grant may have ended it
	renews                     bool  // the lock renews it by itself
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
	held      bool // it failed because another holds the lock
	inspect   bool // it did not ask for the lock, but who holds it
}

// lockIndex is one lock's part of the history, in the order of returns.
type lockIndex struct {
	name   string
	grants []int32
	tries  []try
	// tampered is when somebody else touched its record.
	tampered []int64
}

type openAcquire struct {
	lock, at int32
	gaveUp   int32 // event, -1 while its caller waits
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
	// shortestBelief is that of the promises.
	shortestBelief int64
	// keeps is how long a lease that was extended can surely not be lost.
	keeps int64
	// crashed holds the time of each client's last crash.
	crashed []int64
	// early are the losses that were reported before a lease can have ended.
	early []earlyLoss
	// lost is when clients or the host stood still, sorted by start; late is what a
	// bound may be missed by because timers were late.
	lost []Interval
	late int64
	// calls are all that returned, and at the end all that did not.
	calls []call
	// beliefs are those that ended and came back, each up to its end.
	beliefs []belief
	// closing holds each client's last close.
	closing []closing
	open    openCalls
}

func (x *index) reset() {
	x.grants = x.grants[:0]
	for i := range x.locks {
		x.locks[i].grants = x.locks[i].grants[:0]
		x.locks[i].tries = x.locks[i].tries[:0]
		x.locks[i].tampered = x.locks[i].tampered[:0]
	}
	x.locks = x.locks[:0]
	for i := range x.processes {
		x.processes[i].open = x.processes[i].open[:0]
	}
	x.processes = x.processes[:0]
	x.crashes = x.crashes[:0]
	x.calls = x.calls[:0]
	x.beliefs = x.beliefs[:0]
	x.closing = x.closing[:0]
	x.early = x.early[:0]
	x.crashed = x.crashed[:0]
	x.open.reset()
	x.believing, x.living = resetLists(x.believing), resetLists(x.living)
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
	x.shortestBelief = p.Promises.shortestBelief()
	x.keeps = min(x.shortestBelief, p.Promises.shortestLease())
	x.hostLost(p)
	x.reserve(h)
	last := int64(0)
	for i := range h {
		e := &h[i]
		if err := e.check(); err != nil {
			return malformed(i, e, "%v", err)
		}
		if e.At < last {
			return malformed(i, e, "time runs backwards: the event before is at %s", exactly(last))
		}
		last = e.At
		if err := x.add(i, e); err != nil {
			return err
		}
	}
	x.end = max(last, int64(p.End))
	x.finish()
	x.leases(&p.Promises)
	return nil
}

// reserve makes room for the grants and calls of a long history at once: growing by
// steps would leave as much garbage as there is data.
func (x *index) reserve(h History) {
	if len(h) < 1<<12 {
		return
	}
	grants, calls := 0, 0
	for i := range h {
		if h[i].Op == OpAcquire && h[i].Phase == Ok {
			grants++
		}
		if h[i].Phase == Invoke {
			calls++ // each returns once, or is left open at the end
		}
	}
	x.grants = slices.Grow(x.grants, grants)
	x.calls = slices.Grow(x.calls, calls)
}

// resetLists empties each list and keeps its memory.
func resetLists(lists [][]int32) [][]int32 {
	for i := range lists {
		lists[i] = lists[i][:0]
	}
	return lists[:0]
}

// listOf returns the list of a client, growing lists to hold it.
func listOf(lists [][]int32, client int) [][]int32 {
	for len(lists) <= client {
		if cap(lists) > len(lists) {
			lists = lists[:len(lists)+1]
		} else {
			lists = append(lists, nil)
		}
	}
	return lists
}

func (x *index) add(i int, e *Event) error {
	if x.clients > 0 && (e.Client >= x.clients || e.Holder > x.clients) {
		return malformed(i, e, "there are only %s", counted(x.clients, "client"))
	}
	if e.Op == OpTamper {
		l := &x.locks[x.lockNamed(e.Lock)]
		l.tampered = append(l.tampered, e.At)
		return nil
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
	case OpGiveUp:
		x.giveUp(i, e, p)
		return nil
	case OpInspect, OpClose:
		return x.ask(i, e)
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
		return x.release(i, e, g, p)
	case OpExpire:
		g.expired(e.At)
		for len(x.untold) <= e.Client {
			x.untold = append(x.untold, nil)
		}
		x.untold[e.Client] = append(x.untold[e.Client], at)
		x.stopBelieving(i, e, g)
	case OpResume:
		return x.resume(i, e, g, at)
	case OpLost:
		x.reportedLost(i, e, g)
		if g.lost == unset {
			g.lost = e.toldSince()
		}
		x.stopBelieving(i, e, g)
		g.beliefEnd = min(g.beliefEnd, max(g.believes, e.toldSince()))
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
		x.living = listOf(x.living, e.Client)
		x.living[e.Client] = append(x.living[e.Client], at)
	}
	x.believing = listOf(x.believing, e.Client)
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
