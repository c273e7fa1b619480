package harness

import (
	"context"
	"strings"
	"time"

	"github.com/lockproof/lockproof/linearizability"
)

// stuck is the result of a run that a subject brought to a standstill: it computes
// for ever, or waits for something outside of its Runtime and Store. That is a
// finding about the subject, with the scenario that leads there, and no reason to
// throw away what other runs bring.
//
// The goroutine that is stuck cannot be ended. It may still try to record, so that
// nothing of this run's memory is used again, and the world is not asked for
// anything.
func (r *run) stuck(ctx context.Context, cause error) *Result {
	r.rec.close()
	end := time.Duration(0)
	if last := len(r.rec.history) - 1; last >= 0 {
		end = time.Duration(r.rec.history[last].At)
	}
	result := &Result{
		Scenario: r.scenario, Server: "simulated", Params: r.params(end), History: r.rec.history, Stuck: cause.Error(),
	}
	result.Params.HealAt = min(result.Params.HealAt, end)
	result.judge(ctx, new(linearizability.Checker))
	result.accuse(linearizability.CallReturns, "a call of the subject brought its process to a standstill at "+end.String()+
		": it computes without an end, or blocks outside of its Runtime and Store, "+innermost(result.Stuck))
	result.Counters = Counters{Events: int64(len(result.History)), Virtual: end}
	return result
}

// accuse makes a property one that was seen to be violated.
func (r *Result) accuse(name, detail string) {
	for i := range r.Verdict.Properties {
		if p := &r.Verdict.Properties[i]; p.Name == name {
			*p = linearizability.Property{Name: name, Verdict: linearizability.Violation, Detail: detail, At: int64(r.Params.End)}
		}
	}
	r.Verdict.Verdict = linearizability.Violation
}

// innermost names the function in which a goroutine stands: the first one of its
// stack that is no part of Go itself.
func innermost(stack string) string {
	for line := range strings.Lines(stack) {
		line = strings.TrimSpace(line)
		name, _, call := strings.Cut(line, "(")
		if call && strings.Contains(name, "/") && !strings.Contains(line, " ") {
			return "in " + line[:strings.LastIndex(line, "(")]
		}
	}
	return "in a function that could not be told"
}
