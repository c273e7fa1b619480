package bench

import (
	"sync"
	"time"
)

// lockBoard sees who is granted one lock, and who was it before.
type lockBoard struct {
	mu      sync.Mutex
	waiting int
	// The last release that somebody waited for; releasedAt is zero if there was
	// none, or if it was granted since.
	releasedAt time.Time
	releaser   int
	next       chan struct{} // closed at the next grant; nil until somebody asks
}

// succession says how a lock came to its holder.
type succession int

const (
	// unawaited: nobody waited when it was released.
	unawaited succession = iota
	// handedOff: somebody waited, and another client than the releaser has it.
	handedOff
	// takenAgain: somebody waited, and the releaser itself has it again.
	takenAgain
)

func (b *lockBoard) enter() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
}

func (b *lockBoard) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
}

// granted says how the lock came to a client, and how long after the release
// that was.
func (b *lockBoard) granted(client int, at time.Time) (how succession, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
	if b.releasedAt.IsZero() {
		return unawaited, 0
	}
	after = at.Sub(b.releasedAt)
	b.releasedAt = time.Time{}
	if client == b.releaser {
		return takenAgain, after
	}
	return handedOff, after
}

// releasing notes a release. next is closed at the next grant, or nil if nobody
// waits for one.
func (b *lockBoard) releasing(client int, at time.Time) (next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == 0 {
		return nil
	}
	b.releasedAt, b.releaser = at, client
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}
