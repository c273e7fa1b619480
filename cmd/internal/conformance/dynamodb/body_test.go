package dynamodb_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lockproof/lockproof/backends/dynamodb"
)

// late makes the order of events that a loaded machine brings about now and
// then: the server's answer is there, and the SDK done with the request, before
// the goroutine that wrote the request gets to see that all of it was written.
type late struct {
	ctx      context.Context
	finished chan struct{} // the SDK closed the request's body
	resumed  chan struct{} // the writing goroutine goes on
	dropped  chan struct{} // the connection was closed
	finish   sync.Once
	resume   sync.Once
	drop     sync.Once
}

// lateConn is a connection on which that happens.
type lateConn struct {
	net.Conn
	*late
}

func (c lateConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if bytes.HasPrefix(p, []byte("{")) { // the body, which is written by itself
		select {
		case <-c.finished:
		case <-c.ctx.Done():
		}
		c.resume.Do(func() { close(c.resumed) })
	}
	return n, err
}

// Read holds back what comes after the answer's first bytes until the writing
// goroutine has had time to close the connection.
func (c lateConn) Read(p []byte) (int, error) {
	select {
	case <-c.finished:
		select {
		case <-c.resumed:
		case <-c.ctx.Done():
		}
		select {
		case <-c.dropped:
		case <-time.After(200 * time.Millisecond):
		}
	default:
	}
	return c.Conn.Read(p)
}

func (c lateConn) Close() error {
	c.drop.Do(func() { close(c.dropped) })
	return c.Conn.Close()
}

// Do sends a request by a connection of its own.
func (l *late) Do(r *http.Request) (*http.Response, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return lateConn{conn, l}, nil
	}}
	body := watched{r.Body, l}
	if to, ok := r.Body.(io.WriterTo); ok {
		r.Body = watchedTo{body, to}
	} else {
		r.Body = body
	}
	return transport.RoundTrip(r)
}

// watched is a request's body that tells when it is closed. watchedTo is one
// that can write itself, as the original.
type (
	watched struct {
		io.ReadCloser
		*late
	}
	watchedTo struct {
		watched
		io.WriterTo
	}
)

func (w watched) Close() error {
	err := w.ReadCloser.Close()
	w.finish.Do(func() { close(w.finished) })
	return err
}

// The SDK closes a request's body as soon as there is an answer, and a body so
// closed reports an error to who is still writing it, upon which the connection
// is closed under the answer.
func TestAnAnswerIsReadThoughTheRequestIsStillBeingWritten(t *testing.T) {
	needLocal(t)
	store, client, table := fresh(t)
	value := bytes.Repeat([]byte{0xff, 0, 1, 2}, 16<<10) // not read at once
	if _, err := store.CompareAndSwap(t.Context(), "k", "", value); err != nil {
		t.Fatal(err)
	}
	behind := open(t, sdk.New(client.Options(), func(o *sdk.Options) {
		o.HTTPClient = &late{
			ctx: t.Context(), finished: make(chan struct{}), resumed: make(chan struct{}), dropped: make(chan struct{}),
		}
	}), dynamodb.Config{Table: table, Unchecked: true})
	record, err := behind.Get(t.Context(), "k")
	if err != nil || !bytes.Equal(record.Value, value) {
		t.Fatalf("%d bytes, %v", len(record.Value), err)
	}
}
