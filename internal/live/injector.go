package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockproof/lockproof/fault"
)

// Targets are what a plan's faults happen to. What is nil is not available; a
// plan that needs it is refused.
type Targets struct {
	Clients []Client // in the order of their indices
	Server  Server
}

// Client is what the faults of one client happen to.
type Client struct {
	Clock *Clock
	Proxy *Proxy
	Store *StoreFaults
	// Crash kills the client, Restart starts it again, remembering nothing. Both
	// must return soon: other faults wait for them.
	Crash   func()
	Restart func()
}

// Server is what the faults of the store happen to. Its functions are called one
// at a time, and may take their time: other faults do not wait for them.
type Server struct {
	// Stop stops the server, Start starts it with all that it acknowledged.
	Stop  func() error
	Start func() error
	// Failover stops a cluster's leader. What it returns starts that server
	// again.
	Failover func() (restore func() error, err error)
}

// Applied says what became of one fault, in true time since the start of the
// run.
type Applied struct {
	Fault fault.Fault
	// At is when the fault was about to begin, Until when its end was complete;
	// for a kind without an end, when its beginning was. A fault that had not
	// begun when the run ended is not reported at all.
	At    time.Duration
	Until time.Duration
}

// Injector carries out one plan on its targets in real time. It can run once.
type Injector struct {
	plan    fault.Plan
	targets Targets
	now     func() time.Duration

	applied []Applied      // in the plan's order
	state   []state        // of each fault, as scheduled
	restore []func() error // of each StoreFailover in force
	// Of the server, used by its goroutine alone.
	stops    int
	failures []error
}

type state int

const (
	pending state = iota
	begun
	ended
)

// action is the beginning or the end of one fault.
type action struct {
	index int
	at    time.Duration
	ends  bool
}

// refusals has one error for each reason for which faults of plan cannot be
// injected, with the kinds that it concerns.
func (t Targets) refusals(plan fault.Plan) []error {
	var reasons []string
	kinds := make(map[string][]string)
	for _, f := range plan {
		missing := t.missing(f)
		if missing == "" {
			continue
		}
		if kinds[missing] == nil {
			reasons = append(reasons, missing)
		}
		if !slices.Contains(kinds[missing], string(f.Kind)) {
			kinds[missing] = append(kinds[missing], string(f.Kind))
		}
	}
	var refused []error
	for _, reason := range reasons {
		refused = append(refused, fmt.Errorf("%s cannot be injected: %s", strings.Join(kinds[reason], ", "), reason))
	}
	return refused
}

// NewInjector refuses a plan that is not valid, that this world cannot inject
// (fault.LiveOneProcess), or for which a target lacks what it needs. The error
// names each such kind of fault with its reason.
func NewInjector(plan fault.Plan, targets Targets) (*Injector, error) {
	if err := fault.Validate(plan, fault.Limits{Clients: len(targets.Clients), End: never}); err != nil {
		return nil, fmt.Errorf("live: %w", err)
	}
	var refused []error
	if err := fault.CheckInjectable(plan.Kinds(), fault.LiveOneProcess); err != nil {
		refused = append(refused, err)
	}
	refused = append(refused, targets.refusals(plan)...)
	if len(refused) > 0 {
		return nil, fmt.Errorf("live: %w", errors.Join(refused...))
	}
	return &Injector{
		plan:    slices.Clone(plan),
		targets: targets,
		applied: make([]Applied, len(plan)),
		state:   make([]state, len(plan)),
		restore: make([]func() error, len(plan)),
	}, nil
}

// missing says what a fault needs and its target does not have.
func (t Targets) missing(f fault.Fault) string {
	if f.Aim.Ops != fault.AllOps {
		return "the live world does not tell reads from writes; only the simulator does"
	}
	if f.Target != fault.Store {
		return t.Clients[f.Target].missing(f)
	}
	switch f.Kind {
	case fault.StoreDown:
		if !t.allProxied() && (t.Server.Stop == nil || t.Server.Start == nil) {
			return "not every client has a proxy, and the server cannot be stopped and started"
		}
	case fault.StoreRestart:
		if t.Server.Stop == nil || t.Server.Start == nil {
			return "the server cannot be stopped and started"
		}
	case fault.StoreFailover:
		if t.Server.Failover == nil {
			return "the server has no replica to move to"
		}
	case fault.Throttle, fault.Refuse:
		for i, c := range t.Clients {
			if c.Store == nil {
				return fmt.Sprintf("the calls of c%d are not wrapped", i)
			}
		}
	}
	return ""
}

func (c Client) missing(f fault.Fault) string {
	switch f.Kind {
	case fault.ClockOffset, fault.ClockRate, fault.ClockJump:
		if c.Clock == nil {
			return "the client has no clock of its own"
		}
	case fault.Latency, fault.Jitter, fault.Partition, fault.PartitionRequests, fault.PartitionReplies, fault.Hold:
		if c.Proxy == nil {
			return "no proxy stands between the client and the store"
		}
	case fault.LoseRequest, fault.LoseReply, fault.DuplicateRequest:
		if c.Store == nil {
			return "the client's calls are not wrapped"
		}
	case fault.Crash:
		if c.Crash == nil || c.Restart == nil {
			return "the client cannot be killed and restarted"
		}
	}
	return ""
}

// allProxied reports whether the store can be cut off from every client.
func (t Targets) allProxied() bool {
	return len(t.Clients) > 0 && !slices.ContainsFunc(t.Clients, func(c Client) bool { return c.Proxy == nil })
}

// Run carries out the plan and returns when its last fault has ended. now is the
// true time since the start of the run. When ctx ends, what has not begun is
// dropped and every fault in force is ended at once, in the plan's order:
// crashed clients start, the server starts.
//
// It returns what was done, in the plan's order. An error means that the server
// could not be stopped or started as planned; the rest of the plan was carried
// out all the same.
func (i *Injector) Run(ctx context.Context, now func() time.Duration) ([]Applied, error) {
	i.now = now
	actions := i.actions()
	server := make(chan action, 2*len(actions)) // never full: each is sent at most once
	done := make(chan struct{})
	go func() { // ended and waited for below
		defer close(done)
		for a := range server {
			i.perform(a)
		}
	}()
	i.follow(ctx, actions, server)
	for index := range i.plan {
		if i.state[index] == begun && hasEnd(i.plan[index]) {
			i.route(action{index: index, ends: true}, server)
		}
	}
	close(server)
	<-done
	var applied []Applied
	for index, s := range i.state {
		if s != pending {
			applied = append(applied, i.applied[index])
		}
	}
	if len(i.failures) > 0 {
		return applied, fmt.Errorf("live: %w", errors.Join(i.failures...))
	}
	return applied, nil
}

// follow carries out the actions, each when its time has come, until ctx ends.
func (i *Injector) follow(ctx context.Context, actions []action, server chan<- action) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, a := range actions {
		for left := a.at - i.now(); left > 0; left = a.at - i.now() {
			timer.Reset(left)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		i.route(a, server)
	}
}

// actions lists the plan's beginnings and ends by time. At one time ends come
// first, since a fault has ended at its end; but no fault ends before it begins.
func (i *Injector) actions() []action {
	var all []action
	for index, f := range i.plan {
		all = append(all, action{index, f.Start, false})
		if hasEnd(f) {
			all = append(all, action{index, f.End(), true})
		}
	}
	order := func(a action) int {
		f := i.plan[a.index]
		switch {
		case a.ends && f.Duration > 0:
			return 0
		case f.Duration > 0:
			return 1
		}
		return 2 // of no duration: its beginning, then its end
	}
	slices.SortStableFunc(all, func(a, b action) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(order(a), order(b)))
	})
	return all
}

func hasEnd(f fault.Fault) bool { return fault.Describe(f.Kind).Duration != fault.Instant }

// route performs an action here, or leaves one that may take long to the
// server's goroutine, which keeps their order.
func (i *Injector) route(a action, server chan<- action) {
	i.state[a.index] = begun
	if a.ends {
		i.state[a.index] = ended
	}
	switch i.plan[a.index].Kind {
	case fault.StoreDown, fault.StoreRestart, fault.StoreFailover:
		server <- a
	default:
		i.perform(a)
	}
}

// perform carries out an action and records when.
func (i *Injector) perform(a action) {
	f := i.plan[a.index]
	record := &i.applied[a.index]
	if !a.ends {
		record.Fault, record.At = f, i.now()
	}
	if f.Target == fault.Store {
		i.onStore(a, f)
	} else {
		i.targets.Clients[f.Target].apply(f, a.ends)
	}
	if a.ends || !hasEnd(f) {
		record.Until = i.now()
	}
}
