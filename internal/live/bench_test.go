package live

import (
	"bufio"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// BenchmarkRoundTrip measures what the proxy costs, and how exact its latency
// is: "late-ns" is by how much the middle round trip exceeds twice the latency.
func BenchmarkRoundTrip(b *testing.B) {
	for _, c := range []struct {
		name    string
		latency time.Duration
	}{{"none", 0}, {"1ms", time.Millisecond}, {"10ms", 10 * time.Millisecond}} {
		b.Run(c.name, func(b *testing.B) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			r := NewRuntime(NewClock(func() time.Duration { return 0 }, ClockConfig{}))
			r.Go(func() {
				if conn, err := listener.Accept(); err == nil {
					_, _ = io.Copy(conn, conn)
					_ = conn.Close()
				}
			})
			p, err := NewProxy(listener.Addr().String(), ProxyConfig{Choices: seeded()})
			if err != nil {
				b.Fatal(err)
			}
			conn, err := net.Dial("tcp", p.Addr())
			if err != nil {
				b.Fatal(err)
			}
			p.AddLatency(Requests, c.latency)
			p.AddLatency(Replies, c.latency)
			answers := bufio.NewReader(conn)
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				if _, err := conn.Write([]byte("x")); err != nil {
					b.Fatal(err)
				}
				if _, err := answers.ReadByte(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]-2*c.latency), "late-ns")
			_ = conn.Close()
			_ = p.Close()
			_ = listener.Close()
			if err := r.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
