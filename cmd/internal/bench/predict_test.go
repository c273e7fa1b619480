package bench

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// instant is a store that answers at once.
func instant() StoreModel {
	zero := []time.Duration{0}
	return StoreModel{Watch: true, ConflictReturnsCurrent: true, Reads: zero, Writes: zero}
}

func calm() Profile { return Profile{Name: "calm"} }

func lease(ttl, renew time.Duration) subjects.Settings {
	return subjects.Settings{TTL: ttl, RenewEvery: renew}
}

func predict(t *testing.T, c PredictConfig) *Prediction {
	t.Helper()
	p, err := Predict(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOneSeedGivesOnePrediction(t *testing.T) {
	rough, err := ParseProfile("rough,suspend=9h:1s-40s")
	if err != nil {
		t.Fatal(err)
	}
	c := PredictConfig{
		Settings: lease(3*time.Second, time.Second), Clients: 3, Profile: rough,
		Store: StoreModel{ConflictReturnsCurrent: true}, Hours: 3, Trials: 30, Episodes: 5, Seed: 7,
	}
	first, second := predict(t, c), predict(t, c)
	if !reflect.DeepEqual(first, second) {
		t.Errorf("two predictions of one seed:\n%+v\n%+v", first, second)
	}
	c.Seed = 8
	if other := predict(t, c); other.Hash == first.Hash {
		t.Error("two seeds, one hash")
	}
}

// TestAPredictionIsTheSameOnEveryMachine pins one: figures in a report can be
// made again.
func TestAPredictionIsTheSameOnEveryMachine(t *testing.T) {
	p := predict(t, PredictConfig{Settings: lease(2*time.Second, 500*time.Millisecond), Clients: 3,
		Profile: Profiles()[3].Profile, Hours: 2, Trials: 10, Episodes: 5, Seed: 1})
	const want = 0x6a322f2792858ec7
	if p.Hash != want {
		t.Errorf("hash %#x, want %#x", p.Hash, uint64(want))
	}
}

// TestAFailoverIsWhatIsLeftOfTheLease: without latency a waiter that watches has
// seen the last renewal the instant it was made. The holder dies at an even
// phase after that, so what is left is even between the lease less a renewal
// and the lease, with the drift that is allowed for on top.
func TestAFailoverIsWhatIsLeftOfTheLease(t *testing.T) {
	const ttl, renew = 6 * time.Second, 2 * time.Second
	p := predict(t, PredictConfig{Settings: lease(ttl, renew), Clients: 3, Profile: calm(), Store: instant(), Trials: 500, Seed: 1})
	if len(p.Failovers) != 500 || p.Spoiled != 0 {
		t.Fatalf("%d failovers, %d spoiled", len(p.Failovers), p.Spoiled)
	}
	const most = ttl + ttl/100
	var sum time.Duration
	shortest, longest := p.Failovers[0].Detect, p.Failovers[0].Detect
	for _, f := range p.Failovers {
		if f.Detect < most-renew || f.Detect > most+time.Millisecond {
			t.Fatalf("detected after %v, want %v to %v", f.Detect, most-renew, most)
		}
		if f.Acquire > time.Millisecond || f.Resume > time.Millisecond {
			t.Fatalf("%+v on a store that answers at once", f)
		}
		sum += f.Detect
		shortest, longest = min(shortest, f.Detect), max(longest, f.Detect)
	}
	mean := sum / 500
	// The mean of 500 even draws from 2 s is within 0.1 s in all but one of ten thousand seeds.
	if want := most - renew/2; (mean - want).Abs() > 100*time.Millisecond {
		t.Errorf("mean %v, want %v", mean, want)
	}
	if shortest > most-renew+20*time.Millisecond || longest < most-20*time.Millisecond {
		t.Errorf("from %v to %v: the phase is not an even one", shortest, longest)
	}
}

func TestWhoPollsDetectsLaterByAtMostOnePoll(t *testing.T) {
	const ttl = 6 * time.Second
	store := instant()
	store.Watch = false
	p := predict(t, PredictConfig{Settings: lease(ttl, ttl/3), Clients: 2, Profile: calm(), Store: store, Trials: 100, Seed: 1})
	const most = ttl + ttl/100 + ttl/10*5/4
	seen := time.Duration(0)
	for _, f := range p.Failovers {
		seen = max(seen, f.Detect)
		if f.Detect > most+time.Millisecond {
			t.Fatalf("detected after %v, want %v or less", f.Detect, most)
		}
	}
	if seen <= ttl+ttl/100 {
		t.Errorf("at worst %v: polling cost nothing", seen)
	}
}

func TestAHolderAloneAsksOnceARenewal(t *testing.T) {
	for _, renew := range []time.Duration{2 * time.Second, 500 * time.Millisecond} {
		p := predict(t, PredictConfig{Settings: lease(6*time.Second, renew), Clients: 1, Profile: calm(), Store: instant(), Hours: 4, Seed: 1})
		want := int64(p.Watched / renew)
		if p.Holder.Requests != want || p.Holder.Swaps != want || p.Waiters != (Counts{}) {
			t.Errorf("renewing every %v: %+v and %+v in %v, want %d", renew, p.Holder, p.Waiters, p.Watched, want)
		}
		if p.Units != (Units{Write: float64(want)}) {
			t.Errorf("units %+v", p.Units)
		}
	}
}

func TestWaitersThatPollCostAReadAPoll(t *testing.T) {
	store := instant()
	store.Watch = false
	const ttl = 6 * time.Second
	p := predict(t, PredictConfig{Settings: lease(ttl, ttl/3), Clients: 4, Profile: calm(), Store: store, Hours: 4, Seed: 1})
	want := 3 * float64(p.Watched) / float64(ttl/10)
	if got := float64(p.Waiters.Requests); math.Abs(got/want-1) > 0.02 {
		t.Errorf("%v requests of three who wait, want about %v", got, want)
	}
	if p.Waiters.Swaps != 0 || p.Units.Read != float64(p.Waiters.Requests) {
		t.Errorf("%+v, %+v", p.Waiters, p.Units)
	}
}

func TestNothingIsLostWhereNothingGoesWrong(t *testing.T) {
	p := predict(t, PredictConfig{Settings: lease(6*time.Second, 2*time.Second), Clients: 2, Profile: calm(), Episodes: 10, Seed: 1})
	if p.FalseFailovers != (Estimate{}) || p.TwiceAsLong != (Estimate{}) || p.Episodes != 0 {
		t.Errorf("%+v in %d episodes", p.FalseFailovers, p.Episodes)
	}
}

// TestEachPauseThatOutlivesTheLeaseCostsIt: with pauses longer than the ttl there
// is a false failover for each; with shorter ones that end before the lease does
// there is none.
func TestEachPauseThatOutlivesTheLeaseCostsIt(t *testing.T) {
	const ttl = 6 * time.Second
	for _, c := range []struct {
		kind, length string
		rate, longer Rate
	}{
		{"pause", "10s-20s", 2, 2}, {"suspend", "10s-20s", 2, 2}, {"partition", "10s-20s", 2, 2},
		{"pause", "200ms-1s", 0, 0}, {"suspend", "200ms-1s", 0, 0}, {"partition", "200ms-1s", 0, 0},
		{"pause", "3100ms-3200ms", 0, 2},
	} {
		profile, err := ParseProfile(c.kind + "=30m:" + c.length)
		if err != nil {
			t.Fatal(err)
		}
		p := predict(t, PredictConfig{Settings: lease(ttl, ttl/3), Clients: 2, Profile: profile, Store: instant(), Episodes: 60, Seed: 1})
		if e := p.FalseFailovers; math.Abs(float64(e.Rate-c.rate)) > 1e-9 || e.Low > e.Rate || e.High < e.Rate || e.High-e.Low > 0.3 {
			t.Errorf("%s of %s: %+v false failovers an hour, want %v", c.kind, c.length, e, c.rate)
		}
		if got := p.TwiceAsOften.Rate; math.Abs(float64(got-2*c.rate)) > 1e-9 {
			t.Errorf("%s of %s twice as often: %v, want %v", c.kind, c.length, got, 2*c.rate)
		}
		// A lease of 6 s with 2 s from one renewal to the next has 4 to 6 s left.
		if got := p.TwiceAsLong.Rate; c.longer > 0 && got < c.longer/2 || c.longer == 0 && got != 0 {
			t.Errorf("%s of %s twice as long: %v, want %v", c.kind, c.length, got, c.longer)
		}
	}
}

// TestABadSettingShows: a ttl that a slow and lossy network cannot renew in is
// visible as such, and a sound one on the same network is not.
func TestABadSettingShows(t *testing.T) {
	profile, err := ParseProfile("rtt=40ms-200ms,loss=0.5%")
	if err != nil {
		t.Fatal(err)
	}
	at := func(ttl time.Duration) Estimate {
		return predict(t, PredictConfig{Settings: lease(ttl, ttl/3), Clients: 2, Profile: profile, Episodes: 200, Seed: 1}).FalseFailovers
	}
	if bad := at(600 * time.Millisecond); bad.Low < 10 {
		t.Errorf("%+v false failovers an hour with a ttl of a few round trips", bad)
	}
	if good := at(10 * time.Second); good.Rate > 1.0/8760 {
		t.Errorf("%+v false failovers an hour with a ttl of 10 s", good)
	}
}

// wait counts what predictLosses computes: leases that a holder, alone or with
// others who wait, loses in so many hours in which things go wrong as they come.
func wait(t *testing.T, c PredictConfig, clients, hours int) (lost int64) {
	t.Helper()
	d := time.Duration(hours) * time.Hour
	c.Settings = withDefaults(c.Settings)
	w, err := c.world("wait", clients, d)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, client := range w.clients {
		client.lost = func() { lost++ }
		client.start()
	}
	if err := w.run(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
	return lost
}

// TestWhatComesOfEpisodesIsWhatTimeBrings: the rate that is made of the shares of
// episodes is the one that is seen by waiting, within what chance allows; and who
// waits for the lock changes nothing of it.
func TestWhatComesOfEpisodesIsWhatTimeBrings(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("some seconds of simulation")
	}
	for _, c := range []struct {
		profile    string
		ttl, renew time.Duration
		clients    int
		hours      int
	}{
		{"pause=20m:1s-20s", 6 * time.Second, 2 * time.Second, 1, 60},
		{"pause=20m:1s-20s", 6 * time.Second, 2 * time.Second, 3, 60},
		{"partition=20m:1s-20s", 6 * time.Second, 2 * time.Second, 1, 80},
		{"suspend=30m:1s-60s,drift=200ppm", 10 * time.Second, 2 * time.Second, 1, 80},
		{"loss=10%", 3 * time.Second, time.Second, 1, 60},
		{"rough,loss=3%", 3 * time.Second, time.Second, 1, 80},
	} {
		profile, err := ParseProfile(c.profile)
		if err != nil {
			t.Fatal(err)
		}
		config := PredictConfig{Settings: lease(c.ttl, c.renew), Clients: c.clients, Profile: profile, Store: instant(), Episodes: 200, Seed: 1}
		e := predict(t, config).FalseFailovers
		lost := wait(t, config, c.clients, c.hours)
		low, high := PoissonInterval(lost)
		// Two intervals of 95 % that must meet; what is left out, that two episodes
		// meet, is within a twentieth.
		if h := float64(c.hours); float64(e.High)*h < 0.95*low || float64(e.Low)*h > 1.05*high || lost < 10 {
			t.Errorf("%s, ttl %s: %.1f (%.1f to %.1f) in %d h by episodes, %d (%.1f to %.1f) by waiting",
				c.profile, c.ttl, float64(e.Rate)*h, float64(e.Low)*h, float64(e.High)*h, c.hours, lost, low, high)
		}
	}
}

func TestEpisodesAreAsManyAndAsLongAsSaid(t *testing.T) {
	e := Episodes{Every: time.Hour, Length: Span{time.Second, 10 * time.Second}}
	plan := Profile{Name: "x", Pause: e}.plan(sim.NewRandom(3), 5, 1000*time.Hour)
	if len(plan) != 5000 {
		t.Fatalf("%d episodes, want 5000", len(plan))
	}
	var lengths []time.Duration
	for _, f := range plan {
		lengths = append(lengths, f.Duration)
	}
	slices.Sort(lengths)
	if lengths[0] < time.Second || lengths[4999] > 10*time.Second {
		t.Errorf("from %v to %v", lengths[0], lengths[4999])
	}
	// Four doublings: 1-2, 2-4, 4-8 and 8-10 s, equally likely.
	if m := lengths[2500]; m < 3500*time.Millisecond || m > 4500*time.Millisecond {
		t.Errorf("median %v, want about 4 s", m)
	}
}

func TestPredictRefusesWhatTheLockRefuses(t *testing.T) {
	for name, c := range map[string]PredictConfig{
		"renew":    {Settings: lease(3*time.Second, 2*time.Second), Clients: 2},
		"ttl":      {Settings: lease(-time.Second, 0), Clients: 2},
		"clients":  {Settings: lease(time.Second, 0)},
		"alone":    {Settings: lease(time.Second, 0), Clients: 1, Trials: 1},
		"hours":    {Settings: lease(time.Second, 0), Clients: 2, Hours: -1},
		"episodes": {Settings: lease(time.Second, 0), Clients: 2, Episodes: -1},
	} {
		if _, err := Predict(t.Context(), c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestPredictEndsWithItsContext(t *testing.T) {
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := Predict(ctx, PredictConfig{Settings: lease(time.Second, 0), Clients: 2, Hours: 1000, Episodes: 10, Profile: calm()}); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}
