package harness

import (
	"context"
	"fmt"
	"sync"

	"github.com/lockproof/lockproof/internal/live"
)

// slot is a client's place: what outlives a crash of its process.
type slot struct {
	run    *liveRun
	index  int
	clock  *live.Clock
	faults *live.StoreFaults
	proxy  *live.Proxy // nil where there is no network

	mu       sync.Mutex
	down     int          // crashes that have not been followed by a restart
	current  *incarnation // nil while crashed
	finished []*incarnation
	failed   error
}

// incarnation is one life of a client's process.
type incarnation struct {
	slot    *slot
	runtime *live.Runtime
	store   *live.Store
	hangUp  func()
	done    chan struct{} // closed when the loop has returned

	mu     sync.Mutex
	client *client // nil before it was started
	ended  bool    // a process that crashed before it was started never is
}

// prepare connects a next incarnation.
func (s *slot) prepare(ctx context.Context) (*incarnation, error) {
	via := ""
	if s.proxy != nil {
		via = s.proxy.Addr()
	}
	connection, err := s.run.target.Connect(ctx, s.index, via)
	if err != nil {
		return nil, fmt.Errorf("client c%d: %w", s.index, err)
	}
	raw, err := rawStore(s.run.scenario, s.run.subject, connection.Store)
	if err != nil {
		connection.Close()
		return nil, err
	}
	return &incarnation{
		slot: s, runtime: live.NewRuntime(s.clock), store: live.NewStore(raw, s.faults), hangUp: connection.Close,
		done: make(chan struct{}),
	}, nil
}

// take makes in the slot's process, unless the slot is down or has one already:
// connecting takes a while, in which others crash and restart the client too.
func (s *slot) take(in *incarnation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down > 0 || s.current != nil {
		s.finished = append(s.finished, in)
		return false
	}
	s.current = in
	return true
}

// start lets an incarnation run. Its goroutine ends when the runtime is killed;
// windDown waits for it.
func (in *incarnation) start() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return nil
	}
	c, err := in.slot.run.start(in.slot.index, in)
	if err != nil {
		return err
	}
	in.client = c
	go func() {
		defer close(in.done)
		c.loop(in.runtime.Context())
	}()
	return nil
}

// crash ends the slot's process, if there is one, and keeps the slot down until
// restart: nothing that the process does from now on counts or works. Where only
// is not nil and not the slot's process any more, it does nothing and returns
// false.
func (s *slot) crash(only *incarnation) bool {
	s.mu.Lock()
	in := s.current
	if only != nil && in != only {
		s.mu.Unlock()
		return false
	}
	s.current = nil
	s.down++
	if in != nil {
		s.finished = append(s.finished, in)
	}
	s.mu.Unlock()
	if in != nil {
		in.end(true)
	}
	return true
}

func (in *incarnation) end(crashed bool) {
	in.mu.Lock()
	in.ended = true
	c := in.client
	in.mu.Unlock()
	if crashed && c != nil {
		c.crash()
	}
	in.runtime.Kill(live.ErrKilled)
	in.store.Kill(live.ErrKilled)
	in.hangUp()
}

// restart starts a new process, once for all crashes that came meanwhile.
func (s *slot) restart() {
	s.mu.Lock()
	s.down--
	up := s.down == 0
	s.mu.Unlock()
	if !up || s.run.ctx.Err() != nil {
		return
	}
	in, err := s.prepare(s.run.ctx)
	if err == nil {
		if s.take(in) {
			err = in.start()
		} else {
			in.end(false)
		}
	}
	if err != nil && s.run.ctx.Err() == nil {
		s.mu.Lock()
		s.failed = err
		s.mu.Unlock()
	}
}

// settle records what became of the beliefs of the slot's process, for the end of
// the history.
func (s *slot) settle() {
	s.mu.Lock()
	in := s.current
	s.mu.Unlock()
	if in == nil {
		return
	}
	in.mu.Lock()
	c := in.client
	in.mu.Unlock()
	if c != nil {
		c.settleAll()
	}
}

func (in *incarnation) wait(ctx context.Context) error {
	in.mu.Lock()
	started := in.client != nil
	in.mu.Unlock()
	if started {
		select {
		case <-in.done:
		case <-ctx.Done():
			return fmt.Errorf("client c%d did not end", in.slot.index)
		}
	}
	in.store.Drain(ctx)
	return in.runtime.Wait(ctx)
}

// tasks is a sync.WaitGroup that may be asked to start a task while somebody
// waits: it then starts none. A client may die in the very moment in which the
// run is wound down.
type tasks struct {
	mu    sync.Mutex
	over  bool
	group sync.WaitGroup
}

// Go starts f, unless wait was called.
func (t *tasks) Go(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.group.Go(f)
	}
}

// wait returns when all that was started is done; nothing is started any more.
func (t *tasks) wait() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.group.Wait()
}
