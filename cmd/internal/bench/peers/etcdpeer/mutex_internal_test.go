package etcdpeer

import (
	"testing"
	"time"

	"github.com/lockproof/lockproof/cmd/internal/bench/peers/arena"
)

func TestEtcdGrantsNoLeaseUnderTwoSeconds(t *testing.T) {
	s, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	for asked, want := range map[time.Duration]time.Duration{time.Second: 2 * time.Second, 3 * time.Second: 3 * time.Second} {
		m, err := newMutexClient(s, arena.Lease{TTL: asked})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		answer, err := m.client.TimeToLive(t.Context(), m.session.Lease())
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Duration(answer.GrantedTTL) * time.Second; got != want {
			t.Errorf("asked for %s, granted %s, want %s", asked, got, want)
		}
	}
}
