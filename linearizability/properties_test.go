package linearizability

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestDecisionIsThatOfThePlainChecker compares the checker, porcupine on all that
// the checker would give it, and the order alone with a checker that is slow and
// shares nothing with them.
func TestDecisionIsThatOfThePlainChecker(t *testing.T) {
	found := map[Status]int{}
	byWitness := 0
	rapid.Check(t, func(t *rapid.T) {
		p, h := genHistory(t, rapid.IntRange(2, 28).Draw(t, "events"))
		p.Promises.Release = genProof(t)
		var c Checker
		if err := c.load(&p, h); err != nil {
			t.Fatalf("the generator made %v\n%s", err, text(p, h))
		}
		want := plainVerdict(p, h)
		found[want]++
		if want == Unknown {
			return
		}
		got := c.lockLinearizability(context.Background(), &p)
		if got.Verdict != want {
			t.Fatalf("plainly %v, the checker %v: %s\n%s", want, got.Verdict, got.Detail, text(p, h))
		}
		if want == OK && c.lin.searched > 0 {
			t.Fatalf("porcupine had to be asked for an order\n%s", text(p, h))
		}
		if len(c.index.locks) == 0 {
			return
		}
		x, part := &c.index, &c.lin.part
		x.partOf(part, 0, &p)
		if c.lin.witness(part).why == noFault {
			byWitness++
			if want != OK {
				t.Fatalf("the witness holds where there is no order\n%s", text(p, h))
			}
		}
		x.searchPartOf(part, 0, &p)
		if f, _ := part.order(); (f.why == noFault) != (want == OK) {
			t.Fatalf("plainly %v, and the fault in the order is %v\n%s", want, f, text(p, h))
		}
		limit := newBudget(context.Background())
		all := part.everything()
		result := limit.check(part, x.steps(part, 0, all, &p))
		if result != porcupine.Unknown && (result == porcupine.Ok) != (want == OK) {
			t.Fatalf("plainly %v, and porcupine says %v\n%s", want, result, text(p, h))
		}
	})
	t.Logf("%v; %d by the witness alone", found, byWitness)
}

func genProof(t *rapid.T) ReleaseProof {
	return rapid.SampledFrom([]ReleaseProof{ReleaseProvesHeld, ReleaseProvesGone, ReleaseProvesNothing}).Draw(t, "proof")
}

// TestOwnLeasesTakenAgainAreNeverWronglyAccused: where the checker finds that no order
// of the answers fits, there plainly is none. The other way round it is lenient.
func TestOwnLeasesTakenAgainAreNeverWronglyAccused(t *testing.T) {
	found := map[[2]Status]int{}
	rapid.Check(t, func(t *rapid.T) {
		p, h := genRetakes(t, rapid.IntRange(2, 28).Draw(t, "events"))
		p.Promises.Release = genProof(t)
		var c Checker
		if err := c.load(&p, h); err != nil {
			t.Fatalf("the generator made %v\n%s", err, text(p, h))
		}
		want := plainVerdict(p, h)
		got := c.lockLinearizability(context.Background(), &p)
		found[[2]Status{want, got.Verdict}]++
		if got.Verdict == Violation && want == OK {
			t.Fatalf("plainly %v, the checker %v: %s\n%s", want, got.Verdict, got.Detail, text(p, h))
		}
		if got.Verdict == Unknown {
			t.Fatalf("unknown: %s\n%s", got.Detail, text(p, h))
		}
	})
	t.Logf("plain, checker: %v", found)
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
		retakes := rapid.Bool().Draw(t, "retakes")
		gen := genHistory
		if retakes {
			gen = genRetakes
		}
		p, h := gen(t, rapid.IntRange(2, 60).Draw(t, "events"))
		h = withMore(t, h)
		h = slices.DeleteFunc(h, func(e Event) bool { return e.Op == OpTamper })
		var c Checker
		if err := c.load(&p, h); err != nil {
			t.Fatalf("%v\n%s", err, text(p, h))
		}
		worst, count := int64(0), 0
		beliefs := plainBeliefs(h)
		for i, a := range beliefs {
			for _, b := range beliefs[:i] {
				if a.mode == Shared && b.mode == Shared || retakes && a.client == b.client {
					continue
				}
				if size := min(a.to, b.to) - max(a.from, b.from); size > 0 {
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
