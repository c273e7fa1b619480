// Package proxy_test lets a real client and a real server speak through the proxy
// of the live world.
package proxy_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/cmd/internal/servers"
	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/internal/live"
	"github.com/lockproof/lockproof/sim"
)

// natsRig is a real server with one client behind a proxy and one beside it.
type natsRig struct {
	server     *servers.NATS
	proxy      *live.Proxy
	behind     jetstream.KeyValue
	beside     jetstream.KeyValue
	reconnects atomic.Int64
}

func newNATSRig(t *testing.T) *natsRig {
	t.Helper()
	server, err := servers.StartNATS(t.Context(), servers.NATSConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	r := &natsRig{server: server, proxy: newProxy(t, strings.TrimPrefix(server.URL(), "nats://"))}
	beside, err := server.Connect("beside")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(beside.Close)
	behind, err := nats.Connect("nats://"+r.proxy.Addr(),
		nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.Timeout(time.Second),
		nats.ReconnectHandler(func(*nats.Conn) { r.reconnects.Add(1) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(behind.Close)
	r.beside, r.behind = r.bucket(t, beside), r.bucket(t, behind)
	return r
}

func (r *natsRig) bucket(t *testing.T, conn *nats.Conn) jetstream.KeyValue {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateOrUpdateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// put writes through the proxy, with as much time as the test says.
func (r *natsRig) put(t *testing.T, key string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err := r.behind.Put(ctx, key, []byte("v"))
	return err
}

// has reports what the server holds, whatever happens at the proxy.
func (r *natsRig) has(t *testing.T, key string) bool {
	t.Helper()
	_, err := r.beside.Get(t.Context(), key)
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// works waits until the client behind the proxy can write again.
func (r *natsRig) works(t *testing.T, key string) {
	t.Helper()
	eventually(t, "the client works again", func() bool { return r.put(t, key, time.Second) == nil })
	if !r.has(t, key) {
		t.Errorf("%s was acknowledged and is not there", key)
	}
}

func TestNATSUnderLatency(t *testing.T) {
	r := newNATSRig(t)
	const latency = 30 * time.Millisecond
	r.proxy.AddLatency(live.Requests, latency)
	r.proxy.AddLatency(live.Replies, latency)
	begun := time.Now()
	if err := r.put(t, "k", patience); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 2*latency {
		t.Errorf("a round trip took %s with a latency of %s each way", took, latency)
	}
	if _, err := r.behind.Get(t.Context(), "k"); err != nil {
		t.Error(err)
	}
}

func TestNATSBehindACutOfRequests(t *testing.T) {
	r := newNATSRig(t)
	r.proxy.Cut(live.Requests)
	if err := r.put(t, "lost", 200*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	r.proxy.Heal(live.Requests)
	r.works(t, "after")
	if r.has(t, "lost") || r.reconnects.Load() == 0 {
		t.Errorf("lost is there: %v; %d reconnects", r.has(t, "lost"), r.reconnects.Load())
	}
}

func TestNATSBehindACutOfReplies(t *testing.T) {
	r := newNATSRig(t)
	r.proxy.Cut(live.Replies)
	if err := r.put(t, "applied", 200*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	eventually(t, "the write was applied", func() bool { return r.has(t, "applied") })
	r.proxy.Heal(live.Replies)
	r.works(t, "after")
}

func TestNATSBehindAHoldWritesLate(t *testing.T) {
	r := newNATSRig(t)
	r.proxy.Hold()
	if err := r.put(t, "late", 200*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if r.has(t, "late") {
		t.Error("a request that is held was applied")
	}
	r.proxy.Release()
	eventually(t, "the write lands after its caller gave up", func() bool { return r.has(t, "late") })
	r.works(t, "after")
	if r.reconnects.Load() != 0 || r.proxy.Counts().Reset != 0 {
		t.Errorf("a hold cost the connection: %d reconnects, %+v", r.reconnects.Load(), r.proxy.Counts())
	}
}

func TestNATSReconnectsAfterAReset(t *testing.T) {
	r := newNATSRig(t)
	r.proxy.ResetAll()
	r.works(t, "after")
	eventually(t, "it has reconnected", func() bool { return r.reconnects.Load() > 0 })
}

func TestNATSLosesAReplyInTheMiddle(t *testing.T) {
	r := newNATSRig(t)
	done := r.proxy.CutReplyAfter(5)
	if err := r.put(t, "applied", 200*time.Millisecond); err == nil {
		t.Error("acknowledged by a reply that was cut")
	}
	<-done
	if !r.has(t, "applied") {
		t.Error("the write whose reply was cut was not applied")
	}
	r.works(t, "after")
}

// TestNATSUnderAPlan runs faults of the network and of the server one after the
// other in real time, and then finds a whole world.
func TestNATSUnderAPlan(t *testing.T) {
	r := newNATSRig(t)
	start := time.Now()
	i, err := live.NewInjector(parse(t, `
		0ms   +400ms latency c0 2ms
		20ms  +60ms  jitter c0 2ms
		50ms  +50ms  partition c0
		120ms +50ms  hold c0
		180ms +50ms  store-restart store
		300ms +50ms  store-down store`),
		live.Targets{
			Clients: []live.Client{{Proxy: r.proxy}},
			Server: live.Server{
				Stop:  func() error { r.server.Shutdown(); return nil },
				Start: func() error { return r.server.Start(context.Background()) },
			},
		})
	if err != nil {
		t.Fatal(err)
	}
	writing, stop := context.WithCancel(t.Context())
	failed := make(chan int)
	go func() {
		failures := 0
		for writing.Err() == nil {
			if r.put(t, "k", 20*time.Millisecond) != nil {
				failures++
			}
		}
		failed <- failures
	}()
	applied, err := i.Run(t.Context(), func() time.Duration { return time.Since(start) })
	stop()
	if err != nil || len(applied) != 6 {
		t.Errorf("applied %+v, error %v", applied, err)
	}
	for _, a := range applied {
		if a.At < a.Fault.Start || a.Until < a.Fault.End() {
			t.Errorf("too early: %+v", a)
		}
	}
	if failures := <-failed; failures == 0 {
		t.Error("no write failed")
	}
	if !r.proxy.Whole() {
		t.Errorf("something of the plan is left in the network: %+v", r.proxy.Counts())
	}
	r.works(t, "after")
}

// patience bounds what must happen.
const patience = 20 * time.Second

func newProxy(t *testing.T, upstream string) *live.Proxy {
	t.Helper()
	p, err := live.NewProxy(upstream, live.ProxyConfig{Name: "c0", Choices: live.NewChoices(sim.NewRandom(1))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func parse(t *testing.T, text string) fault.Plan {
	t.Helper()
	p, err := fault.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
