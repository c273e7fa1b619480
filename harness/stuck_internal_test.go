package harness

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// spinAfter is the reference until so many acquires were asked for, in all; from
// then on it computes until over is closed.
func spinAfter(t *testing.T, acquires int, over <-chan struct{}) subjects.Subject {
	t.Helper()
	subject, err := subjects.Find(subjects.ReferenceName)
	if err != nil {
		t.Fatal(err)
	}
	make := subject.New
	subject.New = func(env subjects.Env) (subjects.Locker, error) {
		locker, err := make(env)
		asked := 0
		return acquirer(func(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
			if asked++; env.Client == 1 && asked > acquires {
				spin(over)
			}
			return locker.Acquire(ctx, name, o)
		}), err
	}
	return subject
}

func spin(over <-chan struct{}) {
	for !spinOver(over) {
	}
	panic("the test is over")
}

func spinOver(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

type acquirer func(context.Context, string, subjects.Options) (subjects.Lease, error)

func (f acquirer) Acquire(ctx context.Context, name string, o subjects.Options) (subjects.Lease, error) {
	return f(ctx, name, o)
}

// A subject that computes for ever fails its run, with the seed and the place, and
// the sweep goes on; it was the end of the whole sweep once.
func TestASubjectThatSpinsIsAFinding(t *testing.T) {
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	subject := spinAfter(t, 12, over)
	base := quick(t, subjects.ReferenceName, "none")
	base.Clients = 2
	s := sweep(t, Sweep{Base: base, First: 1, Seeds: 12, Subject: subject, stuckAfter: 100 * time.Millisecond})
	if s.Failed == 0 || s.Failed > stuckAtMost || len(s.Failures) != s.Failed || s.Seeds <= s.Failed {
		t.Fatalf("%d of %d runs failed, %d kept", s.Failed, s.Seeds, len(s.Failures))
	}
	r := s.Failures[0]
	p, _ := r.Verdict.Property(linearizability.CallReturns)
	if p.Verdict != linearizability.Violation || !strings.Contains(p.Detail, "harness.spin") || len(r.History) == 0 {
		t.Errorf("%s: %s, %d events", p.Verdict, p.Detail, len(r.History))
	}
	if r.Scenario.Seed == 0 || !strings.Contains(r.Stuck, "spin") {
		t.Errorf("seed %d, stacks: %s", r.Scenario.Seed, r.Stuck)
	}
	if small, err := Shrink(t.Context(), lockOf(t, r.Scenario), r); err != nil || small != r {
		t.Errorf("shrunk to %v, error %v", small, err)
	}
}
