package linearizability

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plainSteps writes a history of one lock for porcupine as the package comment
// says it, with every answer an operation of its own and every uncertain end open
// to the end: no order is derived, nothing is left out or narrowed.
func plainSteps(p Params, h History) []step {
	var steps []step
	ids := map[int64]int{} // grant -> take
	calls := map[[2]int64]int{}
	var x index
	if err := x.build(&p, h); err != nil {
		panic(err)
	}
	extended := map[int64]int64{}
	maybe := func(id int, e *Event, call, ret int64) {
		s := step{kind: stepMaybe, mode: e.Mode, client: int32(e.Client), holder: holderID(id), call: call, ret: ret}
		steps = append(steps, s)
		s.kind, s.ret = stepEnd, never // it may have been given back at once
		steps = append(steps, s)
	}
	open := map[int]int{}
	for i := range h {
		e := &h[i]
		key := [2]int64{e.Grant, int64(e.Op)}
		call := int64(0)
		if e.Phase == Invoke {
			calls[key] = i
			if e.Op == OpAcquire {
				open[e.Process] = i
			}
			continue
		}
		if e.Op == OpAcquire {
			call = h[open[e.Process]].At
			delete(open, e.Process)
		} else if at, ok := calls[key]; ok {
			call = h[at].At
			delete(calls, key)
		}
		s := step{mode: e.Mode, client: int32(e.Client), holder: holderID(e.Grant), token: e.Token, call: max(call, e.Since), ret: e.At}
		g := &grant{}
		if at, ok := x.byGrant.get(e.Grant); ok {
			g = &x.grants[at]
		}
		switch {
		case e.Op == OpAcquire && e.Phase == Ok:
			ids[e.Grant] = i
			extended[e.Grant] = s.call
		case e.Op == OpAcquire && e.Phase == Info:
			if e.Until >= 0 {
				maybe(1000+i, e, call, landsBy(e.Until))
			}
			continue
		case e.Op == OpRenew && e.Phase == Ok:
			extended[e.Grant] = s.call
		}
		if !plainKind(&s, e, g, p, h) {
			continue
		}
		steps = append(steps, s)
	}
	for _, i := range open {
		maybe(1000+i, &h[i], h[i].At, never)
	}
	for key, i := range calls {
		if Op(key[1]) == OpRelease {
			e := &h[i]
			steps = append(steps, step{kind: stepEnd, client: int32(e.Client), holder: holderID(e.Grant), call: e.At, ret: never})
		}
	}
	for id, i := range ids {
		e := &h[i]
		steps = append(steps, step{kind: stepEnd, client: int32(e.Client), holder: holderID(id),
			call: extended[id] + p.Promises.shortestLease(), ret: never})
	}
	return steps
}

// landsBy is a bound on a write that may come, or none.
func landsBy(until int64) int64 {
	if until == 0 {
		return never
	}
	return until
}

// plainKind says what an answer is in the model, or that it says nothing.
func plainKind(s *step, e *Event, g *grant, p Params, h History) bool {
	switch {
	case e.Op == OpAcquire && e.Phase == Ok:
	case e.Op == OpAcquire && e.Phase == Fail:
		s.kind, s.client = stepNamed, int32(e.Holder-1)
		return e.Holder != 0 && !underWay(h, e.Holder-1, s.call, e.At)
	case e.Op == OpRenew && e.Phase == Ok:
		s.kind = stepHeld
	case e.Op == OpRenew && e.Phase == Fail:
		s.kind = stepGone
		return g.renewFail == e.At
	case e.Op == OpRelease && e.Phase == Ok:
		s.kind = stepRelease
	case e.Op == OpRelease && e.Phase == Fail:
		s.kind = stepEnd
		if !g.answeredByLock(&p.Promises) {
			s.ret = never
		}
	case e.Op == OpRelease && e.Phase == Info:
		s.kind, s.ret = stepEnd, landsBy(e.Until)
		return e.Until >= 0
	default:
		return false
	}
	return true
}

// underWay tells whether a client had an acquire open at some time from lo to hi,
// other than one that certainly never was.
func underWay(h History, client int, lo, hi int64) bool {
	open := map[int]int64{} // process -> invoke
	for i := range h {
		e := &h[i]
		switch {
		case e.Client != client:
		case e.Op == OpAcquire && e.Phase == Invoke:
			open[e.Process] = e.At
		case e.Op == OpAcquire || e.Op == OpCrash:
			at, ok := open[e.Process]
			delete(open, e.Process)
			if ok && at <= hi && e.At >= lo && e.Until >= 0 {
				return true
			}
		}
	}
	for _, at := range open {
		if at <= hi {
			return true
		}
	}
	return false
}

func TestDecisionIsThatOfPlainPorcupine(t *testing.T) {
	found := map[Status]int{}
	byWitness := 0
	rapid.Check(t, func(t *rapid.T) {
		p, h := genHistory(t, rapid.IntRange(2, 28).Draw(t, "events"))
		var c Checker
		if err := c.load(&p, h); err != nil {
			t.Fatalf("the generator made %v", err)
		}
		steps := plainSteps(p, h)
		part := &lockPart{tokens: p.Promises.Tokens}
		want := OK
		switch porcupine.CheckOperationsTimeout(lockModel(part, true), operations(steps), 200*time.Millisecond) {
		case porcupine.Illegal:
			want = Violation
		case porcupine.Unknown:
			found[Unknown]++ // what is open to the end takes exponential time
			return
		}
		got := c.lockLinearizability(context.Background(), &p)
		if got.Verdict != want {
			t.Fatalf("porcupine says %v, the checker %v: %s\n%s", want, got.Verdict, got.Detail, text(p, h))
		}
		if len(c.index.locks) > 0 {
			c.index.partOf(&c.lin.part, 0, &p)
			if c.lin.witness(&c.lin.part).why == noFault {
				byWitness++
				if want != OK {
					t.Fatalf("the witness holds where porcupine finds none\n%s", text(p, h))
				}
			}
		}
		found[want]++
	})
	t.Logf("%v; %d by the witness alone", found, byWitness)
}

func text(p Params, h History) string {
	var b bytes.Buffer
	if err := Write(&b, p, h); err != nil {
		return err.Error()
	}
	return b.String()
}

func TestWriteThenReadIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, h := genHistory(t, rapid.IntRange(1, 40).Draw(t, "events"))
		for i := range h {
			h[i].Detail = rapid.String().Draw(t, "detail")
			if h[i].Op != OpCrash {
				h[i].Lock = rapid.StringN(1, 5, 20).Draw(t, "lock")
			}
		}
		p.Faulty = []Interval{{Client: 1, From: 1, To: 1234567890123}}
		p.Stalls = []Stall{{From: 5, To: 7}}
		p.Lateness = 3
		p.Promises.Release = rapid.SampledFrom([]ReleaseProof{ReleaseProvesNothing, ReleaseProvesGone, ReleaseProvesHeld}).Draw(t, "proof")
		p.Promises.Requests = RequestBudget{Acquire: rapid.IntRange(0, 3).Draw(t, "budget"), Wait: 2}
		p.Promises.CallLimit, p.Promises.RenewEvery, p.Promises.WaitGrants = 11, 12, 13
		p.Promises.KeepsTrying, p.Promises.GrantsFree, p.Promises.RenewalOff = true, true, true
		p.MaxClockDriftPPM = rapid.Int64Range(0, 999_999).Draw(t, "drift")
		gotP, gotH, err := Read(bytes.NewReader([]byte(text(p, h))))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, gotP); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(h, gotH); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestSweepIsThatOfAllPairs compares the sweep over beliefs with every pair.
func TestSweepIsThatOfAllPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, h := genHistory(t, rapid.IntRange(2, 60).Draw(t, "events"))
		var c Checker
		if err := c.load(&p, h); err != nil {
			t.Fatal(err)
		}
		x := &c.index
		worst, count := int64(0), 0
		for i := range x.grants {
			for j := range i {
				a, b := &x.grants[i], &x.grants[j]
				if a.mode == Shared && b.mode == Shared {
					continue
				}
				af, at := x.believed(a)
				bf, bt := x.believed(b)
				if size := min(at, bt) - max(af, bf); size > 0 {
					count++
					worst = max(worst, size)
				}
			}
		}
		got := c.mutualExclusion(context.Background(), &p)
		if got.Size != worst || got.Count != count || (got.Verdict == Violation) != (count > 0) {
			t.Fatalf("sweep: %d overlaps, largest %d (%v); pairs: %d, %d\n%s", got.Count, got.Size, got.Verdict, count, worst, text(p, h))
		}
	})
}

// TestTokenOrderIsThatOfAllPairs compares the token checker with every pair.
func TestTokenOrderIsThatOfAllPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, h := genHistory(t, rapid.IntRange(2, 60).Draw(t, "events"))
		p.Promises.Tokens = true
		var c Checker
		if err := c.load(&p, h); err != nil {
			t.Fatal(err)
		}
		known, bad := false, false
		for i := range c.index.grants {
			a := &c.index.grants[i]
			known = known || a.token != 0
			for j := range c.index.grants {
				b := &c.index.grants[j]
				if i == j || a.token == 0 || b.token == 0 {
					continue
				}
				readers := a.mode == Shared && b.mode == Shared
				bad = bad || a.token == b.token && !readers || a.ok < b.sent && b.token < a.token
			}
		}
		want := OK
		switch {
		case bad:
			want = Violation
		case !known && len(c.index.grants) > 0:
			want = Unknown
		}
		if got := c.tokenOrder(context.Background(), &p); got.Verdict != want {
			t.Fatalf("%v (%s), all pairs: %v\n%s", got.Verdict, got.Detail, want, text(p, h))
		}
	})
}

func TestRunningTimeSkipsPauses(t *testing.T) {
	s := int64(1e9)
	for _, test := range []struct {
		name     string
		faulty   []Interval
		from, to int64
	}{
		{"never paused", nil, 10, 15},
		{"paused before", []Interval{{0, 1e9, 9e9}}, 10, 15},
		{"paused at the start", []Interval{{0, 9e9, 12e9}}, 10, 17},
		{"paused inside", []Interval{{0, 11e9, 13e9}}, 10, 17},
		{"paused twice", []Interval{{0, 11e9, 13e9}, {0, 14e9, 15e9}}, 10, 18},
		{"pauses overlap", []Interval{{0, 11e9, 13e9}, {0, 12e9, 14e9}}, 10, 18},
		{"another client", []Interval{{1, 11e9, 13e9}}, 10, 15},
		{"paused after", []Interval{{0, 16e9, 17e9}}, 10, 15},
	} {
		if got := running(test.faulty, 0, test.from*s, 5*s); got != test.to*s {
			t.Errorf("%s: %s, want %ds", test.name, seconds(got), test.to)
		}
	}
}

func TestCheckerForgetsTheHistoryBefore(t *testing.T) {
	var c Checker
	files := testdataNamed(t, "*")
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for range 2 {
		for _, name := range names {
			p, h := readTestdata(t, files[name])
			if diff := cmp.Diff(Check(context.Background(), p, h), c.Check(context.Background(), p, h)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		slices.Reverse(names)
	}
}
