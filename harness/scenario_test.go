package harness

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// anyScenario draws a valid scenario.
func anyScenario(t *rapid.T) Scenario {
	all := subjects.All()
	subject := all[rapid.IntRange(0, len(all)-1).Draw(t, "subject")]
	ttl := time.Duration(rapid.Int64Range(30, 100_000).Draw(t, "ttl")) * time.Millisecond
	between := func(name string, low, high time.Duration) Duration {
		return Duration(rapid.Int64Range(int64(low), int64(high)).Draw(t, name))
	}
	permille := func(name string) uint64 { return rapid.Uint64Range(0, 1000).Draw(t, name) }
	s := Scenario{
		Schema: ScenarioSchema, Backend: BackendSim, Subject: subject.Name,
		Seed: rapid.Uint64().Draw(t, "seed"), Clients: rapid.IntRange(1, 256).Draw(t, "clients"), Locks: rapid.IntRange(1, 1024).Draw(t, "locks"),
		TTL: Duration(ttl), RenewEvery: between("renew", shortest, ttl/3), PollEvery: between("poll", shortest, ttl),
		RequestTimeout: between("timeout", shortest, ttl), MaxClockDriftPPM: rapid.Int64Range(1, 500_000).Draw(t, "drift"),
		Duration: between("duration", 10*ttl, 20*ttl), LivenessTTLs: rapid.IntRange(3, 1000).Draw(t, "liveness"),
		Workload: Workload{
			HoldMax: between("hold", 1, longest), ThinkMax: between("think", 1, longest), EffectEvery: between("effect", 1, longest),
			Try: permille("try"), GiveUp: permille("give up"), Abandon: permille("abandon"), Die: permille("die"),
		},
		Kinds: rapid.SliceOfNDistinct(rapid.SampledFrom(fault.Kinds()), 0, 5, rapid.ID[fault.Kind]).Draw(t, "kinds"),
	}
	s, err := s.Draw(subject, s.Seed, 0)
	if err != nil {
		t.Skip(err)
	}
	return s
}

func TestAScenarioFileReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScenario(t)
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeScenario(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		again, err := got.Encode()
		if err != nil || string(again) != string(b) {
			t.Fatalf("%v\n%s", err, cmp.Diff(string(b), string(again)))
		}
		if len(s.Plan) > 0 && !reflect.DeepEqual(got, s) {
			t.Fatal(cmp.Diff(s, got))
		}
	})
}

func FuzzScenario(f *testing.F) {
	for seed := range uint64(5) {
		b, err := varied(f, seed).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte(`{"schema":"lockproof.scenario/v1"}`))
	f.Add([]byte(`{"schema":"lockproof.scenario/v1","ttl":"-9223372036854775808ns","kinds":["\u001b[2J"],"plan":[""]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeScenario(b)
		if err != nil {
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("decoded, and not valid: %v", err)
		}
		text, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeScenario(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if second, _ := again.Encode(); string(second) != string(text) {
			t.Fatal(cmp.Diff(string(text), string(second)))
		}
	})
}

func TestWhatIsWrongWithAScenarioIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Scenario)
		want   []string // what was given, and what is accepted
	}{
		"schema":           {func(s *Scenario) { s.Schema = "lockproof.scenario/v2" }, []string{"lockproof.scenario/v2", "lockproof.scenario/v1"}},
		"subject":          {func(s *Scenario) { s.Subject = "" }, []string{"names no subject"}},
		"backend":          {func(s *Scenario) { s.Backend = "" }, []string{"names no backend"}},
		"no clients":       {func(s *Scenario) { s.Clients = 0 }, []string{"clients 0", "1 and 256"}},
		"many clients":     {func(s *Scenario) { s.Clients = 257 }, []string{"clients 257", "1 and 256"}},
		"negative clients": {func(s *Scenario) { s.Clients = -1 }, []string{"clients -1", "1 and 256"}},
		"no locks":         {func(s *Scenario) { s.Locks = 0 }, []string{"locks 0", "1 and 1024"}},
		"many locks":       {func(s *Scenario) { s.Locks = 1025 }, []string{"locks 1025", "1 and 1024"}},
		"short ttl":        {func(s *Scenario) { s.TTL = Duration(29 * time.Millisecond) }, []string{"ttl 29ms", "30ms", "24h"}},
		"long ttl":         {func(s *Scenario) { s.TTL = Duration(25 * time.Hour) }, []string{"ttl 25h", "30ms", "24h"}},
		"odd ttl":          {func(s *Scenario) { s.TTL++ }, []string{"ttl 10.000000001s", "whole milliseconds"}},
		"negative ttl":     {func(s *Scenario) { s.TTL = -s.TTL }, []string{"ttl -10s", "30ms"}},
		"slow renewals":    {func(s *Scenario) { s.RenewEvery = Duration(4 * time.Second) }, []string{"10s", "4s", "three renewals", "ttl/3"}},
		"no renewals":      {func(s *Scenario) { s.RenewEvery = 0 }, []string{"renewal interval 0s", "1ms", "third of the ttl 10s"}},
		"no poll":          {func(s *Scenario) { s.PollEvery = 0 }, []string{"poll interval 0s", "1ms", "10s"}},
		"busy poll":        {func(s *Scenario) { s.PollEvery = 1 }, []string{"poll interval 1ns", "1ms", "10s"}},
		"slow poll":        {func(s *Scenario) { s.PollEvery = s.TTL + 1 }, []string{"poll interval 10.000000001s", "ttl 10s"}},
		"no timeout":       {func(s *Scenario) { s.RequestTimeout = 0 }, []string{"request timeout 0s", "1ms", "10s"}},
		"long timeout":     {func(s *Scenario) { s.RequestTimeout = Duration(time.Minute) }, []string{"request timeout 1m0s", "ttl 10s"}},
		"no drift":         {func(s *Scenario) { s.MaxClockDriftPPM = 0 }, []string{"drift 0 ppm", "1 and 500000"}},
		"much drift":       {func(s *Scenario) { s.MaxClockDriftPPM = 500_001 }, []string{"drift 500001 ppm", "1 and 500000"}},
		"no duration":      {func(s *Scenario) { s.Duration = 0 }, []string{"duration 0s", "more than 0", "720h"}},
		"endless":          {func(s *Scenario) { s.Duration = Duration(721 * time.Hour) }, []string{"duration 721h", "720h"}},
		"little liveness":  {func(s *Scenario) { s.LivenessTTLs = 2 }, []string{"liveness ttls 2", "3 and 1000"}},
		"much liveness":    {func(s *Scenario) { s.LivenessTTLs = 1001 }, []string{"liveness ttls 1001", "3 and 1000"}},
		"no hold":          {func(s *Scenario) { s.Workload.HoldMax = 0 }, []string{"hold_max 0s", "more than 0"}},
		"endless think":    {func(s *Scenario) { s.Workload.ThinkMax = math.MaxInt64 }, []string{"think_max 2562047h", "720h"}},
		"no effects":       {func(s *Scenario) { s.Workload.EffectEvery = -1 }, []string{"effect_every -1ns", "more than 0"}},
		"certain try":      {func(s *Scenario) { s.Workload.Try = 1001 }, []string{"try_permille 1001", "0 and 1000"}},
		"certain death":    {func(s *Scenario) { s.Workload.Die = math.MaxUint64 }, []string{"die_permille 18446744073709551615", "0 and 1000"}},
		"unknown kind":     {func(s *Scenario) { s.Kinds = []fault.Kind{"fire"} }, []string{`"fire"`, "partition"}},
		"plan at nobody": {func(s *Scenario) {
			s.Plan = fault.Plan{{Kind: fault.Pause, Target: 5, Duration: time.Second}}
		}, []string{"c5", "Target"}},
		"plan too long": {func(s *Scenario) {
			s.Plan = fault.Plan{{Kind: fault.Pause, Start: time.Minute, Duration: time.Hour}}
		}, []string{"1h", "2m0s"}},
		"kind of another world": {func(s *Scenario) {
			s.Backend, s.Kinds = "memory", []fault.Kind{fault.Pause}
		}, []string{"pause", "cannot be injected", "one by one"}},
		"plan of another world": {func(s *Scenario) {
			s.Backend, s.Plan = "memory", fault.Plan{{Kind: fault.Suspend, Duration: time.Second}}
		}, []string{"suspend", "cannot be injected", "put to sleep"}},
	} {
		s := Scenario{}.WithDefaults()
		if err := s.Validate(); err != nil {
			t.Fatalf("the default scenario: %v", err)
		}
		c.change(&s)
		err := s.Validate()
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not name %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line: %q", name, err)
		}
		if _, runErr := Run(t.Context(), lockOf(t, s), s); runErr == nil {
			t.Errorf("%s: it ran", name)
		}
	}
}

func TestAFileThatIsNoScenarioIsRefused(t *testing.T) {
	whole, err := draw(t, quick(t, subjects.ReferenceName, "all"), 3).Encode()
	if err != nil {
		t.Fatal(err)
	}
	edited := func(old, changed string) string {
		text := strings.Replace(string(whole), old, changed, 1)
		if text == string(whole) {
			t.Fatalf("%q is not in the file", old)
		}
		return text
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "not whole JSON"},
		"truncated":       {string(whole[:len(whole)/2]), "not whole JSON"},
		"not JSON":        {"seed: 1\n", "not whole JSON"},
		"an array":        {"[]", "not whole JSON"},
		"null":            {"null", `schema ""`},
		"no schema":       {"{}", `schema ""`},
		"another version": {edited("scenario/v1", "scenario/v2"), "lockproof.scenario/v1"},
		"a history":       {`{"schema":"lockproof.history/v1"}`, "lockproof.history/v1"},
		"unknown field":   {edited(`"seed"`, `"sead"`), "sead"},
		"two of them":     {string(whole) + string(whole), "not whole JSON"},
		"wrong type":      {edited(`"clients": 5`, `"clients": "five"`), "clients"},
		"a fraction":      {edited(`"clients": 5`, `"clients": 5.5`), "clients"},
		"bad duration":    {edited(`"ttl": "10s"`, `"ttl": "10"`), "10"},
		"negative seed":   {edited(`"seed": 3`, `"seed": -3`), "seed"},
	} {
		_, err := DecodeScenario([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestDrawingAPlanDependsOnTheSeedAlone(t *testing.T) {
	b := scenario(t, subjects.ReferenceName, "all")
	seen := map[string]bool{}
	for seed := range uint64(100) {
		a, c := draw(t, b, seed), draw(t, draw(t, b, seed+1), seed)
		if diff := cmp.Diff(a, c); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
		if err := a.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		seen[fmt.Sprint(a.Plan)] = true
	}
	if len(seen) < 95 {
		t.Errorf("100 seeds gave %d plans", len(seen))
	}
	if none := draw(t, scenario(t, subjects.ReferenceName, "none"), 1); none.Plan != nil {
		t.Errorf("without kinds there is a plan: %v", none.Plan)
	}
}

func TestDefaultsFillWhatIsZeroAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScenario(t)
		if diff := cmp.Diff(s, s.WithDefaults()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestExtremeScenariosRunToTheirEnd(t *testing.T) {
	for name, change := range map[string]func(*Scenario){
		"as fast as it goes": func(s *Scenario) {
			s.TTL = Duration(time.Second)
			s.RenewEvery, s.PollEvery, s.RequestTimeout = Duration(shortest), Duration(shortest), Duration(shortest)
			s.Workload.HoldMax, s.Workload.ThinkMax, s.Workload.EffectEvery = 1, 1, 1
		},
		"as slow as it goes": func(s *Scenario) {
			s.Workload.HoldMax, s.Workload.ThinkMax, s.Workload.EffectEvery = Duration(longest), Duration(longest), Duration(longest)
		},
		"a long lease":  func(s *Scenario) { s.TTL = Duration(24 * time.Hour) },
		"a short lease": func(s *Scenario) { s.TTL = Duration(30 * time.Millisecond) },
		"one client":    func(s *Scenario) { s.Clients = 1 },
		"many clients":  func(s *Scenario) { s.Clients = 256 },
		"many locks":    func(s *Scenario) { s.Locks = 1024 },
		"always":        func(s *Scenario) { s.Workload.Try, s.Workload.Abandon, s.Workload.Die = 1000, 1000, 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			s := Scenario{Duration: Duration(2 * time.Second)}
			change(&s)
			s.Workload = Workload{}
			s = s.WithDefaults()
			change(&s)
			s.Kinds, _ = fault.ParseKinds("clock-offset,crash")
			s.Duration = max(s.Duration, s.TTL/100)
			s, err := s.Draw(subjects.Reference(), 1, 0)
			if err != nil {
				t.Skip(err)
			}
			if r := simulated(t, s); r.Verdict.Malformed != "" {
				t.Error(r.Verdict.Malformed)
			}
		})
	}
}

func TestARunThatIsInterruptedSaysSo(t *testing.T) {
	s := quick(t, subjects.ReferenceName, "none")
	s.Duration = Duration(longest)
	ctx, cancel := contextThatEndsAfter(t, 20)
	defer cancel()
	r, err := Simulate(ctx, lockOf(t, s), s, sim.NewRandom(1))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.TraceHash != 0 || r.Counters.Virtual >= s.Length() || len(r.History) == 0 {
		t.Errorf("interrupted %v, hash %x, %s of %s, %d events", r.Interrupted, r.TraceHash, r.Counters.Virtual, s.Length(), len(r.History))
	}
	if r.Verdict.Malformed != "" {
		t.Errorf("what there was is malformed: %s", r.Verdict.Malformed)
	}
}
