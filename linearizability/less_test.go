package linearizability

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// plainBelief is one interval of belief, read straight from the events.
type plainBelief struct {
	from, to int64
	client   int
	mode     Mode
	grant    int64
}

// plainBeliefs lists the beliefs of a history.
func plainBeliefs(h History) []plainBelief {
	var all []plainBelief
	open := map[int64]int{} // grant -> position + 1
	end := func(grant, at int64) {
		if k := open[grant]; k > 0 {
			all[k-1].to = at
			delete(open, grant)
		}
	}
	modes := map[int64]Mode{}
	for _, e := range h {
		switch {
		case e.Op == OpAcquire && e.Phase == Ok, e.Op == OpResume:
			if e.Op == OpAcquire {
				modes[e.Grant] = e.Mode
			}
			all = append(all, plainBelief{from: e.At, to: h[len(h)-1].At, client: e.Client, mode: modes[e.Grant], grant: e.Grant})
			open[e.Grant] = len(all)
		case e.Op == OpExpire, e.Op == OpLost, e.Op == OpRelease && e.Phase == Invoke:
			end(e.Grant, e.At)
		case e.Op == OpCrash:
			for grant, k := range open {
				if all[k-1].client == e.Client {
					end(grant, e.At)
				}
			}
		}
	}
	return all
}

// withMore puts what genHistory leaves out into a history: whatever may happen beside
// acquires, renewals and releases, at random places.
func withMore(t *rapid.T, h History) History {
	var out History
	type ended struct{ e Event }
	var expired []ended
	asked := map[int]bool{} // processes with an inspect open
	for _, e := range h {
		out = append(out, with(t, e))
		if e.Op == OpCrash {
			expired = slices.DeleteFunc(expired, func(x ended) bool { return x.e.Client == e.Client })
			continue
		}
		if e.Op == OpExpire {
			expired = append(expired, ended{e})
		}
		if rapid.IntRange(0, 2).Draw(t, "more") > 0 {
			continue
		}
		more := Event{At: e.At, Client: e.Client, Process: e.Process, Lock: e.Lock, Phase: Info}
		switch rapid.IntRange(0, 4).Draw(t, "which") {
		case 0:
			more.Op = OpGiveUp
		case 1:
			more.Op = OpTamper
		case 2:
			if e.Grant == 0 {
				continue
			}
			more.Op, more.Phase, more.Grant = OpAsk, Ok, e.Grant
			more.Value = rapid.Int64Range(-1, 2).Draw(t, "valid for")
		case 3:
			more.Op, more.Phase = OpInspect, Invoke
			if asked[e.Process] {
				more.Phase, more.Holder = Ok, rapid.IntRange(0, 3).Draw(t, "inspected")
			}
			asked[e.Process] = !asked[e.Process]
		case 4:
			if len(expired) == 0 {
				continue
			}
			x := expired[0].e
			expired = expired[1:]
			more = x
			more.At, more.Op = e.At, OpResume
		}
		out = append(out, more)
	}
	return out
}

// with adds what an event may say besides.
func with(t *rapid.T, e Event) Event {
	switch {
	case e.Op == OpAcquire && e.Phase == Invoke:
		e.Try = rapid.Bool().Draw(t, "try")
	case e.Op == OpAcquire && e.Phase == Ok:
		e.Renews = rapid.Bool().Draw(t, "renews")
	case e.Op == OpAcquire && e.Phase == Fail:
		e.Held = rapid.Bool().Draw(t, "held")
	}
	if (e.Op == OpAcquire || e.Op == OpRenew || e.Op == OpRelease) && e.Phase != Invoke {
		e.Requests = rapid.Int32Range(0, 9).Draw(t, "requests")
	}
	return e
}

// genPromises draws promises, and others that promise nothing more.
func genPromises(t *rapid.T, of Promises) (much, less Promises) {
	flag := func(name string) (bool, bool) {
		n := rapid.IntRange(0, 2).Draw(t, name)
		return n > 0, n > 1
	}
	bound := func(name string, most int64) (int64, int64) {
		tight := rapid.Int64Range(0, most).Draw(t, name)
		loose := tight + rapid.Int64Range(0, most).Draw(t, name+" slack")
		if tight == 0 || rapid.IntRange(0, 3).Draw(t, name+" none") == 0 {
			loose = 0
		}
		return tight, loose
	}
	much, less = of, of
	much.ShortestLease = time.Duration(rapid.Int64Range(0, 2*genTTL).Draw(t, "lease"))
	less.ShortestLease = time.Duration(rapid.Int64Range(0, int64(much.ShortestLease)).Draw(t, "less lease"))
	much.ShortestBelief = time.Duration(rapid.Int64Range(0, 2*genTTL).Draw(t, "belief"))
	less.ShortestBelief = time.Duration(rapid.Int64Range(0, int64(much.ShortestBelief)).Draw(t, "less belief"))
	much.Release = genProof(t)
	less.Release = ReleaseProof(rapid.IntRange(0, int(much.Release)).Draw(t, "less proof"))
	much.NoRetake, less.NoRetake = flag("no retake")
	much.EndIsFinal, less.EndIsFinal = flag("end is final")
	much.LossNotice, less.LossNotice = flag("loss notice")
	much.Tokens, less.Tokens = flag("has tokens")
	much.KeepsTrying, less.KeepsTrying = flag("keeps trying")
	much.GrantsFree, less.GrantsFree = flag("grants free")
	limit, slack := bound("call limit", genTTL)
	much.CallLimit, less.CallLimit = time.Duration(limit), time.Duration(slack)
	limit, slack = bound("renew every", genTTL)
	much.RenewEvery, less.RenewEvery = time.Duration(limit), time.Duration(slack)
	limit, slack = bound("wait grants", 4)
	much.WaitGrants, less.WaitGrants = int(limit), int(slack)
	limit, slack = bound("requests", 5)
	much.Requests, less.Requests = RequestBudget{Acquire: int(limit), Wait: 1, Renew: int(limit), Release: int(limit)},
		RequestBudget{Acquire: int(slack), Wait: 1, Renew: int(slack), Release: int(slack)}
	return much, less
}

// TestPromisingLessIsNeverAccusedMore: a history that breaks a promise breaks every
// stronger one.
func TestPromisingLessIsNeverAccusedMore(t *testing.T) {
	broken := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		gen := genHistory
		if rapid.Bool().Draw(t, "retakes") {
			gen = genRetakes
		}
		p, h := gen(t, rapid.IntRange(2, 40).Draw(t, "events"))
		h = withMore(t, h)
		p.NoticeSlack, p.PollEvery, p.LivenessTTLs = time.Second, time.Second, 2
		if rapid.Bool().Draw(t, "stalls") {
			p.Stalls = []Stall{{From: time.Second, To: 3 * time.Second}}
		}
		q := p
		p.Promises, q.Promises = genPromises(t, p.Promises)
		much, less := Check(context.Background(), p, h), Check(context.Background(), q, h)
		if much.Malformed != "" || less.Malformed != "" {
			t.Fatalf("%s%s\n%s", much.Malformed, less.Malformed, text(p, h))
		}
		for i, property := range less.Properties {
			if property.Verdict != Violation {
				continue
			}
			broken[property.Name]++
			checkProperty(t, property, h)
			if before := much.Properties[i]; before.Verdict != Violation && before.Verdict != Unknown {
				t.Fatalf("%s: %v, and for less %s\n%s%s", property.Name, before, property.Detail, text(p, h), text(q, h))
			}
		}
	})
	t.Log(broken)
}

// checkProperty is checkWitness for rapid.
func checkProperty(t *rapid.T, p Property, h History) {
	if len(p.Events) == 0 || !slices.IsSorted(p.Events) || p.Events[0] < 0 || p.Events[len(p.Events)-1] >= len(h) {
		t.Fatalf("%s: witness %v", p.Name, p.Events)
	}
}

// TestTheHostsLossesNeverAccuse: whatever stood still, no property that was kept is
// broken by it.
func TestTheHostsLossesNeverAccuse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, h := genHistory(t, rapid.IntRange(2, 40).Draw(t, "events"))
		h = withMore(t, h)
		p.NoticeSlack, p.LivenessTTLs = time.Second, 1
		p.Promises, _ = genPromises(t, p.Promises)
		q := p
		from := rapid.Int64Range(0, 20).Draw(t, "from")
		q.Stalls = []Stall{{time.Duration(from) * time.Second, time.Duration(from+rapid.Int64Range(0, 9).Draw(t, "for")) * time.Second}}
		q.Lateness = time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "late"))
		kept, stalled := Check(context.Background(), p, h), Check(context.Background(), q, h)
		for i, property := range stalled.Properties {
			if property.Verdict == Violation && kept.Properties[i].Verdict != Violation {
				t.Fatalf("%s: %s\n%s", property.Name, property.Detail, text(q, h))
			}
		}
	})
}
