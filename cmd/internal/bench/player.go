package bench

import (
	"math/rand/v2"
	"slices"
	"time"
)

// player is a client that competes for some of the locks.
type player struct {
	seat   int
	locks  []int
	random *rand.Rand
}

// players are a client each. Where locks are handed around side by side they are
// one for each client and lock.
func (t *contest) players() []*player {
	var all []*player
	every := make([]int, len(t.names))
	for i := range every {
		every[i] = i
	}
	groups := [][]int{every}
	if t.loop == turnsLoop {
		groups = slices.Collect(slices.Chunk(every, 1))
	}
	for seat := range t.seats {
		for i, locks := range groups {
			all = append(all, &player{seat, locks, rand.New(rand.NewPCG(uint64(seat), uint64(i)<<32|rand.Uint64()>>32))})
		}
	}
	return all
}

// about draws from half of d to one and a half of it.
func (p *player) about(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + time.Duration(p.random.Int64N(int64(d)+1))
}

// hold draws how long a lock is held. Where clients poll that is spread over
// the time between two looks, or every release would come at the same moment
// of a waiting client's sleep.
func (t *contest) hold(p *player) time.Duration {
	d := p.about(t.c.Hold)
	if t.loop == turnsLoop && t.poll > 0 {
		d += time.Duration(p.random.Int64N(int64(t.poll)))
	}
	return d
}
