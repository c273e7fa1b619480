package bench_test

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench"
	"github.com/lockproof/lockproof/subjects"
)

func TestAcquireOnRealStores(t *testing.T) {
	for backend, requests := range map[string][3]float64{
		// A conflict brings the current record from memory and file; NATS must be
		// asked for it.
		"memory": {1, 2, 1}, "file": {1, 2, 1}, "nats": {2, 3, 1},
	} {
		t.Run(backend, func(t *testing.T) {
			const rounds, samples = 9, 5
			r, err := bench.MeasureAcquire(t.Context(), bench.AcquireConfig{
				Contender: contender(t, backend, "reference", subjects.Settings{TTL: time.Minute}),
				Rounds:    rounds, Samples: samples, Duration: 200 * time.Millisecond, Clients: []int{3}, Locks: []int{2},
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range []string{"uncontended", "by-turns", "reacquire"} {
				c := cell(t, r, backend+"/"+name)
				if got := metric(t, c, "requests/acquire").Value; got != requests[i] {
					t.Errorf("%s: %g requests, want %g", name, got, requests[i])
				}
				ratio := metric(t, c, "acquire/CAS")
				if len(ratio.Samples) != rounds || ratio.Low <= 0 || ratio.Low > ratio.Value || ratio.Value > ratio.High {
					t.Errorf("%s: ratio %+v", name, ratio)
				}
				for _, d := range []string{"acquire", "release", "raw CAS"} {
					if n := distribution(t, c, d).Count; n != rounds*samples {
						t.Errorf("%s: %d samples of %s", name, n, d)
					}
				}
			}
			checkContest(t, cell(t, r, backend+"/contended/clients=3/locks=2"), 3)
			checkTurns(t, cell(t, r, backend+"/hand-off/clients=3"))
		})
	}
}

// checkContest checks that the figures of a cell with contention fit together.
func checkContest(t *testing.T, c bench.Cell, clients float64) {
	t.Helper()
	acquires := distribution(t, c, "acquire")
	if grants := metric(t, c, "grants").Value; len(c.Notes) == 0 && grants != float64(acquires.Count) || grants < 1 {
		t.Errorf("%g grants, and %d times of acquires", grants, acquires.Count)
	}
	if f := metric(t, c, "fairness").Value; !(f >= 1/clients && f <= 1+1e-9) {
		t.Errorf("fairness %g", f)
	}
	requests, conflicts := metric(t, c, "requests/acquire").Value, metric(t, c, "conflicts/acquire").Value
	if requests < 1 || conflicts > requests-1+1e-9 {
		t.Errorf("%g requests and %g conflicts per acquire", requests, conflicts)
	}
	if handed, retaken := metric(t, c, bench.HandedOnName).Value, metric(t, c, bench.RetakenName).Value; handed+retaken > metric(t, c, "grants").Value {
		t.Errorf("%g hand-offs and %g taken again of %g grants", handed, retaken, metric(t, c, "grants").Value)
	}
	if metric(t, c, "throughput").Value <= 0 || len(metric(t, c, "acquire/CAS").Samples) == 0 {
		t.Errorf("no throughput, or no ratio: %v", c.Metrics)
	}
}

// checkTurns checks that whoever released let another client come first.
func checkTurns(t *testing.T, c bench.Cell) {
	t.Helper()
	handed := metric(t, c, bench.HandedOnName).Value
	if handOffs := distribution(t, c, bench.HandOffName); handed < 1 || float64(handOffs.Count) != handed {
		t.Errorf("%g hand-offs, and %d times of them", handed, handOffs.Count)
	}
	if retaken := metric(t, c, bench.RetakenName).Value; retaken != 0 {
		t.Errorf("in turns a releaser took the lock again %g times", retaken)
	}
	if metric(t, c, "requests/hand-off").Value < 2 || len(metric(t, c, "hand-off/CAS").Samples) == 0 {
		t.Errorf("a hand-off is a release and an acquire at least: %v", c.Metrics)
	}
}

func TestOneLockIsHandedOffBetweenItsClients(t *testing.T) {
	r, err := bench.MeasureAcquire(t.Context(), bench.AcquireConfig{
		Contender: contender(t, "memory", "reference", subjects.Settings{}), Rounds: 6, Samples: 5,
		Duration: 500 * time.Millisecond, Clients: []int{4}, Hold: time.Millisecond, Think: time.Microsecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := cell(t, r, "memory/hand-off/clients=4")
	checkTurns(t, c)
	if c.Label("hold") != "1ms" || c.Label("loop") != "turns" {
		t.Errorf("labels %v", c.Labels)
	}
	// Who holds a lock for a millisecond is waited for by timers.
	for _, c := range r.Cells {
		if _, ok := c.Metric("acquire/CAS"); ok && c.Label("hold") != "" {
			t.Errorf("%s compares a timer with a processor", c.Name)
		}
	}
}

// Who polls hears of a release at its next look. A releaser that asks again at
// once has taken the lock by then, and that is no hand-off: counted as one it
// made a poll of a second look like a request.
func TestALockThatItsReleaserTakesAgainIsNotHandedOff(t *testing.T) {
	const poll = 150 * time.Millisecond
	r, err := bench.MeasureAcquire(t.Context(), bench.AcquireConfig{
		Contender: polling(t, subjects.Settings{TTL: 10 * poll, RenewEvery: poll, PollEvery: poll}), Rounds: 6, Samples: 5,
		Duration: 2 * time.Second, Clients: []int{2}, Hold: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	free := cell(t, r, "memory/contended/clients=2/locks=1")
	handed, retaken := metric(t, free, bench.HandedOnName).Value, metric(t, free, bench.RetakenName).Value
	if retaken < 3*handed || distribution(t, free, bench.TakenAgainName).Count != int64(retaken) {
		t.Errorf("%g handed on, %g taken again", handed, retaken)
	}
	if !strings.Contains(strings.Join(free.Notes, "\n"), "the releaser itself took the lock again") {
		t.Errorf("notes %q", free.Notes)
	}
	turns := cell(t, r, "memory/hand-off/clients=2")
	q, ok := distribution(t, turns, bench.HandOffName).Quantile(0.5)
	if !ok || time.Duration(q.Value) < poll/20 || metric(t, turns, bench.RetakenName).Value != 0 {
		t.Errorf("the median hand-off of a client that looks every %s: %s", poll, time.Duration(q.Value))
	}
	for _, m := range []string{"hand-off/CAS", "acquire/CAS"} {
		if _, ok := turns.Metric(m); ok {
			t.Errorf("%s of a store that is polled compares a timer with a processor", m)
		}
	}
	if share := metric(t, turns, "hand-off/poll").Value; share <= 0 {
		t.Errorf("hand-off/poll is %g", share)
	}
}

// A store that stalls once, for 150 ms: a loop that waits for its answers asks
// nobody meanwhile, and has one slow acquire among thousands.
func TestAnOpenLoopSeesAStall(t *testing.T) {
	const stall = 150 * time.Millisecond
	var due atomic.Int64
	c := slow(t, subjects.Settings{}, func(int) time.Duration { return time.Duration(due.Swap(0)) })
	const length = 2 * time.Second
	r, err := bench.MeasureAcquire(t.Context(), bench.AcquireConfig{
		Contender: c, Rounds: 6, Samples: 5, Duration: length, Clients: []int{1}, Rates: []float64{400},
		Progress: func(done, _ time.Duration) {
			if done >= 3*length { // the cells without contention are over
				due.Store(int64(stall))
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p99 := func(name string) time.Duration {
		d := distribution(t, cell(t, r, name), "acquire")
		if d.Max < int64(stall) {
			t.Errorf("%s: the stall is missing: at most %s", name, time.Duration(d.Max))
		}
		q, _ := d.Quantile(0.99)
		return time.Duration(q.Value)
	}
	closed, open := p99("memory/contended/clients=1/locks=1"), p99("memory/open/clients=1/locks=1/rate=400")
	if closed >= stall/2 || open < stall/2 {
		t.Errorf("p99 is %s in the closed loop, and %s in the open one", closed, open)
	}
}

func TestARateThatCannotBeReachedIsSaid(t *testing.T) {
	c := slow(t, subjects.Settings{}, func(int) time.Duration { return 5 * time.Millisecond })
	r, err := bench.MeasureAcquire(t.Context(), bench.AcquireConfig{
		Contender: c, Rounds: 6, Samples: 5, Duration: 500 * time.Millisecond, Clients: []int{1}, Rates: []float64{1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	open := cell(t, r, "memory/open/clients=1/locks=1/rate=1000")
	offered, achieved := metric(t, open, "offered").Value, metric(t, open, "throughput").Value
	if math.Abs(offered-1000) > 1 || achieved > 200 {
		t.Errorf("offered %g, achieved %g", offered, achieved)
	}
	if notes := strings.Join(open.Notes, "\n"); !strings.Contains(notes, "were offered and") || !strings.Contains(notes, "not begun") {
		t.Errorf("notes: %s", notes)
	}
	if d := distribution(t, open, "acquire"); d.Count != 500 {
		t.Errorf("%d times of 500 acquires that were wanted", d.Count)
	}
}

func TestALockFromElsewhereIsMeasuredFromOutside(t *testing.T) {
	inner := contender(t, "memory", "reference", subjects.Settings{})
	foreign := bench.Contender{
		Name: "elsewhere", Settings: inner.Settings,
		Connect: func(ctx context.Context, client int) (subjects.Locker, func(), error) {
			s, err := inner.Seat(ctx, bench.Place{Client: client})
			if err != nil {
				return nil, nil, err
			}
			return s.Locker, s.Close, nil
		},
	}
	r, err := bench.MeasureAcquire(t.Context(), bench.AcquireConfig{Contender: foreign, Rounds: 6, Samples: 5, Duration: 100 * time.Millisecond, Clients: []int{2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"elsewhere/reacquire", "elsewhere/contended/clients=2/locks=1"} {
		c := cell(t, r, name)
		if distribution(t, c, "acquire").Count < 1 {
			t.Errorf("%s: nothing was measured", name)
		}
		for _, m := range []string{"acquire/CAS", "requests/acquire"} {
			if got, ok := c.Metric(m); ok {
				t.Errorf("%s has %+v", name, got)
			}
		}
	}
	_, err = bench.MeasureFailover(t.Context(), bench.FailoverConfig{Contender: foreign, Failures: []bench.Failure{bench.Crash}})
	if err == nil || !strings.Contains(err.Error(), "from outside only") {
		t.Errorf("a failover of it: %v", err)
	}
}

func TestTheModelOfNATSLockIsMeasured(t *testing.T) {
	r, err := bench.MeasureAcquire(t.Context(), bench.AcquireConfig{
		Contender: contender(t, "nats", "natslock", bench.NATSLockSettings()), Rounds: 6, Samples: 5, Duration: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := metric(t, cell(t, r, "nats/natslock/reacquire"), "requests/acquire").Value; got != 2 {
		t.Errorf("Get and Put are %g requests", got)
	}
}

func TestAnInterruptedAcquireTellsWhatThereIs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := bench.MeasureAcquire(ctx, bench.AcquireConfig{
		Contender: contender(t, "memory", "reference", subjects.Settings{}), Rounds: 6, Samples: 5, Clients: []int{2}, Duration: time.Hour,
		Progress: func(done, _ time.Duration) {
			if done == 3*time.Hour {
				time.AfterFunc(50*time.Millisecond, cancel)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Incomplete || !strings.Contains(strings.Join(r.Notes, "\n"), "interrupted") {
		t.Errorf("%+v", r)
	}
	cell(t, r, "memory/reacquire")
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	good := contender(t, "memory", "reference", subjects.Settings{})
	for want, c := range map[string]bench.AcquireConfig{
		"without a name":      {},
		"clients 0":           {Contender: good, Clients: []int{0}},
		"clients 5000":        {Contender: good, Clients: []int{5000}},
		"locks -1":            {Contender: good, Locks: []int{-1}},
		"rounds -1":           {Contender: good, Rounds: -1},
		"samples":             {Contender: good, Samples: 1 << 30},
		"rate NaN":            {Contender: good, Clients: []int{1}, Rates: []float64{math.NaN()}},
		"rate +Inf":           {Contender: good, Clients: []int{1}, Rates: []float64{math.Inf(1)}},
		"wants no acquire":    {Contender: good, Clients: []int{1}, Rates: []float64{1}, Duration: time.Millisecond},
		"a rate needs":        {Contender: good, Rates: []float64{1}},
		"duration -1s":        {Contender: good, Duration: -time.Second},
		"hold -1s":            {Contender: good, Hold: -time.Second},
		"neither Connect nor": {Contender: bench.Contender{Name: "x", Settings: good.Settings}},
	} {
		if r, err := bench.MeasureAcquire(t.Context(), c); err == nil || r != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
