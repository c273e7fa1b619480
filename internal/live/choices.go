package live

import "sync"

// Chooser is the seeded source of all that is drawn here. It answers with a
// number in [0, n); answers of one stream do not depend on what is asked of
// another.
type Chooser interface {
	Choose(stream string, n uint64) uint64
}

// Choices lets goroutines share a Chooser that is not made for that. All that
// draw from one Chooser must share one Choices.
type Choices struct {
	mu      sync.Mutex
	chooser Chooser
}

// NewChoices guards chooser, which nobody else may use from now on.
func NewChoices(chooser Chooser) *Choices { return &Choices{chooser: chooser} }

// Choose returns a number in [0, n), and 0 without asking where n is 0 or 1.
func (c *Choices) Choose(stream string, n uint64) uint64 {
	if n <= 1 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chooser.Choose(stream, n)
}

// perMille draws whether something of that probability happens.
func (c *Choices) perMille(stream string, p int64) bool {
	return p > 0 && c.Choose(stream, 1000) < uint64(p)
}
