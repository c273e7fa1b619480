package linearizability

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// contended makes the history of one lock that clients fight over: each waits for
// it, renews it some times and releases it; sometimes one crashes or lets its
// lease run out, an acquire stays without an answer, or a try is refused.
func contended(clients, operations int, seed uint64) (Params, History) {
	p := Params{TTL: 10 * time.Second, NoticeSlack: time.Second, LivenessTTLs: 5}
	p.Promises = LeasePromises(p.TTL, 0)
	p.Promises.Tokens, p.Promises.LossNotice = true, true
	r := rand.New(rand.NewPCG(seed, 1))
	h := make(History, 0, 2*operations+16)
	now, grants, next := int64(0), int64(0), clients
	process := make([]int, clients)
	waiting := make([]bool, clients)
	for c := range process {
		process[c] = c
	}
	pass := func(most time.Duration) { now += 1 + r.Int64N(int64(most)) }
	add := func(c int, op Op, phase Phase, grant int64) *Event {
		h = append(h, Event{At: now, Client: c, Process: process[c], Lock: "a", Op: op, Phase: phase, Grant: grant})
		return &h[len(h)-1]
	}
	for len(h) < 2*operations {
		holder := r.IntN(clients)
		for c := range clients {
			if !waiting[c] && (c == holder || r.IntN(2) == 0) {
				pass(time.Millisecond)
				add(c, OpAcquire, Invoke, 0)
				waiting[c] = true
			}
		}
		pass(10 * time.Millisecond)
		grants++
		add(holder, OpAcquire, Ok, grants).Token = uint64(grants)
		waiting[holder] = false
		for range r.IntN(4) {
			pass(3 * time.Second)
			add(holder, OpRenew, Invoke, grants)
			pass(5 * time.Millisecond)
			add(holder, OpRenew, Ok, grants)
		}
		for c := range clients {
			if c != holder && waiting[c] && r.IntN(4) == 0 {
				add(c, OpAcquire, Fail, 0).Holder = holder + 1
				waiting[c] = false
			}
		}
		pass(time.Second)
		switch r.IntN(20) {
		case 0:
			add(holder, OpCrash, Info, 0)
			process[holder] = next
			next++
			now += int64(p.TTL)
		case 1:
			now += int64(p.TTL)
			add(holder, OpExpire, Info, grants)
			add(holder, OpLost, Info, grants)
		case 2:
			add(holder, OpRelease, Invoke, grants)
			pass(time.Second)
			add(holder, OpRelease, Info, grants)
			process[holder] = next
			next++
			now += int64(p.TTL)
		default:
			add(holder, OpRelease, Invoke, grants)
			pass(5 * time.Millisecond)
			add(holder, OpRelease, Ok, grants)
		}
	}
	p.End = time.Duration(now)
	return p, h
}

func TestContendedHistoryIsJudgedByTheWitness(t *testing.T) {
	p, h := contended(5, 20_000, 1)
	v := Check(context.Background(), p, h)
	if v.Verdict != OK {
		t.Fatalf("%+v", v)
	}
}

// BenchmarkCheckSmall is what every simulated seed pays.
func BenchmarkCheckSmall(b *testing.B) {
	p, h := contended(5, 300, 1)
	var c Checker
	b.ReportAllocs()
	for b.Loop() {
		if v := c.Check(context.Background(), p, h); v.Verdict != OK {
			b.Fatal(v)
		}
	}
	b.ReportMetric(float64(len(h))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkCoverageSmall(b *testing.B) {
	p, h := contended(5, 300, 1)
	var c Checker
	b.ReportAllocs()
	for b.Loop() {
		c.Coverage(p, h)
	}
}

// BenchmarkSearchSmall is a history for which porcupine has to be asked.
func BenchmarkSearchSmall(b *testing.B) {
	p, h := contended(5, 300, 1)
	for i := range h {
		if h[i].Op == OpAcquire && h[i].Phase == Ok && h[i].Grant == 30 {
			h[i].Token = 28
		}
	}
	var c Checker
	b.ReportAllocs()
	for b.Loop() {
		if v := c.Check(context.Background(), p, h); v.Verdict != Violation {
			b.Fatal(v)
		}
	}
}

// BenchmarkMillion judges a million operations on one contended lock. Both peaks
// are of the live and not yet swept heap; the first has the history in it.
func BenchmarkMillion(b *testing.B) {
	const operations = 1_000_000
	p, h := contended(5, operations, 1)
	runtime.GC()
	before := heap()
	peak := uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	// The sampler is stopped and waited for below.
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				peak = max(peak, heap())
			}
		}
	}()
	for b.Loop() {
		if v := Check(context.Background(), p, h); v.Verdict != OK {
			b.Fatal(v)
		}
	}
	close(stop)
	<-stopped
	b.ReportMetric(float64(len(h))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(peak)/1e6, "peak-MB")
	b.ReportMetric(float64(peak-before)/1e6, "checker-MB")
}

func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// BenchmarkMillionViolated is the same with a token that falls in the middle.
func BenchmarkMillionViolated(b *testing.B) {
	p, h := contended(5, 1_000_000, 1)
	wrong := false
	for i := len(h) / 2; !wrong; i++ {
		if h[i].Op == OpAcquire && h[i].Phase == Ok {
			h[i].Token -= 1000
			wrong = true
		}
	}
	for b.Loop() {
		v := Check(context.Background(), p, h)
		if property, _ := v.Property(LockLinearizability); property.Verdict != Violation {
			b.Fatal(property)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	p, h := contended(5, 100_000, 1)
	for b.Loop() {
		if err := Write(io.Discard, p, h); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(h))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkRead(b *testing.B) {
	p, h := contended(5, 100_000, 1)
	var buf bytes.Buffer
	if err := Write(&buf, p, h); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := Read(bytes.NewReader(buf.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(h))*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
