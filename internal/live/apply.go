package live

import (
	"fmt"
	"time"

	"github.com/lockproof/lockproof/fault"
)

// apply begins or ends a fault of one client.
func (c Client) apply(f fault.Fault, ends bool) {
	amount := f.Amount
	if ends {
		amount = -amount
	}
	d := time.Duration(amount)
	switch f.Kind {
	case fault.ClockOffset:
		c.Clock.AddOffset(d)
	case fault.ClockRate:
		c.Clock.AddRate(amount)
	case fault.ClockJump:
		c.Clock.Jump(d)
	case fault.Latency:
		c.Proxy.AddLatency(Requests, d)
		c.Proxy.AddLatency(Replies, d)
	case fault.Jitter:
		c.Proxy.AddJitter(Requests, d)
		c.Proxy.AddJitter(Replies, d)
	case fault.Partition:
		c.Proxy.cut(ends, Requests, Replies)
	case fault.PartitionRequests:
		c.Proxy.cut(ends, Requests)
	case fault.PartitionReplies:
		c.Proxy.cut(ends, Replies)
	case fault.Hold:
		if ends {
			c.Proxy.Release()
		} else {
			c.Proxy.Hold()
		}
	case fault.LoseRequest:
		c.Store.AddLoseRequest(amount)
	case fault.LoseReply:
		c.Store.AddLoseReply(amount)
	case fault.DuplicateRequest:
		c.Store.AddDuplicate(amount)
	case fault.Crash:
		if ends {
			c.Restart()
		} else {
			c.Crash()
		}
	}
}

func (p *Proxy) cut(ends bool, dirs ...Direction) {
	if ends {
		p.Heal(dirs...)
	} else {
		p.Cut(dirs...)
	}
}

// onStore begins or ends a fault of the store.
func (i *Injector) onStore(a action, f fault.Fault) {
	switch f.Kind {
	case fault.Throttle, fault.Refuse:
		amount := f.Amount
		if a.ends {
			amount = -amount
		}
		for _, c := range i.targets.Clients {
			if f.Kind == fault.Throttle {
				c.Store.AddThrottle(amount)
			} else {
				c.Store.AddRefuse(amount)
			}
		}
	case fault.StoreDown:
		i.silence(f, a.ends)
	case fault.StoreRestart:
		if a.ends {
			i.start(f)
		} else {
			i.stop(f)
		}
	case fault.StoreFailover:
		i.failover(a, f)
	}
}

// silence makes the store answer nothing, which is what its clients see if every
// one is cut off. Without proxies the server is stopped: it is as dead, but its
// machine says so, and refuses connections.
func (i *Injector) silence(f fault.Fault, ends bool) {
	switch {
	case i.targets.allProxied():
		for _, c := range i.targets.Clients {
			c.Proxy.cut(ends, Requests, Replies)
		}
	case ends:
		i.start(f)
	default:
		i.stop(f)
	}
}

// stop stops the server unless another fault has stopped it already, and makes
// dials be refused as they would be without a proxy.
func (i *Injector) stop(f fault.Fault) {
	for _, c := range i.targets.Clients {
		if c.Proxy != nil {
			c.Proxy.RefuseDials()
		}
	}
	if i.stops++; i.stops == 1 {
		i.check(f, "stop", i.targets.Server.Stop())
	}
}

// start starts the server when the last fault that stopped it has ended, even if
// a stop has failed: that may have done half of its work.
func (i *Injector) start(f fault.Fault) {
	if i.stops--; i.stops == 0 {
		i.check(f, "start", i.targets.Server.Start())
	}
	for _, c := range i.targets.Clients {
		if c.Proxy != nil {
			i.check(f, "let clients dial", c.Proxy.AllowDials())
		}
	}
}

func (i *Injector) failover(a action, f fault.Fault) {
	if a.ends {
		if restore := i.restore[a.index]; restore != nil {
			i.check(f, "start the old leader", restore())
		}
		return
	}
	restore, err := i.targets.Server.Failover()
	i.check(f, "stop the leader", err)
	i.restore[a.index] = restore
}

// check keeps an error for Run to return.
func (i *Injector) check(f fault.Fault, what string, err error) {
	if err != nil {
		i.failures = append(i.failures, fmt.Errorf("fault %q: %s: %w", f, what, err))
	}
}
