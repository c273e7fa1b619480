package harness

import (
	"testing"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// TestAnAimedPauseFallsWhereARandomOneDoesNot: a lock that counts its lease from
// the reply is wrong by as long as it stands still between its request and the
// reply, some milliseconds in a run of two minutes. Pauses at random instants found
// it once in 3,000 seeds; those that are aimed at a request find it in about one
// seed in 13.
func TestAnAimedPauseFallsWhereARandomOneDoesNot(t *testing.T) {
	first := firstSeed(t)
	seeds := max(100, many(150, 10))
	found := func(words string) int {
		s := sweep(t, Sweep{Base: scenario(t, "lease-from-reply", words), First: first, Seeds: seeds, Workers: 2})
		for _, f := range s.Failures {
			if p, _ := f.Verdict.Property(linearizability.MutualExclusion); p.Verdict != linearizability.Violation {
				t.Errorf("%s: seed %d breaks something else", words, f.Scenario.Seed)
			}
		}
		return s.Failed
	}
	random, aimed := found("pause"), found("aimed-pause")
	t.Logf("in %d seeds a random pause found it %d times, an aimed one %d times", seeds, random, aimed)
	if aimed == 0 || aimed < 4*random {
		t.Errorf("in %d seeds a random pause found it %d times, an aimed one %d times", seeds, random, aimed)
	}
	// It is the lock that is found, not the fault: the reference stands up to both.
	s := sweep(t, Sweep{Subject: subjects.Reference(), Base: scenario(t, subjects.ReferenceName, "aimed"), First: first, Seeds: seeds, Workers: 2})
	if s.Failed != 0 {
		t.Errorf("aimed faults break the reference in %d of %d seeds", s.Failed, seeds)
	}
}
