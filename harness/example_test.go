package harness_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/lockproof/lockproof/harness"
	"github.com/lockproof/lockproof/harness/target"
	"github.com/lockproof/lockproof/linearizability"
	"github.com/lockproof/lockproof/subjects"
)

// noLock grants to everybody.
type noLock struct{}

func (noLock) Acquire(context.Context, string, subjects.Options) (subjects.Lease, error) {
	return noLease{}, nil
}

type noLease struct{}

func (noLease) Token() uint64                     { return 0 }
func (noLease) ValidUntil() (time.Duration, bool) { return 0, false }
func (noLease) Lost() context.Context             { return context.Background() }
func (noLease) Release(context.Context) error     { return nil }

// A lock of one's own is a value. Nothing has to know its name.
func ExampleSweep() {
	mine := subjects.Subject{Name: "no-lock", New: func(subjects.Env) (subjects.Locker, error) { return noLock{}, nil }}
	base := harness.Scenario{Subject: mine.Name, Clients: 2, Duration: harness.Duration(10 * time.Second)}.WithDefaults()
	s, err := harness.Sweep{Subject: mine, Base: base, First: 1, Seeds: 100, StopAfter: 1}.Run(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	p, _ := s.Failures[0].Verdict.Property(linearizability.MutualExclusion)
	fmt.Println(s.Verdict, p.Name, p.Verdict)
	// Output: violation mutual-exclusion violation
}

// A store is handed over too: one of package target, or a kind of one's own.
func ExampleRun() {
	s := harness.Scenario{
		Backend: "memory", Clients: 2, TTL: harness.Duration(200 * time.Millisecond), Duration: harness.Duration(time.Second), LivenessTTLs: 3,
	}.WithDefaults()
	r, err := harness.Run(context.Background(), subjects.Reference(), s, target.Memory())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Scenario.Subject, "on", r.Server)
	// Output: reference on in-process memory store
}
