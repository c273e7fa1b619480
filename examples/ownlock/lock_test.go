package ownlock

import (
	"testing"

	"github.com/lockproof/lockproof/locktest"
)

// Go's build tag "bug" brings a lock whose release removes somebody else's record:
// go test -tags bug says so.
//
// Clock faults are left out: a lock that trusts the wall clock promises nothing there.
func TestOwnLock(t *testing.T) {
	locktest.Run(t, Subject(), locktest.Faults("none", "network"))
}
