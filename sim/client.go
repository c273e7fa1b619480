package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
)

type opKind uint8

const (
	opGet opKind = iota + 1
	opCAS
	opDelete
	opPut
	opRemove
	opWait
	opTrip
)

var opNames = [...]string{"", "get", "cas", "delete", "put", "remove", "wait", "trip"}

func (k opKind) String() string { return opNames[k] }

// opClass is a sort of requests, as faults tell them apart.
type opClass uint8

const (
	classRead opClass = iota
	classWrite
	classWait
	classTrip // to the resource; concerned only by faults of all requests
	classes
)

func (k opKind) class() opClass {
	switch k {
	case opGet:
		return classRead
	case opWait:
		return classWait
	case opTrip:
		return classTrip
	}
	return classWrite
}

// ops is the name of the class, which classTrip does not have.
func (c opClass) ops() fault.Ops {
	switch c {
	case classRead:
		return fault.Reads
	case classWrite:
		return fault.Writes
	case classWait:
		return fault.Waits
	}
	return "trips"
}

// call is one request and its answer. It lives as long as its caller waits or a
// message of it is on its way: refs counts them.
type call struct {
	id          uint64
	kind        opKind
	answered    bool // the answer is fixed; a duplicate's is ignored
	node        *Node
	incarnation uint64
	task        *task // nil once the caller has given up or died
	refs        int
	departedAt  time.Duration
	tries       int           // of the SDK before this one
	considered  bool          // aimed faults were told that it is about to depart
	lost        bool          // an aimed fault loses its next message
	kept        time.Duration // an aimed fault keeps its next message back
	wayBack     time.Duration // of the answer, if measured
	measured    bool          // the round trip was drawn from a table

	key   string
	old   lock.Revision
	value []byte // the world's own copy
	f     func()
	wait  *entry // where it is registered, for a Wait

	record lock.Record // Value is the store's: copied before a client sees it
	err    error
}

func (c *call) String() string {
	if c.kind == opTrip {
		return fmt.Sprintf("#%d trip", c.id)
	}
	return fmt.Sprintf("#%d %s %s", c.id, c.kind, c.key)
}

func (w *World) newCall(kind opKind, key string) *call {
	var c *call
	if last := len(w.freeCalls) - 1; last >= 0 {
		c = w.freeCalls[last]
		w.freeCalls = w.freeCalls[:last]
	} else {
		c = &call{}
	}
	c.kind, c.key = kind, key
	return c
}

// release drops one reference to c.
func (w *World) release(c *call) {
	if c.refs--; c.refs == 0 {
		*c = call{}
		w.freeCalls = append(w.freeCalls, c)
	}
}

// abandon takes the caller away from c.
func (w *World) abandon(c *call) {
	c.task = nil
	if c.wait != nil {
		w.store.forget(c)
	}
	w.release(c)
}

// noAnswerError is the indefinite end of a call whose context ended first.
type noAnswerError struct {
	kind  opKind
	key   string
	cause error
}

func (e *noAnswerError) Error() string {
	return fmt.Sprintf("sim: %s %s: no answer: %v", e.kind, e.key, e.cause)
}

// Unwrap gives the cause, unless that would make the error look definite: the
// answer to a repeated request says nothing of the first.
func (e *noAnswerError) Unwrap() error {
	if lock.Definite(e.cause) {
		return nil
	}
	return e.cause
}

// ClientStore is one node's client of the store. Its calls must be made from
// tasks of that node. Each returns in the instant its context ends, with an
// error that wraps the cause: lock.ErrUnavailable too if the context had ended
// before, an indefinite one if the request was already the network's. Such a
// request lives on. There are no other timeouts.
type ClientStore struct{ node *Node }

var (
	_ lock.Store   = (*ClientStore)(nil)
	_ lock.Watcher = (*ClientStore)(nil)
	_ lock.Capable = (*ClientStore)(nil)
)

// Capabilities implements lock.Capable. RevisionOrder is declared though
// fault.LostWrite breaks it, with the rest of the contract.
func (s *ClientStore) Capabilities() lock.Capabilities {
	c := &s.node.w.config.Store
	return lock.Capabilities{Watch: c.Watch, ConflictReturnsCurrent: c.ConflictReturnsCurrent, RevisionOrder: true}
}

// Get implements lock.Store.
func (s *ClientStore) Get(ctx context.Context, key string) (lock.Record, error) {
	return s.do(ctx, opGet, key, "", nil)
}

// CompareAndSwap implements lock.Store.
func (s *ClientStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	r, err := s.do(ctx, opCAS, key, old, value)
	return r.Revision, err
}

// Delete implements lock.Store.
func (s *ClientStore) Delete(ctx context.Context, key string, old lock.Revision) error {
	if old == "" {
		return fmt.Errorf("sim: delete %s: empty revision: %w", key, lock.ErrRefused)
	}
	_, err := s.do(ctx, opDelete, key, old, nil)
	return err
}

// Put writes value whatever is there.
func (s *ClientStore) Put(ctx context.Context, key string, value []byte) (lock.Revision, error) {
	r, err := s.do(ctx, opPut, key, "", value)
	return r.Revision, err
}

// Remove deletes key whatever is there; a missing key is no error.
func (s *ClientStore) Remove(ctx context.Context, key string) error {
	_, err := s.do(ctx, opRemove, key, "", nil)
	return err
}

// Wait implements lock.Watcher. It is refused unless the store can watch
// (StoreConfig.Watch, as Capabilities declares).
func (s *ClientStore) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	if !s.node.w.config.Store.Watch {
		return lock.Record{}, fmt.Errorf("sim: this store cannot watch: %w", lock.ErrRefused)
	}
	return s.do(ctx, opWait, key, after, nil)
}

func (s *ClientStore) do(ctx context.Context, kind opKind, key string, old lock.Revision, value []byte) (lock.Record, error) {
	n := s.node
	t := n.running(ctx, "a store call")
	w := n.w
	if key == "" {
		return lock.Record{}, fmt.Errorf("sim: %s: empty key: %w", kind, lock.ErrRefused)
	}
	w.counters.StoreOps++
	if ctx.Err() != nil {
		w.counters.Unsent++
		return lock.Record{}, fmt.Errorf("sim: %s %s not sent: %w: %w", kind, key, lock.ErrUnavailable, lock.CauseOf(ctx))
	}
	c := w.newCall(kind, key)
	c.old = old
	if kind == opCAS || kind == opPut {
		c.value = append([]byte{}, value...)
	}
	c = n.send(ctx, t, c)
	if c != nil && ctx.Err() != nil && w.choose(w.timingOut, 2) == 0 {
		// Answer and end are both there, as after a pause: an SDK looks at either.
		w.release(c)
		c = nil
	}
	if c == nil {
		if kind == opGet || kind == opWait {
			w.counters.Unanswered++
		} else {
			w.counters.Indefinite++
		}
		return lock.Record{}, &noAnswerError{kind: kind, key: key, cause: lock.CauseOf(ctx)}
	}
	r, err := c.record, c.err
	if c.tries > 0 && (errors.Is(err, lock.ErrUnavailable) || errors.Is(err, lock.ErrRefused)) {
		// It was this try that was not carried out. An earlier one may have been.
		err = &noAnswerError{kind: kind, key: key, cause: err}
	}
	w.release(c)
	r.Value = bytes.Clone(r.Value)
	return r, err
}
