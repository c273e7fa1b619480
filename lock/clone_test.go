package lock_test

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

// clonedRuntime draws the same numbers as its clone until they are parted.
type clonedRuntime struct {
	fakeRuntime
	drawn  *atomic.Uint64
	parted *atomic.Bool
	name   string
}

func (r clonedRuntime) Uint64() uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.BigEndian, r.drawn.Add(1))
	if r.parted.Load() {
		_, _ = h.Write([]byte(r.name))
	}
	return h.Sum64()
}

// Two processes are one until they wait for the lock. Then each is on its own,
// and draws its own numbers.
func TestClonesDoNotTakeEachOthersGrantForTheirOwn(t *testing.T) {
	for name, caps := range allCaps {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				mem := memory.New()
				a := newParty(t, mem, "a")
				parted := &atomic.Bool{}
				var stores [2]*testStore
				var clients [2]*lock.Client
				for i, name := range []string{"original", "clone"} {
					stores[i] = newStore(mem)
					stores[i].caps = caps
					clients[i] = newClientOn(t, stores[i], clonedRuntime{drawn: &atomic.Uint64{}, parted: parted, name: name}, config("b"))
				}
				l := mustAcquire(t, a.Client, "k")
				var under [2]*acquiring
				for i, c := range clients {
					under[i] = acquire(t.Context(), c, "k")
				}
				time.Sleep(time.Second)
				parted.Store(true)
				for _, s := range stores { // both writes are sent before one is applied
					s.always(slow, "cas")
				}
				mustRelease(t, l)
				time.Sleep(ttl)
				if under[0].ended() && under[1].ended() {
					t.Errorf("both were granted the lock, with tokens %d and %d", under[0].lease.Token(), under[1].lease.Token())
					return
				}
				first, second := 0, 1
				if under[1].ended() {
					first, second = 1, 0
				}
				under[first].wait(t)
				if err := under[first].lease.Release(context.Background()); err != nil {
					t.Error(err)
				}
				under[second].wait(t)
				if under[second].err != nil || under[second].lease.Token() <= under[first].lease.Token() {
					t.Errorf("then: %v", under[second].err)
				}
			})
		})
	}
}
