package live

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Direction is one of the two ways through a Proxy.
type Direction int

// The directions.
const (
	Requests Direction = iota // from the client to the server
	Replies                   // from the server to the client
	directions
)

// String names the direction.
func (d Direction) String() string {
	if d == Requests {
		return "requests"
	}
	return "replies"
}

// ProxyConfig configures a Proxy. Choices is required; the rest may be zero.
type ProxyConfig struct {
	// Name ("c0") is part of the names of the streams that are drawn from.
	Name string
	// Choices is where jitter is drawn from.
	Choices *Choices
}

// Proxy stands between one client and the server, on the loopback interface,
// and does to TCP connections what a network does. It knows no protocol. Its
// methods may be called from any goroutine and do not wait for what they bring
// about, except Close.
//
// # Latency and jitter
//
// They delay each chunk of bytes in one direction, counted from its arrival, and
// keep the order. Chunks travel side by side, so throughput is not limited by
// latency until about 1,000 chunks are under way. A new connection costs one
// further round trip, as the handshake does.
//
// # Cut and Heal, Hold and Release
//
// When packets get lost, TCP sends again. A short partition loses nothing: all
// bytes arrive, in order, some time after it heals. That is Hold: bytes of both
// directions are kept and released in order; connections stand.
//
// A partition that outlasts the patience of either end (user timeout, keepalive,
// a protocol's ping) or of a firewall's state table ends the connection, and what
// was under way is lost for good. That is Cut, whatever its length: bytes that
// are sent or would arrive in a direction that is cut are lost, and a stream with
// a hole in it delivers nothing more. Neither end hears of that: no reset, no end
// of stream, and a peer's death stays unknown. When all is healed, connections
// that lost something are reset, so that both ends learn of it; connections that
// lost nothing stand, as in TCP.
//
//	client ──a──► | cut | ──b──X            heal ──► reset to both ends
//	              a arrived, b is lost, replies still arrive
//
// In one respect a cut of one direction is kinder than a loss of its packets: TCP
// would lack acknowledgements, and the other direction would stall after some
// kilobytes.
//
// # Dials
//
// The kernel completes a handshake on its own, so a dial during a cut or hold is
// not left unanswered: it succeeds, and then nothing comes, neither a greeting
// nor an answer, until the caller gives up. Such a connection is reset when a cut
// heals, and goes on when a hold is released. RefuseDials closes the listener:
// dials are then refused for certain. A dial that the server behind the proxy
// refuses is seen as a connection that is reset at once.
type Proxy struct {
	config   ProxyConfig
	upstream string
	address  string
	jitters  [directions]string // streams

	mu       sync.Mutex
	listener net.Listener // nil while dials are refused, and after Close
	refusals int
	lanes    [directions]lane
	holds    int
	conns    map[*conn]struct{}
	changed  chan struct{} // closed when a hold ends
	cutter   *replyCutter
	closed   bool

	counts proxyCounts
	wg     sync.WaitGroup // the accept loops and each conn's goroutines
}

// lane is what is wrong with one direction.
type lane struct {
	latency time.Duration
	jitter  time.Duration
	cuts    int
}

type proxyCounts struct {
	accepted, reset, lost, held atomic.Uint64
}

// ProxyCounts says what a proxy did so far.
type ProxyCounts struct {
	Accepted uint64 // connections
	Reset    uint64 // connections that the proxy reset
	Lost     uint64 // chunks that a cut swallowed
	Held     uint64 // chunks that a hold kept
}

// NewProxy starts a proxy to the TCP address upstream ("127.0.0.1:4222") on a
// free port of its own. Close ends it.
func NewProxy(upstream string, config ProxyConfig) (*Proxy, error) {
	if config.Choices == nil {
		return nil, fmt.Errorf("live: ProxyConfig.Choices is nil; the proxy %q draws jitter from it", config.Name)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("live: proxy %q: %w", config.Name, err)
	}
	p := &Proxy{
		config:   config,
		upstream: upstream,
		address:  listener.Addr().String(),
		conns:    make(map[*conn]struct{}),
		changed:  make(chan struct{}),
	}
	for d := range directions {
		p.jitters[d] = "jitter/" + d.String() + "/" + config.Name
	}
	p.serve(listener)
	return p, nil
}

// Addr is what the client dials, host:port. It never changes.
func (p *Proxy) Addr() string { return p.address }

// Whole reports whether nothing disturbs the network: no latency, no cut, no hold.
func (p *Proxy) Whole() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lanes == [directions]lane{} && p.holds == 0
}

// Counts returns the counts so far.
func (p *Proxy) Counts() ProxyCounts {
	return ProxyCounts{
		Accepted: p.counts.accepted.Load(),
		Reset:    p.counts.reset.Load(),
		Lost:     p.counts.lost.Load(),
		Held:     p.counts.held.Load(),
	}
}

// AddLatency delays what arrives from now on in one direction by d more. A
// negative d takes an earlier one back.
func (p *Proxy) AddLatency(dir Direction, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lanes[dir].latency += d
}

// AddJitter delays each chunk that arrives from now on in one direction by up to
// d more, drawn for each. A negative d takes an earlier one back.
func (p *Proxy) AddJitter(dir Direction, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lanes[dir].jitter += d
}

// Cut cuts the directions until as many Heals: see Proxy.
func (p *Proxy) Cut(dirs ...Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range dirs {
		p.lanes[d].cuts++
	}
}

// Heal ends one Cut of each of the directions. Once nothing is cut or held any
// more, connections that lost something are reset.
func (p *Proxy) Heal(dirs ...Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range dirs {
		p.lanes[d].cuts = max(0, p.lanes[d].cuts-1)
	}
	p.settle()
}

// Hold keeps what arrives, both ways, until as many Releases.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds++
}

// Release ends one Hold; the last one lets go what was kept, in order.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds == 0 {
		return
	}
	if p.holds--; p.holds == 0 {
		close(p.changed)
		p.changed = make(chan struct{})
	}
	p.settle()
}

// settle resets the connections that lost something, once the network is whole.
// It is called with p.mu held.
func (p *Proxy) settle() {
	if p.holds > 0 || p.lanes[Requests].cuts > 0 || p.lanes[Replies].cuts > 0 {
		return
	}
	for c := range p.conns {
		if c.broken != [directions]bool{} {
			c.reset()
		}
	}
}

// RefuseDials makes dials be refused until as many AllowDials. Connections that
// stand are left alone.
func (p *Proxy) RefuseDials() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals++
	if p.listener != nil {
		_ = p.listener.Close() // its accept loop ends
		p.listener = nil
	}
}

// AllowDials ends one RefuseDials. It fails if another program has taken the
// port meanwhile; dials then stay refused and it may be called again.
func (p *Proxy) AllowDials() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusals > 1 || p.closed {
		p.refusals = max(0, p.refusals-1)
		return nil
	}
	if p.listener == nil {
		listener, err := net.Listen("tcp", p.address)
		if err != nil {
			return fmt.Errorf("live: proxy %q cannot listen again: %w", p.config.Name, err)
		}
		p.serve(listener)
	}
	p.refusals = 0
	return nil
}

// ResetAll resets every connection, whatever is cut or held.
func (p *Proxy) ResetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.reset()
	}
}

// CutReplyAfter lets n more bytes of replies pass, on all connections together,
// and resets the connection on which the next byte after them would arrive: a
// reply is lost in the middle. Then it is over; done is closed, as it is by a
// later CutReplyAfter, which takes its place.
func (p *Proxy) CutReplyAfter(n int) (done <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endCutter()
	p.cutter = &replyCutter{left: max(0, n), done: make(chan struct{})}
	return p.cutter.done
}

type replyCutter struct {
	left int
	done chan struct{}
}

// endCutter is called with p.mu held.
func (p *Proxy) endCutter() {
	if p.cutter != nil {
		close(p.cutter.done)
		p.cutter = nil
	}
}

// Close resets every connection, stops listening, and returns when all that the
// proxy started has ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for c := range p.conns {
		c.reset()
	}
	p.endCutter()
	p.mu.Unlock()
	p.wg.Wait()
	return nil
}

// serve starts the accept loop of a listener, which ends when that is closed. It
// is called with p.mu held, or before p is known to others.
func (p *Proxy) serve(listener net.Listener) {
	p.listener = listener
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		for {
			client, err := listener.Accept()
			if err == nil {
				p.accept(client.(*net.TCPConn))
				continue
			}
			if !p.listening(listener) {
				return
			}
			time.Sleep(time.Millisecond) // out of descriptors: some will be free again
		}
	}()
}

func (p *Proxy) listening(listener net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener == listener
}

// accept starts what carries one connection, which ends with conn.reset or when
// both streams have ended.
func (p *Proxy) accept(client *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &conn{proxy: p, client: client}
	c.ctx, c.end = context.WithCancel(context.Background())
	if p.listener == nil {
		c.reset()
		return
	}
	p.counts.accepted.Add(1)
	p.conns[c] = struct{}{}
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		c.run()
	}()
}
