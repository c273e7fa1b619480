package harness

import (
	"testing"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// BenchmarkSimulate is the reference lock under all faults, five clients, a lease
// of 10 s, with its verdict, on one core; an operation is one seed.
func BenchmarkSimulate(b *testing.B) {
	b.ReportAllocs()
	s := sweep(b, Sweep{Subject: subjects.Reference(), Base: scenario(b, subjects.ReferenceName, "all"), First: 1, Seeds: b.N})
	if s.Verdict == linearizability.Violation {
		b.Fatal(s.Properties)
	}
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(s.Counters.StoreOps)/seconds, "store-ops/s")
	b.ReportMetric(float64(s.Counters.Events)/seconds, "events/s")
	b.ReportMetric(s.Counters.Virtual.Seconds()/seconds, "x-real-time")
}

// BenchmarkMutantsCaught is how many seeds it takes until each broken lock is
// seen to break what it is said to break.
func BenchmarkMutantsCaught(b *testing.B) {
	for _, subject := range subjects.All() {
		if subject.Breaks == "" {
			continue
		}
		b.Run(subject.Name, func(b *testing.B) {
			seeds, next := 0, uint64(1)
			for b.Loop() {
				after, r := caught(b, subject, next, 10_000)
				if r == nil {
					b.Fatalf("not caught in 10000 seeds from %d", next)
				}
				seeds += after
				next += uint64(after)
			}
			b.ReportMetric(float64(seeds)/float64(b.N), "seeds/catch")
		})
	}
}
