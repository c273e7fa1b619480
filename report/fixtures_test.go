package report

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/harness"
	lin "github.com/lockproof/lockproof/linearizability"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with testdata/name, or writes it there.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (write anew: go test ./report -update):\n%s", path, diff)
	}
}

// script builds histories by hand; times are in milliseconds.
type script struct{ h lin.History }

func (s *script) event(ms int64, client int, op lin.Op, phase lin.Phase, grant int64, token uint64) *lin.Event {
	s.h = append(s.h, lin.Event{At: ms * 1e6, Client: client, Process: client, Lock: "orders", Op: op, Phase: phase,
		Grant: grant, Token: token})
	return &s.h[len(s.h)-1]
}

func (s *script) ask(ms int64, client int) { s.event(ms, client, lin.OpAcquire, lin.Invoke, 0, 0) }
func (s *script) grant(ms int64, client int, grant int64, token uint64) {
	s.event(ms, client, lin.OpAcquire, lin.Ok, grant, token)
}
func (s *script) renew(ms int64, client int, grant int64, token uint64) {
	s.event(ms, client, lin.OpRenew, lin.Invoke, grant, token)
	s.event(ms+8, client, lin.OpRenew, lin.Ok, grant, token)
}
func (s *script) release(ms int64, client int, grant int64, token uint64) {
	s.event(ms, client, lin.OpRelease, lin.Invoke, grant, token)
	s.event(ms+9, client, lin.OpRelease, lin.Ok, grant, token)
}

func scenario(plan fault.Plan) harness.Scenario {
	s := harness.Scenario{Subject: "reference", Clients: 3, Seed: 42, Plan: plan,
		Duration: harness.Duration(40 * time.Second), Kinds: plan.Kinds()}
	return s.WithDefaults()
}

// violating is a holder that is paused past its lease and goes on believing.
func violating() *harness.Result {
	var s script
	s.ask(200, 0)
	s.grant(212, 0, 1, 1)
	s.ask(900, 1)
	s.event(2600, 2, lin.OpAcquire, lin.Invoke, 0, 0)
	s.event(2611, 2, lin.OpAcquire, lin.Fail, 0, 0).Holder = 1
	e := s.event(3000, 0, lin.OpRead, lin.Ok, 1, 1)
	e.Value, e.Fenced = 0, true
	s.renew(3545, 0, 1, 1)
	e = s.event(3900, 0, lin.OpWrite, lin.Ok, 1, 1)
	e.Value, e.Fenced = 1, true
	s.event(6878, 0, lin.OpRenew, lin.Invoke, 1, 1)
	granted := len(s.h)
	s.grant(17050, 1, 2, 2)
	e = s.event(17300, 1, lin.OpRead, lin.Ok, 2, 2)
	e.Value, e.Fenced = 1, true
	s.event(18512, 0, lin.OpRenew, lin.Fail, 1, 1)
	lost := len(s.h)
	s.event(18512, 0, lin.OpLost, lin.Info, 1, 1).Detail = "the record names c1"
	e = s.event(18700, 0, lin.OpWrite, lin.Fail, 1, 1)
	e.Value, e.Fenced = 2, true
	s.release(20100, 1, 2, 2)
	s.ask(21000, 2)
	s.grant(21013, 2, 3, 3)
	crash := s.event(23000, 2, lin.OpCrash, lin.Info, 0, 0)
	crash.Lock = ""
	s.ask(23500, 0)
	s.grant(33020, 0, 4, 4)
	s.event(35000, 0, lin.OpExpire, lin.Info, 4, 4)
	s.event(35000, 0, lin.OpRelease, lin.Invoke, 4, 4)
	s.event(36000, 0, lin.OpRelease, lin.Info, 4, 4).Until = 41e9
	plan := fault.Plan{
		{Kind: fault.ClockRate, Target: 1, Start: 0, Duration: 40 * time.Second, Amount: 9000},
		{Kind: fault.Pause, Target: 0, Start: 6900 * time.Millisecond, Duration: 11600 * time.Millisecond},
		{Kind: fault.StoreRestart, Target: fault.Store, Start: 9 * time.Second, Duration: 1500 * time.Millisecond},
		{Kind: fault.Crash, Target: 2, Start: 23 * time.Second, Duration: 4 * time.Second},
		{Kind: fault.LoseReply, Target: 0, Start: 34 * time.Second, Duration: 3 * time.Second, Amount: 500},
	}
	overlap := int64(18512e6 - 17050e6)
	r := &harness.Result{Scenario: scenario(plan), History: s.h, TraceHash: 0x1f00ba9,
		Params:   lin.Params{TTL: 10 * time.Second, MaxClockDriftPPM: 10_000, HealAt: 40 * time.Second, End: 60 * time.Second, Promises: promises(10_000), Clients: 3},
		Counters: harness.Counters{StoreOps: 61, Events: 412, Indefinite: 2, Virtual: time.Minute, Wall: 1500 * time.Microsecond},
	}
	r.Verdict = lin.Verdict{Verdict: lin.Violation, Properties: []lin.Property{
		{Name: lin.MutualExclusion, Verdict: lin.Violation, Lock: "orders", At: 17050e6, Size: overlap, Count: 1, Events: []int{1, granted, lost},
			Detail: "c0 held orders 212ms-18.512s (grant 1); c1 acquired it at 17.05s (grant 2): overlap 1.462s"},
		{Name: lin.LockLinearizability, Verdict: lin.OK, Detail: "an order of 4 grants fits"},
		{Name: lin.ProtectedEffectFenced, Verdict: lin.OK, Detail: "no stale access and no lost update in 4 accesses, 1 rejected"},
		{Name: lin.ProtectedEffectUnfenced, Verdict: lin.NotApplicable, Informational: true, Detail: "no access was recorded"},
		{Name: lin.TokenOrder, Verdict: lin.OK, Detail: "tokens rose in 4 grants"},
		{Name: lin.LossNotice, Verdict: lin.NotApplicable, Detail: "no holder reached an end of validity, and no notice is promised"},
		{Name: lin.Liveness, Verdict: lin.Unknown, Detail: "nobody wanted a lock after 40s"},
		{Name: lin.RequestsBudget, Verdict: lin.OK, Detail: "no call took more requests than the protocol needs"},
	}}
	for i := range r.Verdict.Properties {
		p := &r.Verdict.Properties[i]
		p.Class = map[string]lin.Class{lin.LossNotice: lin.Notice, lin.Liveness: lin.Progress, lin.RequestsBudget: lin.Cost}[p.Name]
		if p.Class == "" {
			p.Class = lin.Safety
		}
	}
	return r
}

// sound is a run in which all went well, against a real server.
func sound() *harness.Result {
	var s script
	at, grant := int64(100), int64(1)
	for range 6 {
		for c := range 3 {
			s.ask(at, c)
			s.grant(at+11, c, grant, uint64(grant))
			s.renew(at+700, c, grant, uint64(grant))
			s.release(at+1200, c, grant, uint64(grant))
			at, grant = at+1300, grant+1
		}
	}
	plan := fault.Plan{{Kind: fault.Latency, Target: 1, Start: 2 * time.Second, Duration: 6 * time.Second, Amount: int64(40 * time.Millisecond)}}
	r := &harness.Result{Scenario: scenario(plan), History: s.h, Server: "nats-server 2.15.2",
		Params:   lin.Params{TTL: 10 * time.Second, HealAt: 20 * time.Second, End: 24 * time.Second, Promises: promises(0), Clients: 3},
		Counters: harness.Counters{StoreOps: 90, Events: 900, Virtual: 24 * time.Second, Wall: 24 * time.Second},
	}
	r.Scenario.Backend = "nats"
	r.Verdict.Verdict = lin.OK
	for _, p := range violating().Verdict.Properties {
		p = lin.Property{Name: p.Name, Class: p.Class, Informational: p.Informational, Verdict: lin.OK, Detail: "held throughout"}
		r.Verdict.Properties = append(r.Verdict.Properties, p)
	}
	return r
}

// undecidedRun is a run of that seed whose answers nobody could put in order.
func undecidedRun(seed uint64) *harness.Result {
	r := sound()
	r.Scenario.Backend, r.Scenario.Seed, r.Verdict.Verdict = harness.BackendSim, seed, lin.Unknown
	for i := range r.Verdict.Properties {
		if p := &r.Verdict.Properties[i]; p.Name == lin.LockLinearizability {
			p.Verdict, p.Detail = lin.Unknown, "gave up on lock orders after 1000000 steps"
		}
	}
	return r
}

// sweep is a summary of many seeds of which one failed.
func sweep(failed ...*harness.Result) *harness.Summary {
	s := &harness.Summary{Base: scenario(nil), Seeds: 300, Wanted: 300, Verdict: lin.OK, Properties: sound().Verdict.Properties,
		Counters:     harness.Counters{StoreOps: 1_234_567, Events: 9_876_543, Indefinite: 4_321, Virtual: 15 * time.Hour, Wall: 2500 * time.Millisecond, CoreTime: 4800 * time.Millisecond},
		HashOfHashes: 0xdeadbeef}
	s.Base.Seed = 1
	if len(failed) > 0 {
		s.Verdict, s.Properties = lin.Violation, failed[0].Verdict.Properties
		s.Failures, s.Failed = failed, len(failed)
	}
	return s
}

func promises(driftPPM int64) lin.Promises {
	p := lin.LeasePromises(10*time.Second, driftPPM)
	p.Tokens = true
	return p
}
