package bench

import (
	"context"
	"fmt"
	"time"
)

// mostRequests are enough to count.
const mostRequests = 1_000_000

// watchedFor is how long the requests of all clients are counted: whole
// renewals, and as many of them as are simulated in seconds.
func (c PredictConfig) watchedFor() time.Duration {
	s := c.Settings
	d := time.Duration(c.Hours) * time.Hour
	// Each waiter asks once a poll or is woken once a renewal.
	perHour := time.Hour/s.RenewEvery + time.Duration(c.Clients-1)*(time.Hour/min(s.PollEvery, s.RenewEvery))
	if perHour > 0 {
		d = min(d, mostRequests*(time.Hour/time.Microsecond)/perHour*time.Microsecond)
	}
	return max(d.Truncate(s.RenewEvery), 10*s.RenewEvery)
}

// predictRequests counts requests with all clients there.
func predictRequests(ctx context.Context, c PredictConfig, p *Prediction) error {
	if c.Hours == 0 {
		return nil
	}
	d := c.watchedFor()
	warm := 2 * c.Settings.TTL
	w, err := c.world("requests", c.Clients, warm+d)
	if err != nil {
		return err
	}
	defer w.close()
	for _, client := range w.clients {
		client.start()
	}
	if err := w.run(ctx, warm, nil); err != nil {
		return err
	}
	for _, client := range w.clients {
		client.forget()
	}
	if err := w.run(ctx, warm+d, nil); err != nil {
		return err
	}
	p.Watched = d
	for _, client := range w.clients {
		p.Holder = p.Holder.plus(client.asHolder)
		p.Waiters = p.Waiters.plus(client.asWaiter)
		p.Units.Read += float64(client.read)
		p.Units.Write += float64(client.write)
	}
	p.account(w)
	return nil
}

// trialsPerWorld bounds how long a world with deaths lasts.
const trialsPerWorld = 250

// predictFailovers kills holders.
func predictFailovers(ctx context.Context, c PredictConfig, p *Prediction) error {
	for len(p.Failovers) < c.Trials {
		before := len(p.Failovers)
		want := min(trialsPerWorld, c.Trials-before)
		// Three times as long as it takes if nothing else goes wrong.
		d := 3 * time.Duration(want) * (rebirth + 3) * c.Settings.TTL
		w, err := c.world(fmt.Sprint("failovers ", before), c.Clients, d)
		if err != nil {
			return err
		}
		err = killHolders(ctx, w, d, before+want, p)
		w.close()
		if err != nil {
			return err
		}
		if len(p.Failovers) == before {
			return nil // no holder lives long enough to be killed; Spoiled says so
		}
	}
	return nil
}

// rebirth is after how many TTLs a killed process starts again: late enough not
// to be the one that takes over.
const rebirth = 4

// deaths is a world in which holders die.
type deaths struct {
	w         *predictWorld
	p         *Prediction
	grants    int // so far: what tells one holder from the next
	arranged  uint64
	holder    *predictClient
	dead      bool
	killedAt  time.Duration
	tried     bool // somebody has sent a takeover since
	triedAt   time.Duration
	grantedAt time.Duration
}

// killHolders runs a world until so many failovers are known, or until d.
func killHolders(ctx context.Context, w *predictWorld, d time.Duration, want int, p *Prediction) error {
	k := &deaths{w: w, p: p}
	for _, client := range w.clients {
		client.swaps = k.swaps
		client.granted = func() { k.granted(client) }
		client.effect = func() { k.effect(client, want) }
		client.lost = func() { k.lost(client) }
		client.start()
	}
	err := w.run(ctx, d, func() bool { return len(p.Failovers) >= want })
	p.account(w)
	return err
}

func (k *deaths) granted(client *predictClient) {
	k.grants++
	k.holder, k.grantedAt = client, k.w.Now()
}

// swaps is a compare-and-swap about to be sent. The dead send none.
func (k *deaths) swaps() {
	if k.dead && !k.tried {
		k.tried, k.triedAt = true, k.w.Now()
	}
}

// effect is the first of a new holder, whose death is arranged now: when those
// that died before are back, at a random phase of its renewal.
func (k *deaths) effect(client *predictClient, want int) {
	if k.holder != client {
		return
	}
	now := k.w.Now()
	if k.dead && len(k.p.Failovers) < want {
		k.p.Failovers = append(k.p.Failovers, FailoverTimes{
			Detect: k.triedAt - k.killedAt, Acquire: k.grantedAt - k.triedAt, Resume: now - k.grantedAt,
		})
	}
	k.dead = false
	s := k.w.c.Settings
	grant := k.grants
	at := now + (rebirth+1)*s.TTL + k.phase(uint64(s.RenewEvery))
	k.w.At(at, func() {
		if k.grants != grant || !client.holding {
			return
		}
		k.dead, k.tried, k.killedAt = true, false, k.w.Now()
		client.node.Die(rebirth * s.TTL)
	})
}

// phase is when in a renewal the next holder dies: at random, and as often in
// each part of it, so that quantiles depend little on chance.
func (k *deaths) phase(renewal uint64) time.Duration {
	part := k.arranged % trialsPerWorld
	k.arranged++
	return time.Duration((renewal*part + k.w.Choose("bench/phase", renewal)) / trialsPerWorld)
}

// lost spoils the trial: the next grant is not the consequence of a death. Who
// hears of its loss only after the next grant spoils nothing.
func (k *deaths) lost(client *predictClient) {
	if k.holder != client {
		return
	}
	k.p.Spoiled++
	k.grants++
	k.dead = false
}
