package live

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// chunkSize is how much is read at once.
	chunkSize = 32 << 10
	// chunksUnderWay bounds what one direction of a connection holds. Beyond it
	// nothing is read, and the sender feels that its buffer is full.
	chunksUnderWay = 1024
	// dialTimeout bounds a dial of the server that is not answered.
	dialTimeout = 10 * time.Second
)

// conn is one connection through a proxy.
type conn struct {
	proxy  *Proxy
	client *net.TCPConn
	ctx    context.Context // ends with the connection
	end    context.CancelFunc

	// Guarded by proxy.mu.
	server *net.TCPConn     // nil until dialled
	broken [directions]bool // lost something: delivers nothing any more
	over   bool
}

// chunk is some bytes on their way, or the end of their stream.
type chunk struct {
	bytes []byte
	due   time.Time
	end   streamEnd
}

type streamEnd int

const (
	notEnded streamEnd = iota
	finished           // the sender has no more to say
	aborted            // the sender's connection was reset
)

// run carries the connection until it ends.
func (c *conn) run() {
	p := c.proxy
	if c.connect() {
		var both sync.WaitGroup
		both.Go(func() { c.carry(Requests, c.client, c.server) })
		both.Go(func() { c.carry(Replies, c.server, c.client) })
		both.Wait()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.close()
	delete(p.conns, c)
}

// connect dials the server once the network lets the handshake pass: a round
// trip from now, or after a hold. It returns false if the connection has ended
// without.
func (c *conn) connect() bool {
	p := c.proxy
	due := time.Now().Add(p.delay(Requests) + p.delay(Replies))
	if !c.arrive(Requests, due) || !c.arrive(Replies, due) {
		<-c.ctx.Done() // unanswered, until the network heals
		return false
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	server, err := dialer.DialContext(c.ctx, "tcp", p.upstream)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		c.reset()
		return false
	}
	c.server = server.(*net.TCPConn)
	if c.over {
		abort(c.server)
		return false
	}
	return true
}

// carry moves the bytes of one direction until their stream has ended: one
// goroutine reads and sets the time at which each chunk is due, this one
// delivers.
func (c *conn) carry(dir Direction, from, to *net.TCPConn) {
	queue := make(chan chunk, chunksUnderWay)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(queue)
		c.read(dir, from, queue)
	})
	defer reader.Wait()
	for next := range queue {
		if c.arrive(dir, next.due) && (c.deliver(dir, to, next) || c.abort(dir)) {
			continue
		}
		// The stream has a hole. What still comes is read and forgotten, so that
		// the sender notices nothing, until the connection is reset.
		for range queue {
			c.proxy.counts.lost.Add(1)
		}
		<-c.ctx.Done()
	}
}

// read puts what comes from one end into the queue, the stream's end included.
func (c *conn) read(dir Direction, from *net.TCPConn, queue chan<- chunk) {
	buffer := make([]byte, chunkSize)
	var last time.Time
	for {
		n, err := from.Read(buffer)
		due := time.Now().Add(c.proxy.delay(dir))
		if due.Before(last) {
			due = last
		}
		last = due
		c.depart(dir)
		next := chunk{due: due}
		if n > 0 {
			next.bytes = append([]byte(nil), buffer[:n]...)
		}
		switch {
		case errors.Is(err, io.EOF):
			next.end = finished
		case err != nil:
			next.end = aborted
		}
		select {
		case queue <- next:
		case <-c.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// delay draws how long a chunk that starts now takes.
func (p *Proxy) delay(dir Direction) time.Duration {
	p.mu.Lock()
	l := p.lanes[dir]
	p.mu.Unlock()
	d := max(0, l.latency)
	if l.jitter > 0 {
		d += time.Duration(p.config.Choices.Choose(p.jitters[dir], uint64(l.jitter)+1))
	}
	return d
}

// depart breaks the stream if it is cut where a chunk starts.
func (c *conn) depart(dir Direction) {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lanes[dir].cuts > 0 {
		c.broken[dir] = true
	}
}

// arrive waits until a chunk is due and nothing holds it. It returns false if
// the chunk is lost: its direction is cut, was cut when it started or while
// something before it was under way, or the connection has ended.
func (c *conn) arrive(dir Direction, due time.Time) bool {
	p := c.proxy
	if !sleepUntil(c.ctx, due) {
		return false
	}
	held := false
	for {
		p.mu.Lock()
		holds, changed := p.holds, p.changed
		if holds == 0 {
			defer p.mu.Unlock()
			if p.lanes[dir].cuts > 0 {
				c.broken[dir] = true
			}
			if c.broken[dir] {
				p.counts.lost.Add(1)
			}
			return !c.broken[dir] && !c.over
		}
		p.mu.Unlock()
		if !held {
			held = true
			p.counts.held.Add(1)
		}
		select {
		case <-changed:
		case <-c.ctx.Done():
			return false
		}
	}
}

// deliver writes a chunk to its receiver, or ends the receiver's stream. It
// returns false if the connection is to be reset.
func (c *conn) deliver(dir Direction, to *net.TCPConn, next chunk) bool {
	bytes, cut := next.bytes, false
	if dir == Replies {
		bytes, cut = c.proxy.cutReply(bytes)
	}
	if len(bytes) > 0 {
		if _, err := to.Write(bytes); err != nil {
			return false
		}
	}
	switch {
	case cut || next.end == aborted:
		return false
	case next.end == finished:
		_ = to.CloseWrite() // fails if the receiver has gone, which its own stream tells
	}
	return true
}

// cutReply returns how much of a reply is let through, and whether its
// connection ends there.
func (p *Proxy) cutReply(bytes []byte) (passed []byte, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cutter == nil {
		return bytes, false
	}
	if len(bytes) <= p.cutter.left {
		p.cutter.left -= len(bytes)
		return bytes, false
	}
	passed = bytes[:p.cutter.left]
	p.endCutter()
	return passed, true
}

// abort resets the connection because what came in one direction could not be
// delivered. The sender learns of that by the other direction: if it is cut, the
// connection is only broken, and abort returns false.
func (c *conn) abort(dir Direction) bool {
	p, back := c.proxy, Replies-dir
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lanes[back].cuts > 0 {
		c.broken = [directions]bool{true, true}
		return false
	}
	c.reset()
	return true
}

// reset ends the connection so that both ends are told of a failure. It is
// called with proxy.mu held.
func (c *conn) reset() {
	if c.over {
		return
	}
	c.over = true
	c.proxy.counts.reset.Add(1)
	c.end()
	abort(c.client)
	abort(c.server)
}

// close ends a connection of which both streams have ended. It is called with
// proxy.mu held.
func (c *conn) close() {
	c.end()
	if c.over {
		return
	}
	c.over = true
	_ = c.client.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
}

// abort closes one end with a reset instead of an orderly end.
func abort(end *net.TCPConn) {
	if end == nil {
		return
	}
	_ = end.SetLinger(0)
	_ = end.Close()
}

// sleepUntil returns false if ctx ends first.
func sleepUntil(ctx context.Context, due time.Time) bool {
	left := time.Until(due)
	if left <= 0 {
		return true
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
