package lock

import (
	"runtime"
	"sync"
)

// MutexesFree reports that nobody holds a mutex of c for long, which is for a
// Store or Runtime to ask while it is called: held by the caller itself, a mutex
// never gets free.
func (c *Client) MutexesFree() bool {
	if !getsFree(&c.mu) {
		return false
	}
	c.mu.Lock()
	leases := make([]*Lease, 0, len(c.leases))
	for l := range c.leases {
		leases = append(leases, l)
	}
	c.mu.Unlock()
	for _, l := range leases {
		if !getsFree(&l.mu) {
			return false
		}
	}
	return true
}

// EncodedHeld and Decode are for benchmarks.
func EncodedHeld() []byte { return heldState().encode() }

// Encode makes and encodes the record of a held lock.
func Encode() func() []byte { return heldState().encode }

// Decode reports whether value is a record.
func Decode(value []byte) error {
	_, err := decodeState(value)
	return err
}

// DecodeSlow is Decode by encoding/json.
func DecodeSlow(value []byte) error {
	_, err := decodeSlow(value)
	return err
}

func heldState() *state {
	return exclusive(123456, holder{id: "9f3a77aa01c2d3e4-42", owner: "worker-17", ttl: maxTTL, beat: 1234})
}

// getsFree is patient: who holds mu may have been put off its processor.
func getsFree(mu *sync.Mutex) bool {
	for range 300_000 {
		if mu.TryLock() {
			mu.Unlock()
			return true
		}
		runtime.Gosched()
	}
	return false
}

// Kept tells how many leases, Acquires under way and background tasks the client
// remembers.
func (c *Client) Kept() (leases, acquires, chores int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.leases), len(c.entered), len(c.chores)
}

// Lose ends the lease as the background tasks do.
func (l *Lease) Lose(reason LostReason) { _ = l.lose(reason) }

// Open is how many renewals the lease takes for undecided.
func (l *Lease) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}
