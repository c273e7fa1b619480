package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
)

// predictClient is one simulated client: its store, which counts what is asked
// of it and loses requests and replies, and what it does with the lock.
type predictClient struct {
	w       *predictWorld
	index   int
	node    *sim.Node
	store   *sim.ClientStore
	holding bool // by what it was last told
	// unanswered is how many of its next requests get no answer, whatever the
	// profile says; if late, they are carried out.
	unanswered int
	late       bool

	// What it asked of the store as a holder and else.
	asHolder, asWaiter Counts
	read, write        int64 // request units of DynamoDB

	swaps, granted, effect, lost func() // what to tell of; nil: nobody listens
}

var (
	_ lock.Store   = (*predictClient)(nil)
	_ lock.Watcher = (*predictClient)(nil)
	_ lock.Capable = (*predictClient)(nil)
)

// predictKey is the lock's name.
const predictKey = "orders"

// forEver is longer than any world runs.
const forEver = 100 * 365 * 24 * time.Hour

func newPredictClient(w *predictWorld, index int) *predictClient {
	n := w.Node(index)
	return &predictClient{w: w, index: index, node: n, store: n.Store()}
}

// start makes the client take the lock and keep it for as long as it can, again
// and again, and after a crash from the beginning.
func (p *predictClient) start() {
	p.node.OnCrash(func() { p.holding = false })
	p.node.OnStart(func() {
		client, err := p.w.lock(p)
		if err != nil {
			p.w.fail(err)
			return
		}
		for {
			p.hold(client)
		}
	})
}

func (p *predictClient) hold(client *lock.Client) {
	ctx := context.Background()
	lease, err := client.Acquire(ctx, predictKey)
	if err != nil {
		if errors.Is(err, lock.ErrRefused) {
			p.w.fail(err)
		}
		_ = p.node.Runtime().Sleep(ctx, p.w.c.Settings.PollEvery) // it ends with the world alone
		return
	}
	p.holding = true
	tell(p.granted)
	if p.effect != nil {
		for range 2 { // to read and to write
			_ = p.node.RoundTrip(ctx, func() {}) // ctx never ends
		}
		p.effect()
	}
	_ = p.node.Runtime().Sleep(lease.Context(), forEver) // ends with the lease
	p.holding = false
	tell(p.lost)
}

func tell(f func()) {
	if f != nil {
		f()
	}
}

// count finds the counts of the present role.
func (p *predictClient) count() *Counts {
	if p.holding {
		return &p.asHolder
	}
	return &p.asWaiter
}

// forget begins counting anew.
func (p *predictClient) forget() {
	p.asHolder, p.asWaiter, p.read, p.write = Counts{}, Counts{}, 0, 0
}

// Capabilities implements lock.Capable.
func (p *predictClient) Capabilities() lock.Capabilities { return p.store.Capabilities() }

// Get implements lock.Store.
func (p *predictClient) Get(ctx context.Context, key string) (lock.Record, error) {
	p.count().Requests++
	request, reply := p.fate()
	if request {
		p.read++
		return lock.Record{}, p.silence(ctx)
	}
	r, err := p.store.Get(ctx, key)
	p.read += readUnits(rowSize(key, len(r.Value)))
	if reply {
		return lock.Record{}, p.silence(ctx)
	}
	return r, err
}

// CompareAndSwap implements lock.Store.
func (p *predictClient) CompareAndSwap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	c := p.count()
	c.Requests++
	c.Swaps++
	p.write += writeUnits(rowSize(key, len(value)))
	tell(p.swaps)
	request, reply := p.fate()
	if request {
		return "", p.silence(ctx)
	}
	rev, err := p.store.CompareAndSwap(ctx, key, old, value)
	if errors.Is(err, lock.ErrConflict) {
		c.Conflicts++
	}
	if reply {
		return "", p.silence(ctx)
	}
	return rev, err
}

// Delete implements lock.Store.
func (p *predictClient) Delete(ctx context.Context, key string, old lock.Revision) error {
	p.count().Requests++
	p.write += writeUnits(rowSize(key, 0))
	return p.store.Delete(ctx, key, old)
}

// Wait implements lock.Watcher. Real stores tell of a change on a connection
// that stands, so that is neither a request nor lost.
func (p *predictClient) Wait(ctx context.Context, key string, after lock.Revision) (lock.Record, error) {
	p.count().Waits++
	return p.store.Wait(ctx, key, after)
}

// fate draws whether a request or its reply gets lost.
func (p *predictClient) fate() (request, reply bool) {
	if p.unanswered > 0 {
		p.unanswered--
		request = !p.late && p.w.Choose("bench/unanswered", 2) == 0
		return request, !request
	}
	ppm := uint64(p.w.c.Profile.LossPPM)
	if ppm == 0 {
		return false, false
	}
	loses := func() bool { return p.w.Choose("bench/loss", maxPartsPerMillion) < ppm }
	request = loses()
	return request, !request && loses()
}

// silence is what the client of a lost message hears until it gives up. The
// error is indefinite, as the client cannot know which message it was.
func (p *predictClient) silence(ctx context.Context) error {
	_ = p.node.Runtime().Sleep(ctx, forEver) // ends with ctx: the lock bounds every request
	return fmt.Errorf("no answer: %v", context.Cause(ctx))
}
