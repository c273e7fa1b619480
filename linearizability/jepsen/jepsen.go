// Package jepsen reads the histories that Jepsen writes of a mutex workload
// (history.edn), so that they can be judged as those of Lockproof are.
//
// A history is a sequence of maps, or one vector of them, with
//
//	:type     :invoke, :ok, :fail or :info
//	:f        :acquire or :lock, :release or :unlock
//	:process  a number; what another process does, as :nemesis, is left out
//	:time     nanoseconds since the start; if no operation has one, their order counts
//	:value    of an :ok acquire its fencing token, if that is a whole number; [k v]
//	          is a value v of the lock k, as package jepsen.independent writes it
//
// A process is a client: Jepsen gives a worker whose operation ended :info a new
// number. A grant ends when its process invokes its release. A release by a process that
// holds nothing cannot be told as a release of anything: it is left out if it failed or
// ended :info, and is an error if it was :ok.
//
// Jepsen's models of a mutex know of no leases. A lock whose grants end by themselves has
// to be given its lease (linearizability.Params), or its takeovers are called wrong.
package jepsen

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lockproof/lockproof/linearizability"
)

// TheLock is the name of the lock where the history names none.
const TheLock = "mutex"

// latest bounds a time, in nanoseconds: some 36 years.
const latest = int64(1) << 60

// Read reads a history, with the parameters of a lock without leases: grants end with
// their release, and carry fencing tokens if one of them does. An error names the line.
func Read(in io.Reader) (linearizability.Params, linearizability.History, error) {
	h, err := read(in)
	if err != nil {
		return linearizability.Params{}, nil, err
	}
	p := linearizability.Params{Promises: linearizability.LeasePromises(0, 0)}
	p.Promises.ShortestLease, p.Promises.ShortestBelief = linearizability.Forever, linearizability.Forever
	for i := range h {
		p.Promises.Tokens = p.Promises.Tokens || h[i].Token > 0
	}
	// Where two hold the lock at the last event, they do so for a moment at least.
	p.End = time.Duration(h[len(h)-1].At + 1)
	return p, h, nil
}

func read(in io.Reader) (linearizability.History, error) {
	c := &converter{r: newReader(in), clients: map[int64]int{}, open: map[place]opened{}, held: map[place]int64{}}
	for {
		v, err := c.r.value(0)
		if errors.Is(err, errEnd) {
			break
		}
		if err == nil {
			err = c.take(v)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(c.h) == 0 {
		return nil, errors.New("no operation of a mutex is in it")
	}
	return c.h, nil
}

// place is where at most one operation is open: a process has one at a time, and
// holds a lock once.
type place struct {
	process int64
	lock    string
}

// opened is an operation that was invoked; one that is left out is a release by a
// process that holds nothing.
type opened struct {
	op      linearizability.Op
	lock    string
	grant   int64
	leftOut bool
}

type converter struct {
	r       *reader
	h       linearizability.History
	clients map[int64]int
	open    map[place]opened // by process alone
	held    map[place]int64  // the grant
	grants  int64
	ops     int64 // so many were read
	timed   int64 // so many of them had a time
}

func (c *converter) take(v any) error {
	switch v := v.(type) {
	case list:
		for _, one := range v {
			if err := c.take(one); err != nil {
				return err
			}
		}
		return nil
	case table:
		return c.operation(v)
	}
	return c.r.errorf("%T where an operation was to come", v)
}

// operation takes in one map.
func (c *converter) operation(t table) error {
	process, ok := t[keyword("process")].(int64)
	if !ok {
		if _, named := t[keyword("process")].(keyword); named {
			return nil // the nemesis
		}
		return c.r.errorf("an operation without a :process")
	}
	at, err := c.time(t)
	if err != nil {
		return err
	}
	phase, ok := phases[t[keyword("type")]]
	if !ok {
		return c.r.errorf("the :type of an operation is %v: there are :invoke, :ok, :fail and :info", t[keyword("type")])
	}
	op, ok := functions[t[keyword("f")]]
	if !ok {
		return c.r.errorf("the :f of an operation is %v: those of a mutex are :acquire and :release", t[keyword("f")])
	}
	lock, value := TheLock, t[keyword("value")]
	if pair, ok := value.(list); ok && len(pair) == 2 {
		lock, value = fmt.Sprint(pair[0]), pair[1]
	}
	e := linearizability.Event{At: at, Client: c.client(process), Process: c.client(process), Lock: lock, Op: op, Phase: phase}
	if text, ok := t[keyword("error")].(string); ok {
		e.Detail = text
	}
	if phase == linearizability.Invoke {
		return c.invoke(process, e)
	}
	return c.end(process, e, value)
}

var phases = map[any]linearizability.Phase{
	keyword("invoke"): linearizability.Invoke, keyword("ok"): linearizability.Ok,
	keyword("fail"): linearizability.Fail, keyword("info"): linearizability.Info,
}

var functions = map[any]linearizability.Op{
	keyword("acquire"): linearizability.OpAcquire, keyword("lock"): linearizability.OpAcquire,
	keyword("release"): linearizability.OpRelease, keyword("unlock"): linearizability.OpRelease,
}

// time is that of an operation, or its place where no operation has any.
func (c *converter) time(t table) (int64, error) {
	at, ok := t[keyword("time")].(int64)
	if ok {
		c.timed++
	}
	c.ops++
	switch {
	case ok != (c.timed == c.ops) || c.timed != 0 && c.timed != c.ops:
		return 0, c.r.errorf("some operations have a :time and this has none, or the other way round")
	case at < 0 || at > latest:
		return 0, c.r.errorf("the time %d is out of range", at)
	case !ok:
		at = c.ops
	}
	return at, nil
}

// client numbers processes in the order in which they appear.
func (c *converter) client(process int64) int {
	n, ok := c.clients[process]
	if !ok {
		n = len(c.clients)
		c.clients[process] = n
	}
	return n
}

func (c *converter) invoke(process int64, e linearizability.Event) error {
	key := place{process: process}
	if _, busy := c.open[key]; busy {
		return c.r.errorf("process %d has not finished what it invoked before", process)
	}
	o := opened{op: e.Op, lock: e.Lock}
	if e.Op == linearizability.OpRelease {
		mine := place{process, e.Lock}
		if o.grant, e.Grant = c.held[mine], c.held[mine]; o.grant == 0 {
			o.leftOut = true
			c.open[key] = o
			return nil
		}
		delete(c.held, mine)
	}
	c.open[key] = o
	c.h = append(c.h, e)
	return nil
}

func (c *converter) end(process int64, e linearizability.Event, value any) error {
	key := place{process: process}
	o, ok := c.open[key]
	switch {
	case !ok:
		return c.r.errorf("process %d ends what it has not invoked", process)
	case o.op != e.Op:
		return c.r.errorf("process %d invoked %v and ends %v", process, o.op, e.Op)
	case o.leftOut && e.Phase == linearizability.Ok:
		return c.r.errorf("process %d released the lock, :ok, without having been granted it", process)
	}
	delete(c.open, key)
	if o.leftOut {
		return nil
	}
	e.Lock, e.Grant = o.lock, o.grant
	if e.Op == linearizability.OpAcquire && e.Phase == linearizability.Ok {
		c.grants++
		e.Grant = c.grants
		c.held[place{process, e.Lock}] = e.Grant
		if token, ok := value.(int64); ok && token > 0 {
			e.Token = uint64(token)
		}
	}
	c.h = append(c.h, e)
	return nil
}
