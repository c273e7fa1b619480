package live

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/fault"
)

// rig is everything that a plan may need, made to be looked at.
type rig struct {
	clock   *Clock
	targets Targets
	log     []string // of clients' crashes, appended by the injector's caller
	server  []string // of the server, appended by the injector's other goroutine
}

// newRig may be called inside of a bubble with proxies made outside of it.
func newRig(proxies ...*Proxy) *rig {
	start := time.Now()
	base := func() time.Duration { return time.Since(start) }
	r := &rig{clock: NewClock(base, ClockConfig{})}
	note := func(log *[]string, what string) {
		*log = append(*log, base().String()+" "+what)
	}
	for range 2 {
		c := Client{
			Clock:   NewClock(base, ClockConfig{}),
			Store:   NewStoreFaults("c", seeded()),
			Crash:   func() { note(&r.log, "crash") },
			Restart: func() { note(&r.log, "restart") },
		}
		if n := len(r.targets.Clients); n < len(proxies) {
			c.Proxy = proxies[n]
		}
		r.targets.Clients = append(r.targets.Clients, c)
	}
	slowly := func(what string) func() error {
		return func() error {
			note(&r.server, what)
			time.Sleep(100 * time.Millisecond)
			return nil
		}
	}
	r.targets.Server = Server{
		Stop:  slowly("stop"),
		Start: slowly("start"),
		Failover: func() (func() error, error) {
			note(&r.server, "failover")
			return slowly("restore"), nil
		},
	}
	return r
}

func plan(t *testing.T, text string) fault.Plan {
	t.Helper()
	p, err := fault.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (r *rig) run(ctx context.Context, t *testing.T, p fault.Plan) []Applied {
	t.Helper()
	i, err := NewInjector(p, r.targets)
	if err != nil {
		t.Fatal(err)
	}
	applied, err := i.Run(ctx, r.clock.True)
	if err != nil {
		t.Error(err)
	}
	return applied
}

func TestClientFaultsBeginAndEndWhenPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		c0, c1 := r.targets.Clients[0], r.targets.Clients[1]
		p := plan(t, `
			0s  +10s clock-rate c0 1000000ppm
			1s  +4s  clock-offset c0 1h
			2s       clock-jump c0 -10s
			3s  +4s  lose-reply c0 700permille
			3s  +4s  lose-request c1 100permille
			3s  +4s  duplicate-request c1 10permille
			4s  +2s  crash c1
			5s  +1s  throttle store 500permille
			5s  +1s  refuse store 400permille
			8s  +0s  crash c0`)
		check := func(at time.Duration, wall time.Duration, reply, request, duplicate, throttle, refuse int64) {
			time.Sleep(at - r.clock.True())
			synctest.Wait()
			if got := c0.Clock.Wall(); got != wall {
				t.Errorf("at %s c0's wall clock is %s, want %s", at, got, wall)
			}
			got := []int64{c0.Store.loseReply.Load(), c1.Store.loseRequest.Load(), c1.Store.duplicate.Load(), c1.Store.throttle.Load(), c0.Store.refuse.Load()}
			if want := []int64{reply, request, duplicate, throttle, refuse}; !slices.Equal(got, want) {
				t.Errorf("at %s the calls' faults are %v, want %v", at, got, want)
			}
		}
		var applied []Applied
		join := NewRuntime(r.clock).Go(func() { applied = r.run(t.Context(), t, p) })
		half := time.Second / 2
		check(half, 2*half, 0, 0, 0, 0, 0)
		check(3*half, 3*time.Second+time.Hour, 0, 0, 0, 0, 0)
		check(5*half, 5*time.Second+time.Hour-10*time.Second, 0, 0, 0, 0, 0)
		check(7*half, 7*time.Second+time.Hour-10*time.Second, 700, 100, 10, 0, 0)
		check(11*half, 11*time.Second-10*time.Second, 700, 100, 10, 500, 400)
		check(15*half, 15*time.Second-10*time.Second, 0, 0, 0, 0, 0)
		join()
		if r.clock.True() != 10*time.Second || c0.Clock.Now() != 20*time.Second || c1.Clock.Now() != 10*time.Second {
			t.Errorf("ended at %s, c0 %s, c1 %s", r.clock.True(), c0.Clock.Now(), c1.Clock.Now())
		}
		if diff := cmp.Diff([]string{"4s crash", "6s restart", "8s crash", "8s restart"}, r.log); diff != "" {
			t.Error(diff)
		}
		for i, f := range p {
			if want := (Applied{f, f.Start, f.End()}); applied[i] != want {
				t.Errorf("applied %+v, want %+v", applied[i], want)
			}
		}
	})
}

func TestASlowServerDelaysNoOtherFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		p := plan(t, `
			1s    +2s store-restart store
			1.05s +0s crash c0
			2s    +3s store-down store
			6s    +1s store-failover store`)
		applied := r.run(t.Context(), t, p)
		if diff := cmp.Diff([]string{"1.05s crash", "1.05s restart"}, r.log); diff != "" {
			t.Error(diff)
		}
		// The server starts when the last fault that stopped it has ended.
		if diff := cmp.Diff([]string{"1s stop", "5s start", "6s failover", "7s restore"}, r.server); diff != "" {
			t.Error(diff)
		}
		if want := (Applied{p[2], 2 * time.Second, 5100 * time.Millisecond}); applied[2] != want {
			t.Errorf("applied %+v, want %+v", applied[2], want)
		}
	})
}

func TestTheEndOfTheRunHealsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		p := plan(t, `
			0s  +1h clock-rate c0 500000ppm
			1s  +1h crash c1
			1s  +1h store-restart store
			2s      clock-jump c1 1h
			30s +1h throttle store 1permille`)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		applied := r.run(ctx, t, p)
		if diff := cmp.Diff([]string{"1s crash", "10s restart"}, r.log); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"1s stop", "10s start"}, r.server); diff != "" {
			t.Error(diff)
		}
		time.Sleep(10*time.Second - 100*time.Millisecond)
		if got := r.targets.Clients[0].Clock.Now(); got != 25*time.Second {
			t.Errorf("c0's clock shows %s", got)
		}
		want := []Applied{
			{p[0], 0, 10 * time.Second},
			{p[1], time.Second, 10 * time.Second},
			{p[2], time.Second, 10100 * time.Millisecond},
			{p[3], 2 * time.Second, 2 * time.Second},
		}
		if diff := cmp.Diff(want, applied); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARunThatNeverBeginsDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if applied := r.run(ctx, t, plan(t, "0s +1s crash c0\n5s +1s crash c0")); len(applied) != 0 || len(r.log) != 0 {
			t.Errorf("applied %v, log %v", applied, r.log)
		}
	})
}

func TestNetworkFaultsReachTheProxy(t *testing.T) {
	proxy, other := newProxy(t, "127.0.0.1:1"), newProxy(t, "127.0.0.1:1")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(proxy, other)
		p := plan(t, `
			0s +10s latency c0 80ms
			1s +2s  jitter c0 5ms
			2s +5s  partition c0
			3s +5s  partition-requests c0
			4s +5s  partition-replies c0
			5s +2s  hold c0
			5s +5s  store-down store`)
		join := NewRuntime(r.clock).Go(func() { r.run(t.Context(), t, p) })
		for _, c := range []struct {
			requests, replies lane
			holds, other      int
		}{
			{lane{80e6, 0, 0}, lane{80e6, 0, 0}, 0, 0},
			{lane{80e6, 5e6, 0}, lane{80e6, 5e6, 0}, 0, 0},
			{lane{80e6, 5e6, 1}, lane{80e6, 5e6, 1}, 0, 0},
			{lane{80e6, 0, 2}, lane{80e6, 0, 1}, 0, 0},
			{lane{80e6, 0, 2}, lane{80e6, 0, 2}, 0, 0},
			{lane{80e6, 0, 3}, lane{80e6, 0, 3}, 1, 1},
			{lane{80e6, 0, 3}, lane{80e6, 0, 3}, 1, 1},
			{lane{80e6, 0, 2}, lane{80e6, 0, 2}, 0, 1},
			{lane{80e6, 0, 1}, lane{80e6, 0, 2}, 0, 1},
			{lane{80e6, 0, 1}, lane{80e6, 0, 1}, 0, 1},
			{lane{}, lane{}, 0, 0},
		} {
			time.Sleep(time.Second / 2)
			got, holds := network(proxy)
			others, _ := network(other)
			if got != [directions]lane{c.requests, c.replies} || holds != c.holds || others[Replies].cuts != c.other {
				t.Errorf("at %s: %+v, %d holds, other %+v", r.clock.True(), got, holds, others)
			}
			time.Sleep(time.Second / 2)
		}
		join()
		if len(r.server) != 0 {
			t.Errorf("the server was touched: %v", r.server)
		}
	})
}

func TestAPlanThatCannotBeCarriedOutIsRefusedWithItsReasons(t *testing.T) {
	bare := Targets{Clients: make([]Client, 1)}
	for _, c := range []struct {
		fault, want string
		targets     Targets
	}{
		{"1s +1s pause c0", "run each in a process of its own", newRig().targets},
		{"1s +1s suspend c0", "only the simulator can", newRig().targets},
		{"1s lost-write store 1s", "only the simulator can", newRig().targets},
		{"1s +1s stale-read store 1s", "reading from a follower", newRig().targets},
		{"1s +1s crash c7", "the last of 2 clients is c1", newRig().targets},
		{"1s +1s clock-offset c0 1s", "no clock of its own", bare},
		{"1s +1s hold c0", "no proxy", bare},
		{"1s +1s lose-reply c0 5permille", "calls are not wrapped", bare},
		{"1s +1s crash c0", "cannot be killed", bare},
		{"1s +1s throttle store 5permille", "the calls of c0", bare},
		{"1s +1s refuse store 5permille", "the calls of c0", bare},
		{"1s +1s refuse store 5permille writes", "does not tell reads from writes", newRig().targets},
		{"1s +1s latency c0 5ms writes", "does not tell reads from writes", newRig().targets},
		{"1s +1s aimed-pause c0 sent:1", "only the simulator can", newRig().targets},
		{"1s +1s clock-stop c0", "only the simulator can", newRig().targets},
		{"1s remove-record store", "only the simulator can", newRig().targets},
		{"1s +1s store-down store", "not every client has a proxy", bare},
		{"1s +1s store-restart store", "cannot be stopped", bare},
		{"1s +1s store-failover store", "no replica", bare},
	} {
		p := plan(t, c.fault)
		_, err := NewInjector(p, c.targets)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), string(p[0].Kind)) {
			t.Errorf("%s: %v, want %q", c.fault, err, c.want)
		}
	}
	if _, err := NewInjector(plan(t, "1s +1s hold c0\n2s +1s store-restart store"), bare); err == nil ||
		!strings.Contains(err.Error(), "hold") || !strings.Contains(err.Error(), "store-restart") {
		t.Errorf("not all reasons are named: %v", err)
	}
}

func TestAServerThatDoesNotStartIsAnErrorOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		broken := errors.New("the disk is full")
		r.targets.Server.Start = func() error { return broken }
		i, err := NewInjector(plan(t, "1s +1s store-restart store\n5s +0s crash c0"), r.targets)
		if err != nil {
			t.Fatal(err)
		}
		applied, err := i.Run(t.Context(), r.clock.True)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "store-restart") || len(applied) != 2 {
			t.Errorf("applied %v, error %v", applied, err)
		}
	})
}
