package sim_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
)

// everything is a plan with each kind of fault.
func everything(seed uint64) fault.Plan {
	r := sim.NewRandom(seed)
	var p fault.Plan
	for _, k := range fault.Kinds() {
		info := fault.Describe(k)
		f := fault.Fault{Kind: k, Target: int(r.Choose("target", 3)), Start: time.Duration(r.Choose("start", 1e9))}
		if info.OnStore {
			f.Target = fault.Store
		}
		if info.Duration != fault.Instant {
			f.Duration = 1 + time.Duration(r.Choose("duration", 3e8))
		}
		if info.Unit != fault.NoUnit {
			f.Amount = min(info.MaxAmount, 1+int64(r.Choose("amount", 2e8)))
		}
		if n := uint64(len(info.Moments)); n > 0 {
			f.Aim = fault.Aim{Moment: info.Moments[r.Choose("moment", n)], Nth: 1 + int(r.Choose("nth", 3))}
			f.Amount *= int64(r.Choose("late", 2))
		}
		if info.ByOps {
			f.Aim.Ops = [...]fault.Ops{fault.AllOps, fault.Reads, fault.Writes, fault.Waits}[r.Choose("ops", 4)]
		}
		p = append(p, f)
	}
	return p
}

// storm runs three clients under every kind of fault, doing everything a client
// can do, for two virtual seconds.
func storm(t *testing.T, c sim.Chooser, seed uint64) *sim.World {
	t.Helper()
	w := newWorld(t, sim.Config{Chooser: c, Clients: 3, Plan: everything(seed),
		Latency: sim.LatencyConfig{Min: 200 * time.Microsecond, Max: 2 * time.Millisecond, Departure: time.Millisecond},
		Store: sim.StoreConfig{Watch: true, BucketTTL: 150 * time.Millisecond, RevisionsPerKey: seed%2 == 0,
			Retry: 10 * time.Millisecond * time.Duration(seed%3), WatchLag: 20 * time.Millisecond * time.Duration(seed%4)},
		PreemptEvery: int(seed % 5 * 4)})
	for i := range 3 {
		n := w.Node(i)
		n.OnStart(func() {
			n.Go(func() {
				for {
					withTimeout(n, 60*time.Millisecond, func(ctx context.Context) { _, _ = n.Store().Wait(ctx, "k", "") })
					_ = n.Runtime().Sleep(context.Background(), 10*time.Millisecond)
				}
			})
			for {
				withTimeout(n, 30*time.Millisecond, func(ctx context.Context) { stormStep(ctx, w, n) })
				_ = n.Runtime().Sleep(context.Background(), time.Duration(n.Runtime().Uint64()%1e7))
			}
		})
	}
	w.At(1500*time.Millisecond, w.Heal)
	if err := w.Run(2 * time.Second); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return w
}

func stormStep(ctx context.Context, w *sim.World, n *sim.Node) {
	s := n.Store()
	_ = n.Runtime().Now()
	switch w.Choose("workload", 5) {
	case 0:
		_, _ = s.Put(ctx, "k", []byte("put"))
	case 1:
		_ = s.Remove(ctx, "k")
	case 2:
		_ = n.RoundTrip(ctx, func() {})
	default:
		r, err := s.Get(ctx, "k")
		if err == nil || errors.Is(err, lock.ErrNotFound) {
			_, _ = s.CompareAndSwap(ctx, "k", r.Revision, []byte("cas"))
		}
	}
}

// withTimeout is what a lock does around its requests.
func withTimeout(n *sim.Node, d time.Duration, f func(context.Context)) {
	if n.Index() == 0 { // as where the runtime can time a context by itself
		ctx, cancel := n.Runtime().(*sim.Runtime).WithTimeoutCause(context.Background(), d, context.DeadlineExceeded)
		f(ctx)
		cancel()
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	join := n.Go(func() {
		if n.Runtime().Sleep(ctx, d) == nil {
			cancel(context.DeadlineExceeded)
		}
	})
	f(ctx)
	cancel(nil)
	join()
}

func TestOneSeedGivesOneHashAThousandTimes(t *testing.T) {
	hashes := make(map[uint64]uint64)
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		a := storm(t, sim.NewRandom(seed), seed)
		a.Close()
		b := storm(t, sim.NewRandom(seed), seed)
		b.Close()
		if a.Hash() != b.Hash() || a.Counters() != b.Counters() {
			t.Fatalf("seed %d: hashes %x and %x\n%+v\n%+v", seed, a.Hash(), b.Hash(), a.Counters(), b.Counters())
		}
		if other, ok := hashes[a.Hash()]; ok {
			t.Errorf("seeds %d and %d have the same hash", seed, other)
		}
		hashes[a.Hash()] = seed
	}
}

// TestHashIsTheSameOnEveryMachine pins one: a change here means that every
// recorded seed has lost its meaning.
func TestHashIsTheSameOnEveryMachine(t *testing.T) {
	const want = 0xb5dc07486201907d
	if got := storm(t, sim.NewRandom(1), 1).Hash(); got != want {
		t.Errorf("seed 1 has hash %#x, want %#x", got, uint64(want))
	}
}

func TestARecordedRunIsReplayedToTheSameHash(t *testing.T) {
	for seed := range uint64(50) {
		plain := storm(t, sim.NewRandom(seed), seed)
		rec := sim.NewRecorder(sim.NewRandom(seed))
		recorded := storm(t, rec, seed)
		rep := sim.NewReplayer(rec.Choices())
		replayed := storm(t, rep, seed)
		if plain.Hash() != recorded.Hash() || plain.Hash() != replayed.Hash() || rep.Rest() != 0 {
			t.Fatalf("seed %d: hashes %x, recorded %x, replayed %x, %d choices left",
				seed, plain.Hash(), recorded.Hash(), replayed.Hash(), rep.Rest())
		}
	}
}

func TestAReplayOfAnotherRunIsAnError(t *testing.T) {
	rec := sim.NewRecorder(sim.NewRandom(1))
	storm(t, rec, 1)
	w := newWorld(t, sim.Config{Chooser: sim.NewReplayer(rec.Choices()), Clients: 1})
	w.Node(0).Go(func() { w.Choose("never recorded", 5) })
	if err := w.Run(1); !errors.Is(err, sim.ErrDiverged) {
		t.Errorf("error %v", err)
	}
}

// TestNothingInTheStormIsVacuous: together the seeds reach every counter.
func TestNothingInTheStormIsVacuous(t *testing.T) {
	var all sim.Counters
	for seed := range uint64(100) {
		w := storm(t, sim.NewRandom(seed), seed)
		add(&all, w.Counters())
		w.Close()
	}
	t.Logf("%+v", all)
	for _, name := range zeros(all) {
		t.Errorf("%s never happened", name)
	}
}

// TestStepsOfRunDoNotMatter: a run in one piece and in many is the same run.
func TestStepsOfRunDoNotMatter(t *testing.T) {
	hash := func(step time.Duration) uint64 {
		w := newWorld(t, sim.Config{Chooser: sim.NewRandom(3), Clients: 3, Plan: everything(3)})
		for i := range 3 {
			n := w.Node(i)
			n.OnStart(func() {
				for {
					withTimeout(n, 30*time.Millisecond, func(ctx context.Context) { stormStep(ctx, w, n) })
				}
			})
		}
		for at := step; at <= time.Second; at += step {
			run(t, w, at)
		}
		return w.Hash()
	}
	if a, b := hash(time.Second), hash(time.Millisecond); a != b {
		t.Errorf("hash %x in one piece, %x in a thousand", a, b)
	}
}
