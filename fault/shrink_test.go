package fault

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const budget = 2000

// has says whether a plan has a fault for which all of the conditions hold.
func has(p Plan, k Kind, conditions ...func(Fault) bool) bool {
	for _, f := range p {
		holds := f.Kind == k
		for _, c := range conditions {
			holds = holds && c(f)
		}
		if holds {
			return true
		}
	}
	return false
}

func lasting(d time.Duration) func(Fault) bool {
	return func(f Fault) bool { return f.Duration >= d }
}

func amounting(n int64) func(Fault) bool {
	return func(f Fault) bool { return f.Amount >= n && n > 0 || f.Amount <= n && n < 0 }
}

func inForceAt(at time.Duration) func(Fault) bool {
	return func(f Fault) bool { return f.Start <= at && at < f.End() }
}

// crowded is a plan of many faults with unreadable numbers.
func crowded() Plan {
	plan := Plan{
		{Pause, 0, 7_123_456_789, 17_312_345_678, 0, Aim{}},
		{Pause, 3, 7_123_456_789, 12_345_678_901, 0, Aim{}},
		{Latency, 1, 3_141_592_653, 27_182_818_284, 1_414_213_562, Aim{}},
		{LoseReply, 2, 9_876_543_210, 11_111_111_111, 317, Aim{}},
		{ClockRate, 2, 0, 2 * time.Minute, -87_654, Aim{}},
		{ClockJump, 4, 33_333_333_333, 0, -3_725_123_456_789, Aim{}},
		{Crash, 4, 44_444_444_444, 5_555_555_555, 0, Aim{}},
		{StoreDown, Store, 51_234_567_890, 6_543_210_987, 0, Aim{}},
		{LostWrite, Store, 66_666_666_666, 0, 987_654_321, Aim{}},
		{AimedPause, 2, 12_345_678_901, 13_131_313_131, 9_876_543_210, Aim{Writes, Answered, 14}},
	}
	Sort(plan)
	return plan
}

func TestShrinkFindsTheMinimalPlan(t *testing.T) {
	for name, c := range map[string]struct {
		fails func(Plan) bool
		want  string
	}{
		"whatever the plan": {
			func(Plan) bool { return true }, "",
		},
		"one fault, whatever its size": {
			func(p Plan) bool { return has(p, Partition) || has(p, Latency) },
			"0s +1ms latency c1 1ms\n",
		},
		"two faults together": {
			func(p Plan) bool { return has(p, StoreDown) && has(p, ClockJump) },
			"0s clock-jump c4 -1ms\n0s +1ms store-down store\n",
		},
		"a fault and its time": {
			func(p Plan) bool { return has(p, Pause, lasting(10200*time.Millisecond)) },
			"0s +10.5s pause c3\n",
		},
		"an instant inside a long fault": {
			func(p Plan) bool { return has(p, ClockRate, inForceAt(40*time.Second+time.Millisecond/2)) },
			"40s +1ms clock-rate c2 -1ppm\n",
		},
		"a size and its sign": {
			func(p Plan) bool { return has(p, ClockJump, amounting(-int64(31*time.Minute))) },
			"0s clock-jump c4 -31m0s\n",
		},
		"a rate": {
			func(p Plan) bool { return has(p, ClockRate, amounting(-50_000)) },
			"0s +1ms clock-rate c2 -50000ppm\n",
		},
		"a probability becomes certain": {
			func(p Plan) bool { return has(p, LoseReply, amounting(100), lasting(time.Second)) },
			"0s +1s lose-reply c2 1000permille\n",
		},
		"a probability that may not be certain becomes small": {
			func(p Plan) bool {
				return has(p, LoseReply, amounting(100)) && !has(p, LoseReply, amounting(400))
			},
			"0s +1ms lose-reply c2 100permille\n",
		},
		"a crash without its outage": {
			func(p Plan) bool { return has(p, Crash) },
			"0s crash c4\n",
		},
		"an aimed fault, whatever its moment": {
			func(p Plan) bool { return has(p, AimedPause) },
			"0s +1ms aimed-pause c2 writes answered:1\n",
		},
		"an aimed fault at a late request, long after it": {
			func(p Plan) bool {
				return has(p, AimedPause, amounting(int64(2500*time.Millisecond)), func(f Fault) bool { return f.Aim.Nth > 6 })
			},
			"0s +1ms aimed-pause c2 2.5s writes answered:7\n",
		},
		"a start that must be late": {
			func(p Plan) bool {
				return has(p, Crash, func(f Fault) bool { return f.Start > 42*time.Second })
			},
			"1m0s crash c4\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			got := Shrink(crowded(), budget, func(p Plan) bool {
				calls++
				return c.fails(p)
			})
			if diff := cmp.Diff(c.want, got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			t.Logf("%d calls", calls)
			if calls > 200 {
				t.Errorf("took %d calls", calls)
			}
		})
	}
}

func TestShrinkKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := sound()
		plan := Generate(newSeeded(rapid.Uint64().Draw(t, "seed")), g)
		limits := Limits{g.Clients, g.Until}
		limit := rapid.IntRange(0, 150).Draw(t, "budget")
		// Any predicate that depends on the plan's text alone is a fair one, and
		// one as jagged as this has no smallest plan to find.
		jagged := rapid.Uint64().Draw(t, "predicate")
		accepted := map[string]bool{plan.String(): true}
		tried := make(map[string]bool)
		fails := func(p Plan) bool {
			text := p.String()
			if tried[text] {
				t.Fatalf("tried twice:\n%s", text)
			}
			if len(tried) == 0 && text != plan.String() {
				t.Fatalf("tried first:\n%s", text)
			}
			tried[text] = true
			if err := Validate(p, limits); err != nil {
				t.Fatalf("%v\n%s", err, p)
			}
			for i := range p {
				p[i] = Fault{} // What stillFails does with its plan is its own affair.
			}
			if len(tried) == 1 || newSeeded(jagged).Choose(text, 3) == 0 {
				accepted[text] = true
				return true
			}
			return false
		}
		before := plan.String()
		got := Shrink(plan, limit, fails)
		if plan.String() != before {
			t.Fatal("the given plan was changed")
		}
		if !accepted[got.String()] {
			t.Fatalf("returned a plan that does not fail:\n%s", got)
		}
		if len(tried) > limit {
			t.Fatalf("%d calls for a budget of %d", len(tried), limit)
		}
	})
}

func TestShrinkIsDeterministic(t *testing.T) {
	run := func() (order []string) {
		Shrink(crowded(), budget, func(p Plan) bool {
			order = append(order, p.String())
			return has(p, Pause, lasting(11*time.Second)) && has(p, LoseReply)
		})
		return order
	}
	if diff := cmp.Diff(run(), run()); diff != "" {
		t.Error(diff)
	}
}

func TestShrinkReturnsWhatItCannotShrink(t *testing.T) {
	never := func(Plan) bool { t.Error("called"); return true }
	for name, c := range map[string]struct {
		plan   Plan
		budget int
		fails  func(Plan) bool
	}{
		"no budget":       {crowded(), 0, never},
		"negative budget": {crowded(), -1, never},
		"invalid plan":    {Plan{{Kind: Pause}, {Kind: Crash}}, budget, never},
		"does not fail":   {crowded(), budget, func(Plan) bool { return false }},
		"only as it is":   {crowded(), budget, func(p Plan) bool { return p.String() == crowded().String() }},
		"budget of one":   {crowded(), 1, func(Plan) bool { return true }},
	} {
		got := Shrink(c.plan, c.budget, c.fails)
		if diff := cmp.Diff(c.plan, got); diff != "" {
			t.Errorf("%s (-given +got):\n%s", name, diff)
		}
	}
}

func TestShrinkSortsWhatItIsGiven(t *testing.T) {
	plan := Plan{{Crash, 1, 2, 0, 0, Aim{}}, {Crash, 0, 1, 0, 0, Aim{}}}
	got := Shrink(plan, 1, func(Plan) bool { return true })
	if want := (Plan{plan[1], plan[0]}); !cmp.Equal(want, got) {
		t.Errorf("got\n%s", got)
	}
}
