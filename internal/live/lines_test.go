package live

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds what must happen; silence is how long a test listens for what
// must not.
const (
	patience = 20 * time.Second
	silence  = 50 * time.Millisecond
)

// lineServer answers each line with the same line, and tells what it heard.
type lineServer struct {
	addr  string
	heard chan string // each line, and "end: ..." for each end of a connection
}

func newLineServer(t *testing.T) *lineServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &lineServer{addr: listener.Addr().String(), heard: make(chan string, 10_000)}
	r := NewRuntime(NewClock(func() time.Duration { return 0 }, ClockConfig{}))
	r.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.Go(func() { s.answer(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *lineServer) answer(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			s.heard <- "end: " + endOf(err)
			return
		}
		s.heard <- strings.TrimSuffix(line, "\n")
		if _, err := io.WriteString(conn, line); err != nil {
			s.heard <- "end: " + endOf(err)
			return
		}
	}
}

// endOf names the way in which a connection has ended.
func endOf(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "finished"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "silence"
	}
	return err.Error()
}

func (s *lineServer) hears(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-s.heard:
		if got != want {
			t.Fatalf("the server heard %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the server did not hear %q", want)
	}
}

func (s *lineServer) hearsNothing(t *testing.T) {
	t.Helper()
	select {
	case got := <-s.heard:
		t.Fatalf("the server heard %q", got)
	case <-time.After(silence):
	}
}

// caller is a client of a lineServer.
type caller struct {
	t     *testing.T
	conn  *net.TCPConn
	lines *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *caller {
	t.Helper()
	conn, err := net.DialTimeout("tcp", p.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{t, conn.(*net.TCPConn), bufio.NewReader(conn)}
}

func (c *caller) says(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next line, or how the connection ended.
func (c *caller) next(within time.Duration) string {
	_ = c.conn.SetReadDeadline(time.Now().Add(within))
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return line + "end: " + endOf(err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *caller) hears(want string) {
	c.t.Helper()
	if got := c.next(patience); got != want {
		c.t.Fatalf("the client heard %q, want %q", got, want)
	}
}

func (c *caller) hearsNothing() {
	c.t.Helper()
	if got := c.next(silence); got != "end: silence" {
		c.t.Fatalf("the client heard %q", got)
	}
}

// talk starts a server, a proxy and a connection that works.
func talk(t *testing.T) (*lineServer, *Proxy, *caller) {
	t.Helper()
	s := newLineServer(t)
	p := newProxy(t, s.addr)
	c := dial(t, p)
	c.says("hello")
	s.hears(t, "hello")
	c.hears("hello")
	return s, p, c
}

// eventually waits for a state that another goroutine brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
