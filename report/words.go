package report

import (
	"fmt"
	"strconv"
	"time"

	"github.com/lockproof/lockproof/internal/plain"
	lin "github.com/lockproof/lockproof/linearizability"
)

// inWords says what an event means to somebody who has not read the format.
func inWords(e *lin.Event) string {
	text := eventWords(e)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func eventWords(e *lin.Event) string {
	switch e.Op {
	case lin.OpAcquire:
		return acquireWords(e)
	case lin.OpRenew:
		return phaseWords(e.Phase, "asks to renew "+grantName(e.Grant), "renewed "+grantName(e.Grant),
			"could not renew "+grantName(e.Grant)+": no longer the holder",
			"got no clear answer to its renewal of "+grantName(e.Grant)+untilWords(e.Until))
	case lin.OpRelease:
		return phaseWords(e.Phase, "stops believing and asks to release "+grantName(e.Grant),
			"released "+grantName(e.Grant), "could not release "+grantName(e.Grant)+": it was not its own any more",
			"got no clear answer to its release of "+grantName(e.Grant)+untilWords(e.Until))
	case lin.OpExpire:
		return "stops believing in " + grantName(e.Grant) + ": the lease is over by its own clock"
	case lin.OpLost:
		return "is told that " + grantName(e.Grant) + " is lost"
	case lin.OpCrash:
		return "crashes"
	case lin.OpRead, lin.OpWrite:
		return accessWords(e)
	}
	return e.Op.String() + " " + e.Phase.String()
}

func acquireWords(e *lin.Event) string {
	what := "the lock"
	if e.Mode == lin.Shared {
		what = "the lock, shared"
	}
	refused := "was not granted " + what
	if e.Holder > 0 {
		refused += ": " + clientName(e.Holder-1) + " holds it"
	}
	granted := "is granted " + what + ": " + grantName(e.Grant)
	if e.Token != 0 {
		granted += ", token " + strconv.FormatUint(e.Token, 10)
	}
	return phaseWords(e.Phase, "asks for "+what, granted, refused,
		"got no clear answer to its request for "+what+untilWords(e.Until))
}

func accessWords(e *lin.Event) string {
	through := "without a fence"
	if e.Fenced {
		through = "through the fence"
	}
	with := "with " + grantName(e.Grant)
	if e.Token != 0 {
		with = "with token " + strconv.FormatUint(e.Token, 10)
	}
	switch {
	case e.Phase == lin.Fail:
		return fmt.Sprintf("%v %s %s is rejected", e.Op, through, with)
	case e.Op == lin.OpRead:
		return fmt.Sprintf("reads %d %s %s", e.Value, through, with)
	}
	return fmt.Sprintf("writes %d %s %s", e.Value, through, with)
}

func phaseWords(p lin.Phase, invoke, ok, fail, info string) string {
	switch p {
	case lin.Invoke:
		return invoke
	case lin.Ok:
		return ok
	case lin.Fail:
		return fail
	}
	return info
}

// untilWords says what an indefinite end leaves open.
func untilWords(until int64) string {
	switch {
	case until < 0:
		return "; it was never applied"
	case until == 0:
		return "; it may yet be applied"
	}
	return "; it may be applied until " + clockTime(until, false) + " s"
}

func grantName(g int64) string { return "grant " + strconv.FormatInt(g, 10) }

// holdWords is a hold in one line, for who hovers over its bar.
func holdWords(h *hold) string {
	text := clientName(h.client) + " holds " + grantName(h.grant)
	if h.token != 0 {
		text += ", token " + strconv.FormatUint(h.token, 10)
	}
	if h.mode == lin.Shared {
		text += ", shared"
	}
	text += span(h.from, h.to)
	switch h.ended {
	case lin.OpRelease:
		return text + ", until it releases it"
	case lin.OpExpire:
		return text + ", until the lease is over by its own clock"
	case lin.OpLost:
		return text + ", until it is told of the loss"
	case lin.OpCrash:
		return text + ", until it crashes"
	}
	return text + ", to the end of the run"
}

func waitWords(w *wait) string {
	text := clientName(w.client) + " waits for the lock"
	if w.mode == lin.Shared {
		text += ", shared"
	}
	text += span(w.from, w.to)
	switch {
	case w.crashed:
		return text + ", until it crashes"
	case w.end == lin.Ok:
		return text + ", and is granted it"
	case w.end == lin.Fail && w.holder > 0:
		return text + ", and is refused: " + clientName(w.holder-1) + " holds it"
	case w.end == lin.Fail:
		return text + ", and is not granted it"
	case w.end == lin.Info:
		return text + ", and gets no clear answer" + untilWords(w.until)
	}
	return text + ", to the end of the run"
}

func span(from, to int64) string {
	return fmt.Sprintf(" from %s s to %s s (%s)", clockTime(from, false), clockTime(to, false),
		plain.Duration(time.Duration(to-from)))
}
