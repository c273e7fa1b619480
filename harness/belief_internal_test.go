package harness

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// stillMachine is a machine on which nothing runs by itself, as in a process that
// was stopped: no alarm goes off and nobody waits for a notice. Its clock shows
// the true time less boot.
type stillMachine struct {
	machine
	boot time.Duration
}

func (m stillMachine) follow(*grant) {}

func (m stillMachine) passed(local, now time.Duration) (time.Duration, bool) {
	return local + m.boot, local+m.boot <= now
}

func (m stillMachine) surely(last, _ time.Duration) time.Duration { return last }

// stillRuntime is not asked for the time by what is tested here.
type stillRuntime struct{ lock.Runtime }

func (stillRuntime) Now() time.Duration { return 0 }

func (stillRuntime) Go(func()) (join func()) { return func() {} }

// paperLease is a lease that says what it is told to.
type paperLease struct {
	until time.Duration
	lost  context.Context
	lose  context.CancelCauseFunc
}

func (l *paperLease) Token() uint64                     { return 1 }
func (l *paperLease) ValidUntil() (time.Duration, bool) { return l.until, true }
func (l *paperLease) Lost() context.Context             { return l.lost }
func (l *paperLease) Release(context.Context) error     { return nil }

// paperRun is a run whose time stands still until a test moves it.
type paperRun struct {
	*run
	now time.Duration
}

func newPaperRun(final bool) *paperRun {
	p := &paperRun{}
	p.run = newRun(Scenario{Clients: 2, Locks: 1, TTL: Duration(10 * time.Second)}, subjects.Subject{}, func() time.Duration { return p.now })
	p.promises.EndIsFinal = final
	return p
}

func (p *paperRun) client(index int) *client {
	c := &client{run: p.run, m: stillMachine{boot: -100}, index: index, grants: map[subjects.Lease]*grant{}}
	c.newTask()
	c.rt, c.locker = stillRuntime{}, acquirer(nil)
	return c
}

// grantAt lets c be granted the lock at a true time, valid until another.
func (p *paperRun) grantAt(c *client, at, until time.Duration) (*grant, *paperLease) {
	p.now = at
	l := &paperLease{until: until + 100}
	l.lost, l.lose = context.WithCancelCause(context.Background())
	o := subjects.Options{Try: true}
	return c.tasks[0].ask(context.Background(), 0, &o, false).returned(l, nil), l
}

// told is the history as "10 expire, 15 release".
func (p *paperRun) told(c *client) string {
	p.rec.close()
	var all []string
	for _, e := range p.rec.history {
		if e.Client == c.index && e.Op != linearizability.OpAcquire {
			when := strconv.FormatInt(e.At, 10)
			if e.Since != 0 {
				when = strconv.FormatInt(e.Since, 10) + "-" + when
			}
			all = append(all, when+" "+e.Op.String())
		}
	}
	return strings.Join(all, ", ")
}

// What ends a belief is heard of late, and recorded when it was.
func TestABeliefEndsWhenItDid(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(*paperRun, *client, *grant, *paperLease)
		want string
	}{
		"released in time": {func(p *paperRun, _ *client, g *grant, _ *paperLease) {
			p.now = 9
			g.end(linearizability.OpRelease, linearizability.Invoke)
		}, "9 release"},
		"released late": {func(p *paperRun, _ *client, g *grant, _ *paperLease) {
			p.now = 15
			g.end(linearizability.OpRelease, linearizability.Invoke)
		}, "10 expire, 15 release"},
		"released late, seen before": {func(p *paperRun, _ *client, g *grant, _ *paperLease) {
			p.now = 12
			g.follow()
			p.now = 15
			g.end(linearizability.OpRelease, linearizability.Invoke)
		}, "10 expire, 15 release"},
		"crashed late": {func(p *paperRun, c *client, _ *grant, _ *paperLease) {
			p.now = 15
			c.crash()
		}, "10 expire, 15 crash"},
		"crashed in time": {func(p *paperRun, c *client, _ *grant, _ *paperLease) {
			p.now = 7
			c.crash()
		}, "7 crash"},
		"crashed, and then released": {func(p *paperRun, c *client, g *grant, _ *paperLease) {
			p.now = 7
			c.crash()
			p.now = 8
			if g.end(linearizability.OpRelease, linearizability.Invoke) {
				t.Error("a dead process releases")
			}
			p.now = 15
			g.follow()
		}, "7 crash"},
		"renewed in between": {func(p *paperRun, _ *client, g *grant, l *paperLease) {
			p.now = 9
			l.until = 120
			g.follow()
			p.now = 15
			g.end(linearizability.OpRelease, linearizability.Invoke)
		}, "15 release"},
		"renewed, then late": {func(p *paperRun, _ *client, g *grant, l *paperLease) {
			l.until = 113
			p.now = 15
			g.end(linearizability.OpRelease, linearizability.Invoke)
		}, "13 expire, 15 release"},
		"told, and heard of it late": {func(p *paperRun, _ *client, g *grant, l *paperLease) {
			p.now = 3
			g.follow()
			l.lose(errors.New("taken"))
			p.now = 7
			g.follow()
			p.now = 15
			g.end(linearizability.OpRelease, linearizability.Invoke)
		}, "3-7 lost, 15 release"},
		"told, and released before anybody heard": {func(p *paperRun, _ *client, g *grant, l *paperLease) {
			p.now = 3
			g.follow()
			l.lose(errors.New("taken"))
			p.now = 7
			g.end(linearizability.OpRelease, linearizability.Invoke)
		}, "3-7 lost, 7 release"},
		"released is no loss": {func(p *paperRun, _ *client, g *grant, l *paperLease) {
			l.lose(lock.ErrReleased)
			p.now = 7
			g.follow()
		}, ""},
		"granted too late to believe": {func(p *paperRun, c *client, _ *grant, _ *paperLease) {
			p.now = 16
			c.settleAll()
			g, _ := p.grantAt(c, 20, 18)
			g.follow()
		}, "10 expire, 20 expire"},
		"over at the end of the run": {func(p *paperRun, c *client, _ *grant, _ *paperLease) {
			p.now = 15
			p.rec.cut()
			p.now = 18
			c.settleAll()
		}, "10 expire"},
		"believed at the end of the run": {func(p *paperRun, c *client, g *grant, _ *paperLease) {
			p.now = 8
			p.rec.cut()
			p.now = 18
			c.settleAll()
			g.end(linearizability.OpRelease, linearizability.Invoke)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPaperRun(true)
			holder := p.client(0)
			g, l := p.grantAt(holder, 1, 10)
			g.follow()
			c.act(p, holder, g, l)
			if got := p.told(holder); got != c.want {
				t.Errorf("recorded %q, want %q", got, c.want)
			}
			if err := linearizability.Validate(p.rec.history); err != nil {
				t.Error(err)
			}
		})
	}
}

// A belief that ended may come back. Where nobody looked in between, a lock that
// promises that an end is final has extended it in time; of any other that is not
// sure.
func TestABeliefThatEndedComesBack(t *testing.T) {
	for name, c := range map[string]struct {
		final  bool
		looked bool
		want   string
	}{
		"seen to end":                    {false, true, "10 expire, 12 resume, 20 expire"},
		"seen to end, against its word":  {true, true, "10 expire, 12 resume, 20 expire"},
		"not seen":                       {false, false, "10 expire, 12 resume, 20 expire"},
		"not seen, and the end is final": {true, false, "20 expire"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPaperRun(c.final)
			holder := p.client(0)
			g, l := p.grantAt(holder, 1, 10)
			g.follow()
			if c.looked {
				p.now = 11
				g.follow()
			}
			l.until = 120
			p.now = 12
			g.follow()
			p.now = 30
			g.follow()
			if got := p.told(holder); got != c.want {
				t.Errorf("recorded %q, want %q", got, c.want)
			}
		})
	}
}

// Two holders, one after the other, on a machine that was stopped for long: the
// first gives back late what ended in time.
func TestALateReleaseAccusesNobody(t *testing.T) {
	p := newPaperRun(true)
	first, second := p.client(0), p.client(1)
	old, _ := p.grantAt(first, 1, 10)
	old.follow()
	late, _ := p.grantAt(second, 12, 22)
	p.now = 15
	old.end(linearizability.OpRelease, linearizability.Invoke)
	late.end(linearizability.OpRelease, linearizability.Invoke)
	p.rec.close()
	v := new(linearizability.Checker).Check(t.Context(), linearizability.Params{TTL: 10, End: 20}, p.rec.history)
	if found, _ := v.Property(linearizability.MutualExclusion); found.Verdict != linearizability.OK {
		t.Errorf("%s: %s", found.Verdict, found.Detail)
	}
}

// A loss that was heard of late ends the belief when it may have been told, and is
// reported when it was heard: neither of the two accuses a correct lock.
func TestALateNoticeAccusesNobody(t *testing.T) {
	p := newPaperRun(true)
	p.promises = linearizability.LeasePromises(10, 0)
	first, second := p.client(0), p.client(1)
	g, l := p.grantAt(first, 1, 11)
	p.now = 4
	g.follow()
	l.lose(errors.New("the clock says so"))
	h, _ := p.grantAt(second, 12, 22)
	p.now = 14
	g.follow()
	h.end(linearizability.OpRelease, linearizability.Invoke)
	p.rec.close()
	v := new(linearizability.Checker).Check(t.Context(),
		linearizability.Params{TTL: 10, End: 20, Promises: p.promises}, p.rec.history)
	for _, name := range []string{linearizability.MutualExclusion, linearizability.LeaseKept} {
		if found, _ := v.Property(name); found.Verdict != linearizability.OK {
			t.Errorf("%s is %s: %s%s", name, found.Verdict, found.Detail, v.Malformed)
		}
	}
}

// A stall is all of the time in which a tick was due and did not come.
func TestStallsAreMeasured(t *testing.T) {
	const ms = time.Millisecond
	var w stallWatch
	w.tick(0, 5*ms)
	w.tick(5*ms, 12*ms) // late, as timers are
	w.tick(100*ms, 20100*ms)
	w.tick(98*ms, 20098*ms) // another goroutine's
	w.tick(30000*ms, 30050*ms)
	stalls, lateness := w.found()
	want := []linearizability.Stall{{From: 98 * ms, To: 20100 * ms}, {From: 30000 * ms, To: 30050 * ms}}
	if !slices.Equal(stalls, want) || lateness != 2*ms {
		t.Errorf("stalls %v, lateness %s, want %v, 2ms", stalls, lateness, want)
	}
	w.starved(40000*ms, 40005*ms, 3*ms) // as any thread waits
	w.starved(41000*ms, 41005*ms, 700*ms)
	w.starved(2*ms, 7*ms, 30*ms) // it began before the run
	stalls, lateness = w.found()
	want = append(append([]linearizability.Stall{{From: 0, To: 7 * ms}}, want...), linearizability.Stall{From: 40300 * ms, To: 41005 * ms})
	if !slices.Equal(stalls, want) || lateness != 3*ms {
		t.Errorf("stalls %v, lateness %s, want %v, 3ms", stalls, lateness, want)
	}
	if got := w.lost(10100 * ms); got != 10755*ms {
		t.Errorf("lost %s since 10.1s, want 10.755s", got)
	}
}
