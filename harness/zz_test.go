package harness

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/lockproof/lockproof/fault"
)

func TestZZ(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("ZN"))
	if n == 0 {
		t.Skip()
	}
	first, _ := strconv.Atoi(os.Getenv("ZFIRST"))
	kinds, err := fault.ParseKinds(os.Getenv("ZK"))
	if err != nil {
		t.Fatal(err)
	}
	subject := os.Getenv("ZS")
	if subject == "" {
		subject = "reference"
	}
	base := Scenario{Subject: subject, Kinds: kinds}
	if c, _ := strconv.Atoi(os.Getenv("ZC")); c > 0 {
		base.Clients = c
	}
	if c, _ := strconv.Atoi(os.Getenv("ZL")); c > 0 {
		base.Locks = c
	}
	stop, _ := strconv.Atoi(os.Getenv("ZSTOP"))
	started := time.Now()
	s := sweep(t, Sweep{Base: base.WithDefaults(), First: uint64(first), Seeds: n, Workers: 1, StopAfter: stop})
	t.Logf("%s %d seeds, %d failed, vacuous %q; %d ops in %s", s.Verdict, s.Seeds, s.Failed, s.Vacuous, s.Counters.StoreOps, time.Since(started))
	for _, p := range s.Properties {
		t.Logf("%s: %s: %s", p.Name, p.Verdict, p.Detail)
	}
	for _, f := range s.Failures {
		b, _ := f.Scenario.Encode()
		os.WriteFile("/tmp/simprof/fail-"+strconv.FormatUint(f.Scenario.Seed, 10)+".json", b, 0o644)
		t.Logf("seed %d: %+v", f.Scenario.Seed, *f.Scenario.World)
		for _, p := range f.Verdict.Properties {
			if !p.Informational && p.Verdict != 1 {
				t.Logf("   %s %s: %s", p.Name, p.Verdict, p.Detail)
			}
		}
	}
}

func TestZOps(t *testing.T) {
	file := os.Getenv("ZFILE")
	if file == "" {
		t.Skip()
	}
	b, _ := os.ReadFile(file)
	s, err := DecodeScenario(b)
	if err != nil {
		t.Fatal(err)
	}
	from, _ := time.ParseDuration(os.Getenv("ZFROM"))
	to, _ := time.ParseDuration(os.Getenv("ZTO"))
	r, ops, err := new(scratch).simulate(t.Context(), s, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Plan {
		t.Log(f)
	}
	for _, o := range ops {
		if o.To >= from && o.From <= to {
			t.Logf("op c%d %s..%s %s %s: %s", o.Client, o.From, o.To, o.What, o.Key, o.Outcome)
		}
	}
	for i, e := range r.History {
		if time.Duration(e.At) >= from && time.Duration(e.At) <= to {
			t.Logf("%d %s %+v", i, time.Duration(e.At), e)
		}
	}
}
