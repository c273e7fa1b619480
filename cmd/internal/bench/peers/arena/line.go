package arena

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// errCut is what a client finds after its line was cut.
var errCut = errors.New("the line was cut")

// Line is all of one client's network connections. The zero value works.
type Line struct {
	mu    sync.Mutex
	isCut bool
	conns map[net.Conn]struct{}
}

// DialContext opens a connection that Cut closes, unless the line is cut.
func (l *Line) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if l.cutOff() {
		return nil, errCut
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		_ = conn.Close()
		return nil, errCut
	}
	if l.conns == nil {
		l.conns = make(map[net.Conn]struct{})
	}
	wired := &wire{Conn: conn, line: l}
	l.conns[wired] = struct{}{}
	return wired, nil
}

// Dial is DialContext with a time limit of its own.
func (l *Line) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return l.DialContext(ctx, network, address)
}

// Cut closes all connections, and no new one can be opened. The server sees
// what it sees of a killed process: its system closes the connections.
func (l *Line) Cut() {
	l.mu.Lock()
	l.isCut = true
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for conn := range conns {
		_ = conn.(*wire).Conn.Close()
	}
}

func (l *Line) cutOff() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isCut
}

// wire is a connection that its line knows of while it is open.
type wire struct {
	net.Conn
	line *Line
}

func (w *wire) Close() error {
	w.line.mu.Lock()
	delete(w.line.conns, w)
	w.line.mu.Unlock()
	return w.Conn.Close()
}
