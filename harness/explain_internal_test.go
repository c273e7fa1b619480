package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/linearizability"
)

// The two belong together for a minute, and ask the store all the time: what is told
// is how it came to that.
func TestAnExplanationEndsWhereTheHarmIsDone(t *testing.T) {
	const s = int64(time.Second)
	acquire := func(client int, at, grant int64) linearizability.Event {
		e := linearizability.Event{At: at, Client: client, Process: client, Lock: "k", Op: linearizability.OpAcquire, Phase: linearizability.Invoke}
		if grant > 0 {
			e.Phase, e.Grant = linearizability.Ok, grant
		}
		return e
	}
	r := &Result{History: linearizability.History{acquire(0, s, 0), acquire(1, s, 0), acquire(0, 2*s, 1), acquire(1, 3*s, 2),
		{At: 60 * s, Client: 0, Lock: "k", Grant: 1, Op: linearizability.OpRelease, Phase: linearizability.Invoke}}}
	r.Verdict.Properties = []linearizability.Property{{
		Name: linearizability.MutualExclusion, Verdict: linearizability.Violation, At: 3 * s, Events: []int{2, 3, 4},
	}}
	var ops []StoreOp
	add := func(client int, at int64, what string) {
		ops = append(ops, StoreOp{From: time.Duration(at) - 1, To: time.Duration(at), Client: client, What: what, Key: "k", Outcome: "done"})
	}
	add(0, s+1, "Get")
	add(1, s+2, "Get")
	add(2, s+3, "Get") // somebody else's
	add(0, 2*s, "Put")
	add(1, 3*s, "Put")
	for i := range int64(50) {
		add(0, (4+i)*s, "Poll")
	}
	steps := interleaving(r, ops)
	told := strings.Join(steps, "\n")
	for _, want := range []string{"c0  Get", "c1  Get", "c0  Put", "c1  Put", "(grant 1)", "(grant 2)", "release invoke"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told", want)
		}
	}
	for _, not := range []string{"Poll", "c2"} {
		if strings.Contains(told, not) {
			t.Errorf("%q is told", not)
		}
	}
	if t.Failed() {
		t.Log(told)
	}
	if got := interleaving(&Result{}, ops); got != nil {
		t.Errorf("of nothing violated: %v", got)
	}
}
