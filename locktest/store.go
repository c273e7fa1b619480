package locktest

import (
	"testing"

	"github.com/lockproof/lockproof/backends/backendtest"
	"github.com/lockproof/lockproof/lock"
)

// Store tries a store for locks against what every backend must guarantee: each
// case of package backendtest is a sub-test. open returns the store, and is called
// once for each case; what it opened it closes with t.Cleanup.
func Store(t *testing.T, open func(t *testing.T) (lock.Store, backendtest.Options)) {
	t.Helper()
	for _, c := range backendtest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			store, options := open(t)
			if why := c.Skip(store, options); why != "" {
				t.Skip(why)
			}
			if err := c.Run(t.Context(), store, options); err != nil {
				t.Error(err)
			}
		})
	}
}
