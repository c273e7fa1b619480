package linearizability

import (
	"fmt"
	"strings"
)

// String lists what is promised, for people.
func (p Promises) String() string {
	all := []string{"mutual exclusion"}
	say := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	lasting := p.ShortestLease < Forever
	say(p.ShortestLease > 0 && lasting, "leases of %s at the least", seconds(int64(p.ShortestLease)))
	say(!lasting, "grants that do not end by themselves")
	say(p.ShortestBelief > 0 && p.ShortestBelief < Forever, "belief of %s at the least", seconds(int64(p.ShortestBelief)))
	say(p.Release == ReleaseProvesHeld, "a release that succeeds proves that the lock was held")
	say(p.Release == ReleaseProvesGone, "a release that succeeds proves that the grant is over")
	say(p.NoRetake, "no grant to a client that holds the lock")
	say(p.EndIsFinal, "no belief that comes back")
	say(p.LossNotice, "notice of every loss")
	say(p.Tokens, "fencing tokens")
	say(p.KeepsTrying, "waiting until granted or given up")
	say(p.GrantsFree, "a free lock is not refused")
	say(p.RenewalOff, "leases without renewal")
	say(p.CallLimit > 0, "calls that end within %s", seconds(int64(p.CallLimit)))
	say(p.RenewEvery > 0, "a renewal every %s", seconds(int64(p.RenewEvery)))
	say(p.WaitGrants > 0, "at most %s to others while one waits", counted(p.WaitGrants, "grant"))
	if b := p.Requests; b != (RequestBudget{}) {
		say(true, "requests within acquire %d, renew %d, release %d, wait %d", b.Acquire, b.Renew, b.Release, b.Wait)
	}
	return strings.Join(all, ", ")
}
