package harness

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/subjects"
)

// curtStore answers every request with an error.
type curtStore struct {
	subjects.RawStore
	err error
}

func (s *curtStore) Get(context.Context, string) (lock.Record, error) { return lock.Record{}, s.err }

// Renewal 4.64 s into a live run of NATS beside busy loops, seed 1: the server took
// more than the request timeout over the write, the renewal looked, and its two
// requests were called one too many.
func TestRequestsOfASlowServerAreNobodysFault(t *testing.T) {
	const lease = 10 * time.Second
	slow := fmt.Errorf("%w: no answer in time", lock.ErrUnavailable)
	for _, c := range []struct {
		name  string
		err   error
		later time.Duration // when the call begins that is judged
		live  bool
		want  int32
	}{
		{"answered", lock.ErrNotFound, 0, true, 2},
		{"turned down", lock.ErrConflict, 0, true, 2},
		{"refused", lock.ErrRefused, 0, true, 2},
		{"slow in the call", slow, 0, true, 0},
		{"slow in a call a moment ago", slow, lease - 1, true, 0},
		{"slow a lease ago", slow, lease, true, 1},
		{"in the simulator", slow, 0, false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var now time.Duration
			r := newRun(Scenario{Clients: 1, Locks: 1}, subjects.Subject{}, func() time.Duration { return now })
			if c.live {
				r.answers.now, r.answers.lease = r.rec.now, lease
			}
			raw := &curtStore{err: c.err}
			store := r.counting(raw)
			ctx, n := r.counted(t.Context())
			_, _ = store.Get(ctx, "k")
			if c.later > 0 {
				now += c.later
				ctx, n = r.counted(t.Context())
			}
			raw.err = nil
			_, _ = store.Get(ctx, "k")
			if got := n.sent(); got != c.want {
				t.Errorf("%d requests are judged, want %d", got, c.want)
			}
		})
	}
}
