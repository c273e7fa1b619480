package lock

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDriftIsRoundedUp(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		ppm  int64
		want time.Duration
	}{
		{0, 10_000, 0},
		{time.Second, 0, 0},
		{10 * time.Second, 10_000, 100 * time.Millisecond},
		{1, 1, 1},
		{999_999, 1, 1},
		{1_000_000, 1, 1},
		{1_000_001, 1, 2},
		{1_999_999, 500_000, 1_000_000},
		{time.Millisecond, 500_000, 500 * time.Microsecond},
		{maxTTL, 500_000, maxTTL / 2},
	} {
		if got := driftOver(c.d, c.ppm); got != c.want {
			t.Errorf("driftOver(%d, %d) = %d, want %d", c.d, c.ppm, got, c.want)
		}
	}
}

func TestDriftAgreesWithExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.Int64Range(0, int64(maxTTL)).Draw(t, "d")
		ppm := rapid.Int64Range(0, 500_000).Draw(t, "ppm")
		exact := new(big.Int).Mul(big.NewInt(d), big.NewInt(ppm))
		exact.Add(exact, big.NewInt(999_999)).Div(exact, big.NewInt(1_000_000))
		if got := driftOver(time.Duration(d), ppm); exact.Cmp(big.NewInt(int64(got))) != 0 {
			t.Fatalf("driftOver = %d, want %s", got, exact)
		}
	})
}

func TestLeaseEndsEarlyAndTakeoverComesLate(t *testing.T) {
	const sent, seen = 7 * time.Second, 8 * time.Second
	for _, c := range []struct {
		ttl           time.Duration
		ppm           int64
		end, takeover time.Duration
	}{
		{10 * time.Second, 0, 17 * time.Second, 18 * time.Second},
		{10 * time.Second, 10_000, 16900 * time.Millisecond, 18100 * time.Millisecond},
		{10 * time.Second, 500_000, 12 * time.Second, 23 * time.Second},
		{time.Millisecond, 1, sent + 999_999, seen + 1_000_001},
	} {
		if got := leaseEnd(sent, 100*time.Second, c.ttl, c.ppm); got != c.end {
			t.Errorf("leaseEnd(ttl %s, %d ppm) = %s, want %s", c.ttl, c.ppm, got, c.end)
		}
		if got := takeoverAt(seen, c.ttl, c.ppm); got != c.takeover {
			t.Errorf("takeoverAt(ttl %s, %d ppm) = %s, want %s", c.ttl, c.ppm, got, c.takeover)
		}
	}
}

// clock is offset + rate x true time, in exact arithmetic. It is read in whole
// nanoseconds, rounded down.
type clock struct{ offset, rate *big.Rat }

func (c clock) read(trueTime *big.Rat) time.Duration {
	at := new(big.Rat).Mul(c.rate, trueTime)
	at.Add(at, c.offset)
	q := new(big.Int)
	q.Div(at.Num(), at.Denom())
	return time.Duration(q.Int64())
}

// first is the true time at which the clock first reads at.
func (c clock) first(at time.Duration) *big.Rat {
	r := new(big.Rat).SetInt64(int64(at))
	r.Sub(r, c.offset)
	return r.Quo(r, c.rate)
}

func drawClock(t *rapid.T, who string, ppm int64) clock {
	rate := rapid.OneOf(rapid.Just(-ppm), rapid.Just(ppm), rapid.Int64Range(-ppm, ppm)).Draw(t, who+" runs fast by ppm")
	offset := rapid.Int64Range(0, int64(time.Hour)).Draw(t, who+" offset")
	return clock{new(big.Rat).SetInt64(offset), big.NewRat(1_000_000+rate, 1_000_000)}
}

// Whatever the two clocks do within the bound: who held stops believing before
// who contends may try. A reading in whole nanoseconds costs the contender's
// clock up to one of them; it is given back here, and is far below the time
// that a request takes.
func TestHolderStopsBeforeContenderMayStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ppm := rapid.Int64Range(0, 500_000).Draw(t, "drift ppm")
		ttl := time.Duration(rapid.Int64Range(1, maxTTL.Milliseconds()).Draw(t, "ttl ms")) * time.Millisecond
		holder, contender := drawClock(t, "holder", ppm), drawClock(t, "contender", ppm)

		sent := rapid.Int64Range(0, int64(time.Hour)).Draw(t, "sent")
		applied := sent + rapid.Int64Range(0, int64(time.Hour)).Draw(t, "applied after")
		seen := applied + rapid.Int64Range(0, int64(time.Hour)).Draw(t, "seen after")

		sentAt := holder.read(new(big.Rat).SetInt64(sent))
		seenAt := contender.read(new(big.Rat).SetInt64(seen))
		stops := holder.first(leaseEnd(sentAt, sentAt, ttl, ppm))
		starts := contender.first(takeoverAt(seenAt, ttl, ppm) + 1)
		if stops.Cmp(starts) > 0 {
			t.Fatalf("believes until %s, contender may start at %s", stops.FloatString(3), starts.FloatString(3))
		}
	})
}

func someHolder(id string, beat uint64) holder {
	return holder{id: id, owner: "o" + id, ttl: 10 * time.Second, beat: beat}
}

func exclusive(token uint64, h holder) *state {
	return &state{token: token, mode: Exclusive, holders: []holder{h}}
}

func TestObserveKeepsWhatWasSeenBefore(t *testing.T) {
	r := soundRules()
	before := &view{rev: "1", state: exclusive(3, someHolder("a", 5)), seenAt: []time.Duration{time.Second}}
	two := &view{
		rev:    "1",
		state:  &state{token: 3, mode: Shared, holders: []holder{someHolder("a", 5), someHolder("b", 1)}},
		seenAt: []time.Duration{time.Second, 2 * time.Second},
	}
	const now = 9 * time.Second
	for _, c := range []struct {
		name   string
		before *view
		s      *state
		want   []time.Duration
	}{
		{"nothing known", nil, exclusive(3, someHolder("a", 5)), []time.Duration{now}},
		{"same sign of life", before, exclusive(3, someHolder("a", 5)), []time.Duration{time.Second}},
		{"same sign of life in another record", before, exclusive(4, someHolder("a", 5)), []time.Duration{time.Second}},
		{"renewed", before, exclusive(3, someHolder("a", 6)), []time.Duration{now}},
		{"another holder with that beat", before, exclusive(4, someHolder("b", 5)), []time.Duration{now}},
		{"freed", before, &state{token: 3}, nil},
		{"was free", &view{rev: "1", state: &state{token: 3}}, exclusive(4, someHolder("a", 0)), []time.Duration{now}},
		{
			"each holder by itself, in any order", two,
			&state{token: 3, mode: Shared, holders: []holder{someHolder("b", 1), someHolder("c", 0), someHolder("a", 6)}},
			[]time.Duration{2 * time.Second, now, now},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := r.observe(c.before, "2", c.s, now)
			if v.rev != "2" || v.state != c.s || !slices.Equal(v.seenAt, c.want) {
				t.Errorf("got revision %s, seen at %v, want %v", v.rev, v.seenAt, c.want)
			}
		})
	}
}

func TestStandingOf(t *testing.T) {
	for _, c := range []struct {
		name string
		s    *state
		want standing
	}{
		{"ours", exclusive(5, someHolder("a", 0)), standingMine},
		{"ours among others, under a later token", &state{token: 7, mode: Shared, holders: []holder{someHolder("b", 0), someHolder("a", 2)}}, standingMine},
		{"before our grant, held", exclusive(4, someHolder("b", 0)), standingOld},
		{"before our grant, free", &state{token: 4}, standingOld},
		{"free since", &state{token: 5}, standingFreed},
		{"removed", &state{}, standingFreed},
		{"granted since", exclusive(6, someHolder("b", 0)), standingReplaced},
		{"granted and freed since", &state{token: 6}, standingReplaced},
	} {
		if got := standingOf(c.s, "a", 5); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestAvailableWhenTheLastHolderIs(t *testing.T) {
	r := soundRules()
	long := holder{id: "long", ttl: 20 * time.Second}
	short := holder{id: "short", ttl: time.Second}
	const ppm = 10_000
	for _, c := range []struct {
		name    string
		holders []holder
		seenAt  []time.Duration
		at      time.Duration
		free    bool
	}{
		{"free", nil, nil, 0, true},
		{"one", []holder{short}, []time.Duration{5 * time.Second}, 6010 * time.Millisecond, false},
		{"long first", []holder{long, short}, []time.Duration{0, 5 * time.Second}, 20200 * time.Millisecond, false},
		{"long last", []holder{short, long}, []time.Duration{5 * time.Second, 0}, 20200 * time.Millisecond, false},
		{"short, but seen late", []holder{long, short}, []time.Duration{0, 30 * time.Second}, 31010 * time.Millisecond, false},
		{"on a clock that reads less than zero", []holder{short}, []time.Duration{-time.Hour}, 1010*time.Millisecond - time.Hour, false},
	} {
		at, free := r.availableAt(&view{state: &state{holders: c.holders}, seenAt: c.seenAt}, ppm)
		if at != c.at || free != c.free {
			t.Errorf("%s: %s, %t, want %s, %t", c.name, at, free, c.at, c.free)
		}
	}
}

func TestGrantTokenRises(t *testing.T) {
	for _, s := range []*state{{}, {token: 8}, exclusive(8, someHolder("a", 1))} {
		if got := grantToken(s); got != s.token+1 {
			t.Errorf("after token %d: %d", s.token, got)
		}
	}
}

func TestRenewIsDueAfterTheLastWasSent(t *testing.T) {
	if got := renewAt(5*time.Second, 3*time.Second); got != 8*time.Second {
		t.Error(got)
	}
}

func TestBetweenStaysWithinAQuarter(t *testing.T) {
	for _, d := range []time.Duration{0, -1} {
		if got := between(d, 77); got != 0 {
			t.Errorf("between(%d) = %d", d, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.Int64Range(1, int64(maxTTL)).Draw(t, "d")
		got := int64(between(time.Duration(d), rapid.Uint64().Draw(t, "r")))
		if got < d-d/4 || got > d+(d+3)/4 {
			t.Fatalf("between(%d) = %d", d, got)
		}
	})
	if lo, hi := between(1000, 0), between(1000, 500); lo != 750 || hi != 1250 {
		t.Errorf("the bounds are %d and %d, want 750 and 1250", lo, hi)
	}
}

func TestEachMutationBreaksARule(t *testing.T) {
	for _, m := range Mutations() {
		c, err := NewMutant(nilStore{}, nilRuntime{}, Config{}, m)
		if err != nil {
			t.Fatal(err)
		}
		if sound := soundRules(); signature(c.rules) == signature(sound) {
			t.Errorf("%s decides everything as the sound rules do", m)
		}
	}
	if _, err := NewMutant(nilStore{}, nilRuntime{}, Config{}, "none"); err == nil {
		t.Error("an unknown mutation was accepted")
	}
}

// signature is what r answers to a few questions.
func signature(r rules) string {
	held := exclusive(3, someHolder("a", 1))
	return fmt.Sprint(r.leaseEnd(5, 6, time.Second, 10_000), r.takeoverAt(5, time.Second, 10_000),
		r.unheard(someHolder("a", 1), someHolder("a", 2)), r.grantToken(held), r.unansweredIs, r.joinHeartbeat)
}

type (
	nilStore   struct{ Store }
	nilRuntime struct{ Runtime }
)

func (nilRuntime) Uint64() uint64 { return 1 }

func TestViewCacheForgetsTheOldestName(t *testing.T) {
	var c viewCache
	name := func(i int) string { return fmt.Sprint("lock", i) }
	for i := range viewCacheSize {
		c.put(name(i), &view{rev: Revision(name(i))})
	}
	c.put(name(0), &view{rev: "again"}) // is not a second entry
	if len(c.order) != viewCacheSize || c.get(name(0)).rev != "again" {
		t.Fatalf("%d names, the first at revision %s", len(c.order), c.get(name(0)).rev)
	}
	for i := range 10 {
		c.put(name(viewCacheSize+i), &view{})
		if c.get(name(i)) != nil || c.get(name(viewCacheSize+i)) == nil || c.get(name(i+1)) == nil {
			t.Errorf("after %d more: wrong one forgotten", i+1)
		}
	}
	if len(c.byName) != viewCacheSize || len(c.order) != viewCacheSize {
		t.Errorf("%d views, %d names", len(c.byName), len(c.order))
	}
}
