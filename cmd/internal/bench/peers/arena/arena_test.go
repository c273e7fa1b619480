package arena_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onMemory is the reference lock under another name. A crash cuts its store.
func onMemory(store *memory.Store, name string, l arena.Lease) arena.Contender {
	return arena.Contender{Lock: name, Settings: arena.Same, Lease: l, Open: func(_ context.Context, owner string) (arena.Client, error) {
		cut := &cutStore{Store: store}
		cut.life, cut.end = context.WithCancel(context.Background())
		return arena.NewOurs(cut, name+owner, l, cut.end, cut.end)
	}}
}

// cutStore is a store that can no longer be reached once its life has ended.
type cutStore struct {
	*memory.Store
	life context.Context
	end  context.CancelFunc
}

var errGone = errors.New("no connection")

func (c *cutStore) Get(ctx context.Context, key string) (lock.Record, error) {
	if c.life.Err() != nil {
		return lock.Record{}, errGone
	}
	return c.Store.Get(ctx, key)
}

func (c *cutStore) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	if c.life.Err() != nil {
		return "", errGone
	}
	return c.Store.CompareAndSwap(ctx, key, old, value)
}

func short() arena.Lease {
	return arena.Lease{TTL: 300 * time.Millisecond, RenewEvery: 100 * time.Millisecond}
}

func few() arena.Options {
	return arena.Options{Rounds: 9, Operations: 4, Clients: []int{2, 3}, HandOffs: 2, HandOffTime: time.Minute, Failovers: 9}
}

func measure(t *testing.T, s *arena.Server, o arena.Options) map[string]bench.Cell {
	t.Helper()
	cells, err := arena.Measure(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	result := bench.Result{Kind: bench.Compare, Cells: cells}
	if err := result.Validate(); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]bench.Cell)
	for _, c := range cells {
		all[c.Name] = c
	}
	return all
}

func TestEachContenderHasACellForEachMeasure(t *testing.T) {
	store := memory.New()
	s := &arena.Server{Name: "memory", Contenders: []arena.Contender{
		onMemory(store, arena.Ours, short()), onMemory(memory.New(), "twin", short()),
	}}
	cells := measure(t, s, few())
	if len(cells) != 8 {
		t.Fatalf("%d cells, want 4 measures of 2 contenders", len(cells))
	}
	for _, c := range []struct{ measure, metric string }{
		{"uncontended", "acquire"}, {"uncontended", "acquire+release"},
		{"handoff/clients=2", "handoff"}, {"handoff/clients=3", "handoff"}, {"failover", "failover"},
	} {
		peer := cells["memory/"+c.measure+"/lock=twin/settings=same"]
		m, ok := peer.Metric(c.metric)
		if !ok || len(m.Samples) != 9 || m.Value <= 0 || m.Low > m.Value || m.High < m.Value || m.High == 0 {
			t.Errorf("%s: %s: %+v", c.measure, c.metric, m)
		}
		ratio, ok := peer.Metric("lockproof/peer " + c.metric)
		if !ok || len(ratio.Samples) != 9 || ratio.Unit != "x" {
			t.Errorf("%s: ratio of %s: %+v", c.measure, c.metric, ratio)
		}
		ours := cells["memory/"+c.measure+"/lock=lockproof/settings=same"]
		if _, ok := ours.Metric("lockproof/peer " + c.metric); ok {
			t.Errorf("%s: ours is compared with itself", c.measure)
		}
		if len(peer.Notes) != 0 || len(peer.Distributions) != 1 {
			t.Errorf("%s: notes %v, %d distributions", c.measure, peer.Notes, len(peer.Distributions))
		}
	}
	part, _ := cells["memory/failover/lock=twin/settings=same"].Metric("failover/ttl")
	for _, x := range part.Samples {
		if x < 0.5 {
			t.Errorf("a failover after %v leases: the holder renewed at least once", x)
		}
	}
}

// A hand-off of who is told of a release is work, one of who looks from time to
// time is sleep.
func TestATimerIsNotDividedByAProcessor(t *testing.T) {
	looks := onMemory(memory.New(), "looks", short())
	looks.Lease.PollEvery = short().RenewEvery
	s := &arena.Server{Name: "memory", Contenders: []arena.Contender{onMemory(memory.New(), arena.Ours, short()), looks}}
	o := few()
	o.Rounds, o.Clients = 1, []int{2}
	cells := measure(t, s, o)
	handOff := cells["memory/handoff/clients=2/lock=looks/settings=same"]
	if m, ok := handOff.Metric("lockproof/peer handoff"); ok || !strings.Contains(strings.Join(handOff.Notes, "\n"), "a processor and a timer") {
		t.Errorf("%+v, notes %q", m, handOff.Notes)
	}
	if _, ok := cells["memory/uncontended/lock=looks/settings=same"].Metric("lockproof/peer acquire"); !ok {
		t.Error("an acquire of a free lock waits for nothing, and was not compared")
	}
}

func TestAContenderThatFailsIsANoteAndTheOthersAreMeasured(t *testing.T) {
	broken := arena.Contender{Lock: "broken", Settings: arena.Same, Lease: short(), Open: func(context.Context, string) (arena.Client, error) {
		return nil, errors.New("no such thing")
	}}
	refused := onMemory(memory.New(), "mortal", short())
	refused.NoFailover = "it never dies"
	s := &arena.Server{Name: "memory", Contenders: []arena.Contender{broken, refused}}
	o := few()
	o.Rounds = 1
	cells := measure(t, s, o)
	for _, measure := range []string{"uncontended", "handoff/clients=2", "failover"} {
		c := cells["memory/"+measure+"/lock=broken/settings=same"]
		if _, ok := c.Metric("acquire"); ok || !strings.Contains(strings.Join(c.Notes, "\n"), "no such thing") {
			t.Errorf("%s: %+v", measure, c)
		}
	}
	if c := cells["memory/handoff/clients=2/lock=mortal/settings=same"]; len(c.Metrics) == 0 {
		t.Error("the other contender was not measured")
	}
	if c := cells["memory/failover/lock=mortal/settings=same"]; len(c.Metrics) != 0 || !strings.Contains(strings.Join(c.Notes, "\n"), "it never dies") {
		t.Errorf("%+v", c)
	}
}

// anybody grants everything at once.
type anybody struct{}

func (anybody) Crash() {}
func (anybody) Close() {}
func (anybody) Acquire(context.Context, string, subjects.Options) (subjects.Lease, error) {
	return anyLease{}, nil
}

type anyLease struct{}

func (anyLease) Token() uint64                     { return 0 }
func (anyLease) ValidUntil() (time.Duration, bool) { return 0, false }
func (anyLease) Lost() context.Context             { return context.Background() }
func (anyLease) Release(context.Context) error     { return nil }

func TestALockThatTwoHoldIsFoundOut(t *testing.T) {
	c := arena.Contender{Lock: "anybody", Settings: arena.Same, Lease: short(), Open: func(context.Context, string) (arena.Client, error) {
		return anybody{}, nil
	}}
	o := few()
	o.Rounds, o.HandOffs, o.HandOffTime, o.Clients = 1, 20, 100*time.Millisecond, []int{3}
	cells := measure(t, &arena.Server{Name: "memory", Contenders: []arena.Contender{c}}, o)
	two, _ := cells["memory/handoff/clients=3/lock=anybody/settings=same"].Metric("held by two")
	if two.Value == 0 {
		t.Error("nobody noticed")
	}
	failover := cells["memory/failover/lock=anybody/settings=same"]
	if !strings.Contains(strings.Join(failover.Notes, "\n"), "before its holder crashed") {
		t.Errorf("a failover without a crash: %v", failover.Notes)
	}
}

func TestAnEndReturnsWhatIsThere(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &arena.Server{Name: "memory", Contenders: []arena.Contender{onMemory(memory.New(), arena.Ours, short())}}
	o := few()
	enough := errors.New("enough")
	o.Progress = func(line string) {
		if strings.Contains(line, "hand-off, 2 clients: round 2") {
			cancel(enough)
		}
	}
	cells, err := arena.Measure(ctx, s, o)
	if !errors.Is(err, enough) || len(cells) != 1 {
		t.Errorf("%d cells, error %v", len(cells), err)
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, o := range []arena.Options{{Rounds: -1}, {Failovers: -1}, {Clients: []int{1}}} {
		if _, err := arena.Measure(t.Context(), &arena.Server{}, o); err == nil {
			t.Errorf("%+v", o)
		}
	}
}

func TestACutLineClosesAllAndOpensNoMore(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var line arena.Line
	closed, err := line.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	open, err := line.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	line.Cut()
	line.Cut()
	if _, err := open.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read on a cut line: %v", err)
	}
	if _, err := line.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("a cut line was opened")
	}
}

func TestAKeeperRenewsUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		renewals := 0
		k := arena.Keep(3*time.Second, time.Second, func(context.Context) (bool, error) { renewals++; return false, nil })
		time.Sleep(10*time.Second + time.Millisecond)
		k.Stop()
		k.Stop()
		if renewals != 10 || k.Lost().Err() != nil {
			t.Errorf("%d renewals, lost: %v", renewals, k.Lost().Err())
		}
	})
}

func TestAKeeperTellsOfTheLoss(t *testing.T) {
	failing := func(context.Context) (bool, error) { return false, errors.New("no answer") }
	for name, c := range map[string]struct {
		every time.Duration
		renew func(context.Context) (bool, error)
		after time.Duration
	}{
		"taken":        {time.Second, func(context.Context) (bool, error) { return true, nil }, time.Second},
		"unanswered":   {time.Second, failing, 3 * time.Second},
		"hanging":      {time.Second, func(ctx context.Context) (bool, error) { <-ctx.Done(); return false, ctx.Err() }, 3 * time.Second},
		"never meant":  {0, failing, 3 * time.Second},
		"odd interval": {2 * time.Second, failing, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				k := arena.Keep(3*time.Second, c.every, c.renew)
				defer k.Stop()
				<-k.Lost().Done()
				if took := time.Since(begun); took < c.after || took > c.after+c.every {
					t.Errorf("told after %s, want %s", took, c.after)
				}
				if !errors.Is(context.Cause(k.Lost()), lock.ErrLost) {
					t.Error(context.Cause(k.Lost()))
				}
			})
		})
	}
}
