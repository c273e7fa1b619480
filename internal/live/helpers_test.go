package live

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func seeded() *Choices { return NewChoices(sim.NewRandom(1)) }

func newProxy(t *testing.T, upstream string) *Proxy {
	t.Helper()
	p, err := NewProxy(upstream, ProxyConfig{Name: "c0", Choices: seeded()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// network returns what is wrong with a proxy's network.
func network(p *Proxy) (lanes [directions]lane, holds int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lanes, p.holds
}
