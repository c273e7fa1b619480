package harness

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

func TestTheRecorderStandsInOrderOfTime(t *testing.T) {
	var now time.Duration
	r := &recorder{now: func() time.Duration { return now }}
	event := func(client int) linearizability.Event { return linearizability.Event{Client: client} }
	now = 10
	r.add(event(0))
	now = 30
	r.add(event(1))
	r.addAt(20, event(2)) // heard of late
	r.addAt(30, event(3)) // at the time of another: after it
	now = 40
	r.add(event(4))
	r.close()
	r.add(event(5)) // too late
	r.addAt(1, event(6))
	var clients []int
	for _, e := range r.history {
		clients = append(clients, e.Client)
	}
	if want := []int{0, 2, 1, 3, 4}; !slices.Equal(clients, want) {
		t.Errorf("clients in the order %v, want %v", clients, want)
	}
}

func TestTheRecorderNumbersGrantsAndProcesses(t *testing.T) {
	r := &recorder{}
	if a, b := r.newGrant(), r.newGrant(); a != 1 || b != 2 {
		t.Errorf("grants %d and %d", a, b)
	}
	if a, b := r.newProcess(), r.newProcess(); a != 0 || b != 1 {
		t.Errorf("processes %d and %d", a, b)
	}
}

// TestTheResourceGuardsItself lets two holders, with tokens 1 and 2, read and
// write in some order. Small letters read, capitals write: a and A are the old
// holder's.
func TestTheResourceGuardsItself(t *testing.T) {
	for _, c := range []struct {
		steps            string
		fenced, unfenced int64 // the counters at the end
		refused          int
		why              string
	}{
		{"aAbB", 2, 2, 0, "one after the other"},
		{"abAB", 1, 1, 1, "the old holder's write is refused; without a guard the new one's is lost"},
		{"abBA", 1, 1, 1, "the old holder's write is refused; without a guard it is a lost update"},
		{"bBaA", 1, 2, 1, "the old holder's read is refused, so it does not write with a guard"},
		{"baBA", 1, 1, 1, "a guard on writes alone would have let the read through"},
		{"aAaAbBbB", 4, 4, 0, "several in one grant"},
		{"bBaAbB", 2, 3, 1, "the old holder comes between two of the new one's"},
	} {
		rec := &recorder{now: func() time.Duration { return 0 }}
		r := newResource(1, rec)
		grants := map[rune]linearizability.Event{'a': {Client: 0, Token: 1, Grant: 1}, 'b': {Client: 1, Token: 2, Grant: 2}}
		read := map[rune]base{}
		for _, step := range c.steps {
			who := step | ' ' // its small letter
			if step == who {
				read[who] = r.read(0, grants[who])
			} else {
				r.write(0, grants[who], read[who])
			}
		}
		refused := 0
		for _, e := range rec.history {
			if e.Phase == linearizability.Fail {
				refused++
				if !e.Fenced {
					t.Errorf("%s: an access without a token was refused", c.steps)
				}
			}
		}
		if r.fenced[0].value != c.fenced || r.unfenced[0] != c.unfenced || refused != c.refused {
			t.Errorf("%s (%s): fenced %d, unfenced %d, %d refused, want %d, %d, %d", c.steps, c.why,
				r.fenced[0].value, r.unfenced[0], refused, c.fenced, c.unfenced, c.refused)
		}
	}
}

func TestAGrantWithoutATokenIsNotFenced(t *testing.T) {
	rec := &recorder{now: func() time.Duration { return 0 }}
	r := newResource(2, rec)
	r.write(1, linearizability.Event{}, r.read(1, linearizability.Event{}))
	if len(rec.history) != 2 || rec.history[0].Fenced || rec.history[1].Fenced || r.unfenced[1] != 1 || r.unfenced[0] != 0 {
		t.Errorf("history %v, counters %v", rec.history, r.unfenced)
	}
}

func TestWhatProvesNothingIsSaid(t *testing.T) {
	kinds := func(words string) []fault.Kind {
		k, err := fault.ParseKinds(words)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	good := func() *Summary {
		return &Summary{
			Base: Scenario{Kinds: kinds("all")}.WithDefaults(), Seeds: enoughSeeds,
			Coverage: linearizability.Coverage{Grants: 9, Contended: 1, Expired: 1, Takeovers: 1, Lost: 1},
			Counters: Counters{Indefinite: 1},
			Sample:   &Result{Params: linearizability.Params{Promises: linearizability.Promises{RenewalOff: true}}},
		}
	}
	for name, c := range map[string]struct {
		change func(*Summary)
		want   string
	}{
		"all of it":                  {func(*Summary) {}, ""},
		"no grant":                   {func(s *Summary) { s.Coverage.Grants = 0 }, "never granted"},
		"no grant in one seed":       {func(s *Summary) { s.Coverage.Grants, s.Seeds = 0, 1 }, "never granted"},
		"no contention":              {func(s *Summary) { s.Coverage.Contended = 0 }, "no two clients"},
		"one client alone":           {func(s *Summary) { s.Coverage.Contended, s.Base.Clients = 0, 1 }, ""},
		"no lease ran out":           {func(s *Summary) { s.Coverage.Expired = 0 }, "no lease ran out"},
		"no takeover":                {func(s *Summary) { s.Coverage.Takeovers = 0 }, "taken over"},
		"no loss":                    {func(s *Summary) { s.Coverage.Lost = 0 }, "told of a loss"},
		"nobody lets go":             {func(s *Summary) { s.Coverage.Expired, s.Base.Workload.Abandon = 0, 0 }, ""},
		"all requests answered":      {func(s *Summary) { s.Counters.Indefinite = 0 }, "without an answer"},
		"nothing could be lost":      {func(s *Summary) { s.Counters.Indefinite, s.Base.Kinds = 0, kinds("clock") }, ""},
		"a few seeds need not":       {func(s *Summary) { s.Seeds, s.Coverage.Expired = enoughSeeds-1, 0 }, ""},
		"a live run has one":         {func(s *Summary) { s.Seeds, s.Base.Backend, s.Coverage.Expired = 1, "nats", 0 }, "no lease ran out"},
		"a bucket expires by itself": {func(s *Summary) { s.Sample.Params.Promises.RenewalOff, s.Coverage.Expired = false, 0 }, ""},
	} {
		s := good()
		c.change(s)
		got := vacuous(s)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		s.Properties = []linearizability.Property{{Verdict: linearizability.OK}}
		s.conclude()
		if (s.Verdict == linearizability.OK) != (c.want == "") {
			t.Errorf("%s: verdict %s", name, s.Verdict)
		}
	}
}

func TestTheVerdictOfASummary(t *testing.T) {
	property := func(v linearizability.Status, informational bool) linearizability.Property {
		return linearizability.Property{Verdict: v, Informational: informational}
	}
	for name, c := range map[string]struct {
		properties []linearizability.Property
		want       linearizability.Status
	}{
		"nothing":                  {nil, linearizability.Unknown},
		"nothing applies":          {[]linearizability.Property{property(linearizability.NotApplicable, false)}, linearizability.Unknown},
		"a violation outweighs":    {[]linearizability.Property{property(linearizability.Unknown, false), property(linearizability.Violation, false)}, linearizability.Violation},
		"unknown is no ok":         {[]linearizability.Property{property(linearizability.OK, false), property(linearizability.Unknown, false)}, linearizability.Unknown},
		"information does not":     {[]linearizability.Property{property(linearizability.OK, false), property(linearizability.Violation, true)}, linearizability.OK},
		"only information: no say": {[]linearizability.Property{property(linearizability.OK, true)}, linearizability.Unknown},
	} {
		s := &Summary{
			Base: Scenario{}.WithDefaults(), Seeds: 1, Properties: c.properties,
			Coverage: linearizability.Coverage{Grants: 1, Contended: 1},
		}
		s.conclude()
		if s.Verdict != c.want {
			t.Errorf("%s: %s, want %s", name, s.Verdict, c.want)
		}
	}
}

// scripted is a lock whose Acquire a test writes.
type scripted func(context.Context) (subjects.Lease, error)

func (f scripted) Acquire(ctx context.Context, _ string, _ subjects.Options) (subjects.Lease, error) {
	return f(ctx)
}

func TestASubjectThatFailsIsAnErrorAndNoHang(t *testing.T) {
	cause := errors.New("the subject's own trouble")
	outside := make(chan struct{})
	t.Cleanup(func() { close(outside) })
	for name, c := range map[string]struct {
		make func(subjects.Env) (subjects.Locker, error)
		want error
	}{
		"refuses its settings": {func(subjects.Env) (subjects.Locker, error) { return nil, cause }, cause},
		"panics when made":     {func(subjects.Env) (subjects.Locker, error) { panic(cause) }, cause},
		"panics in Acquire": {func(subjects.Env) (subjects.Locker, error) {
			return scripted(func(context.Context) (subjects.Lease, error) { panic(cause) }), nil
		}, cause},
		"panics in a task": {func(e subjects.Env) (subjects.Locker, error) {
			return scripted(func(ctx context.Context) (subjects.Lease, error) {
				e.Runtime.Go(func() { panic(cause) })
				return nil, e.Runtime.Sleep(ctx, time.Second)
			}), nil
		}, cause},
		"blocks outside of the world": {func(subjects.Env) (subjects.Locker, error) {
			return scripted(func(context.Context) (subjects.Lease, error) {
				<-outside
				return nil, cause
			}), nil
		}, sim.ErrStuck},
	} {
		t.Run(name, func(t *testing.T) {
			s := quick(t, subjects.ReferenceName, "none")
			s.Clients = 2
			_, err := experiment(s, subjects.Subject{Name: name, New: c.make},
				sim.Config{Chooser: sim.NewRandom(1), StuckAfter: 50 * time.Millisecond})
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestAnAcquireThatIsRefusedIsRecordedAsWhatItWas(t *testing.T) {
	refusal := errors.New("who knows")
	s := quick(t, subjects.ReferenceName, "none")
	s.Clients = 1
	r, err := experiment(s, subjects.Subject{New: func(e subjects.Env) (subjects.Locker, error) {
		return scripted(func(ctx context.Context) (subjects.Lease, error) {
			_ = e.Runtime.Sleep(ctx, time.Second)
			return nil, refusal
		}), nil
	}}, sim.Config{Chooser: sim.NewRandom(1)})
	if err != nil {
		t.Fatal(err)
	}
	processes := map[int]bool{}
	for _, e := range r.History {
		if e.Phase != linearizability.Info {
			continue
		}
		if processes[e.Process] {
			t.Errorf("process %d went on after an acquire with an open end", e.Process)
		}
		processes[e.Process] = true
	}
	if len(processes) == 0 {
		t.Error("an error that leaves everything open was recorded as something else")
	}
	if err := linearizability.Validate(r.History); err != nil {
		t.Error(err)
	}
}
