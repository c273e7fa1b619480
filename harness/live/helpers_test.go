package live

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/lockproof/lockproof/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func seeded() *Choices { return NewChoices(sim.NewRandom(1)) }
