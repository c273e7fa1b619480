package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/sim"
	"github.com/lockproof/lockproof/subjects"
)

// ScenarioSchema names the format of a scenario file.
const ScenarioSchema = "lockproof.scenario/v1"

// BackendSim is the name of the simulated world; every other backend is a real
// server.
const BackendSim = "sim"

// Duration is a time.Duration that reads as "10s" in JSON.
type Duration time.Duration

// D is the time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Scenario is everything that a run depends on.
type Scenario struct {
	Schema  string `json:"schema"`
	Subject string `json:"subject"`
	Backend string `json:"backend"`
	Seed    uint64 `json:"seed"`
	Clients int    `json:"clients"`
	Locks   int    `json:"locks"`

	TTL              Duration `json:"ttl"`
	RenewEvery       Duration `json:"renew_every"`
	PollEvery        Duration `json:"poll_every"`
	RequestTimeout   Duration `json:"request_timeout"`
	MaxClockDriftPPM int64    `json:"max_clock_drift_ppm"`
	// Leases are each client's own settings, in the place of the four durations
	// above, which are the longest of them. None: all clients have the same.
	Leases []LeaseSettings `json:"leases,omitempty"`

	// Duration is the safety phase, with faults. The liveness phase that follows
	// it, with everything healed, takes LivenessTTLs leases.
	Duration     Duration `json:"duration"`
	LivenessTTLs int      `json:"liveness_ttls"`

	Workload Workload `json:"workload"`

	// World is the simulated world; nil stands for the one that is drawn from the
	// seed, and for a real one.
	World *Variant `json:"world,omitempty"`

	// Kinds were allowed when Plan was drawn; Plan is what counts.
	Kinds []fault.Kind `json:"kinds"`
	// ClockRatePPM is the rate that was named for every clock-rate fault; 0 if the
	// plan drew them itself.
	ClockRatePPM int64      `json:"clock_rate_ppm,omitempty"`
	Plan         fault.Plan `json:"plan"`
}

// Workload is what the clients do between faults. Probabilities are per mille.
type Workload struct {
	// Hold and Think bound how long a client keeps the lock and stays away from
	// it, drawn for each turn.
	HoldMax  Duration `json:"hold_max"`
	ThinkMax Duration `json:"think_max"`
	// Try: the turn uses TryAcquire instead of waiting.
	Try uint64 `json:"try_permille"`
	// GiveUp: a waiting acquire is cancelled after a while. WaitLimit: it has a
	// limit of its own.
	GiveUp    uint64 `json:"give_up_permille"`
	WaitLimit uint64 `json:"wait_limit_permille,omitempty"`
	// Abandon: the holder does not renew, holds past its end and, half the
	// time, does not release.
	Abandon uint64 `json:"abandon_permille"`
	// Die: the holder's process crashes at a random moment, and restarts.
	Die uint64 `json:"die_permille"`
	// Ask: the holder asks its lease how long it stands; Renew: it renews by hand;
	// Another: it takes a second lock. All are drawn for each access.
	Ask     uint64 `json:"ask_permille,omitempty"`
	Renew   uint64 `json:"renew_permille,omitempty"`
	Another uint64 `json:"another_permille,omitempty"`
	// Do: the turn runs a function under the lock. Inspect: it begins with a look at
	// who holds the lock. Close: it closes the client, and opens another.
	Do      uint64 `json:"do_permille,omitempty"`
	Inspect uint64 `json:"inspect_permille,omitempty"`
	Close   uint64 `json:"close_permille,omitempty"`
	// Parallel: a process uses its client from two or three goroutines. Spread: the
	// clients of a run have settings of their own (Scenario.Leases).
	Parallel uint64 `json:"parallel_permille,omitempty"`
	Spread   uint64 `json:"spread_permille,omitempty"`
	// EffectEvery is how often a holder reads and writes the resource.
	EffectEvery Duration `json:"effect_every"`
}

// Defaults of a scenario.
const (
	DefaultTTL      = 10 * time.Second
	DefaultDuration = 2 * time.Minute
	DefaultClients  = 5
	DefaultDriftPPM = 10_000
	defaultLiveness = 6
)

// WithDefaults fills in what is zero.
func (s Scenario) WithDefaults() Scenario {
	fill := func(d *Duration, v time.Duration) {
		if *d == 0 {
			*d = Duration(v)
		}
	}
	s.Schema = ScenarioSchema
	if s.Subject == "" {
		s.Subject = subjects.ReferenceName
	}
	if s.Backend == "" {
		s.Backend = BackendSim
	}
	if s.Clients == 0 {
		s.Clients = DefaultClients
	}
	if s.Locks == 0 {
		s.Locks = 1
	}
	if s.MaxClockDriftPPM == 0 {
		s.MaxClockDriftPPM = DefaultDriftPPM
	}
	if s.LivenessTTLs == 0 {
		s.LivenessTTLs = defaultLiveness
	}
	fill(&s.TTL, DefaultTTL)
	ttl := s.TTL.D()
	fill(&s.RenewEvery, ttl/3)
	fill(&s.PollEvery, ttl/10)
	fill(&s.RequestTimeout, ttl/6)
	fill(&s.Duration, DefaultDuration)
	if s.Workload == (Workload{}) {
		s.Workload = Workload{
			HoldMax: Duration(ttl), ThinkMax: Duration(ttl / 2), EffectEvery: Duration(ttl / 8),
			Try: 150, GiveUp: 100, WaitLimit: 100, Abandon: 100, Ask: 1000, Renew: 30, Another: 50,
			Do: 100, Inspect: 50, Close: 20, Parallel: 250, Spread: 500,
		}
		if slices.Contains(s.Kinds, fault.Crash) {
			s.Workload.Die = 50
		}
		if s.Backend != BackendSim {
			s.Workload.busy(ttl)
		}
	}
	return s
}

// busy makes more of a run that takes real time: shorter turns, more deaths.
func (w *Workload) busy(ttl time.Duration) {
	w.HoldMax, w.ThinkMax = Duration(ttl/2), Duration(ttl/2)
	w.Die *= 3
}

// shortest is the least that a client waits for anything: with a retry every
// nanosecond a simulation would never come to its end. longest bounds a run.
const (
	shortest    = time.Millisecond
	shortestTTL = 30 * time.Millisecond
	longest     = 30 * 24 * time.Hour
)

// Validate names the first thing that no run could be made of, whatever the
// subject and the backend are. It knows neither: a scenario may have been recorded
// on a backend that is not linked here, with a lock that is not known here.
func (s Scenario) Validate() error {
	if s.Schema != ScenarioSchema {
		return fmt.Errorf("scenario has schema %q; this version reads %q", s.Schema, ScenarioSchema)
	}
	switch {
	case s.Subject == "":
		return errors.New("scenario names no subject")
	case s.Backend == "":
		return errors.New("scenario names no backend")
	case s.Clients < 1 || s.Clients > 256:
		return fmt.Errorf("clients %d must be between 1 and 256", s.Clients)
	case s.Locks < 1 || s.Locks > 1024:
		return fmt.Errorf("locks %d must be between 1 and 1024", s.Locks)
	}
	if err := s.validateTimes(); err != nil {
		return err
	}
	if err := s.validateLeases(); err != nil {
		return err
	}
	if err := s.Workload.validate(); err != nil {
		return err
	}
	if err := s.checkVariant(); err != nil {
		return err
	}
	for _, k := range s.Kinds {
		if fault.Describe(k).Kind == "" {
			return fmt.Errorf("kinds: unknown fault %q; there are %v", k, fault.Kinds())
		}
	}
	// A plan may leave out a kind that was asked for; that it cannot be injected
	// is said all the same.
	if err := fault.CheckInjectable(s.Kinds, s.world()); err != nil {
		return err
	}
	if err := fault.Validate(s.Plan, fault.Limits{Clients: s.Clients, End: s.Duration.D()}); err != nil {
		return err
	}
	return fault.CheckInjectable(s.Plan.Kinds(), s.world())
}

func (s Scenario) validateTimes() error {
	ttl := s.TTL.D()
	switch {
	case ttl < shortestTTL || ttl > 24*time.Hour || ttl%time.Millisecond != 0:
		return fmt.Errorf("ttl %s must be whole milliseconds between 30ms and 24h", s.TTL)
	case s.RenewEvery.D() > ttl/3:
		return fmt.Errorf("ttl %s is shorter than three renewals of %s; renewals must be at least %s and at most ttl/3", s.TTL, s.RenewEvery, shortest)
	case s.RenewEvery.D() < shortest:
		return fmt.Errorf("renewal interval %s must be at least %s and at most a third of the ttl %s", s.RenewEvery, shortest, s.TTL)
	case s.PollEvery.D() < shortest || s.PollEvery.D() > ttl:
		return fmt.Errorf("poll interval %s must be at least %s and at most the ttl %s", s.PollEvery, shortest, s.TTL)
	case s.RequestTimeout.D() < shortest || s.RequestTimeout.D() > ttl:
		return fmt.Errorf("request timeout %s must be at least %s and at most the ttl %s", s.RequestTimeout, shortest, s.TTL)
	case s.MaxClockDriftPPM < 1 || s.MaxClockDriftPPM > 500_000:
		return fmt.Errorf("max clock drift %d ppm must be between 1 and 500000", s.MaxClockDriftPPM)
	case s.Duration <= 0 || s.Duration.D() > longest:
		return fmt.Errorf("duration %s must be more than 0 and at most 720h", s.Duration)
	case s.LivenessTTLs < 3 || s.LivenessTTLs > 1000:
		return fmt.Errorf("liveness ttls %d must be between 3 and 1000", s.LivenessTTLs)
	}
	return nil
}

func (s Scenario) world() fault.World {
	if s.Backend == BackendSim {
		return fault.Sim
	}
	return fault.LiveOneProcess
}

// healAt and end are the bounds of the two phases.
func (s Scenario) healAt() time.Duration { return s.Duration.D() }
func (s Scenario) end() time.Duration {
	return s.Duration.D() + time.Duration(s.LivenessTTLs)*s.TTL.D()
}

// ValidateFor is Validate for a run of this subject, which must be the one that the
// scenario names.
func (s Scenario) ValidateFor(subject subjects.Subject) error {
	switch {
	case subject.New == nil:
		return errors.New("there is no lock to run: a subject needs New")
	case s.Subject != subject.Name:
		return fmt.Errorf("the scenario is one of subject %q, and the lock is %q", s.Subject, subject.Name)
	}
	if err := s.Validate(); err != nil {
		return err
	}
	return s.checkInterruptions(subject)
}

// Draw returns s with seed and with what is drawn from it for this subject: a
// world, the clients' settings, where they may differ, and a plan of the kinds
// allowed, with clock rates of exactly ratePPM if that is not 0.
func (s Scenario) Draw(subject subjects.Subject, seed uint64, ratePPM int64) (Scenario, error) {
	s.Seed, s.ClockRatePPM, s.Leases = seed, ratePPM, s.drawLeases(seed)
	s.World = nil
	s = s.withVariant(subject)
	g := fault.GenerateConfig{
		Kinds: s.Kinds, Clients: s.Clients, Until: s.Duration.D(), TTL: s.TTL.D(),
		RequestTimeout: s.RequestTimeout.D(), WholeLinks: s.Backend != BackendSim,
		MaxClockDriftPPM: s.MaxClockDriftPPM, ClockRatePPM: ratePPM,
	}
	if len(s.Kinds) == 0 {
		s.Plan = nil
		return s, nil
	}
	if err := g.Validate(); err != nil {
		return s, err
	}
	s.Plan = fault.Generate(sim.NewRandom(seed), g)
	return s, nil
}

// Encode writes the scenario as a file.
func (s Scenario) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// DecodeScenario reads a scenario file and validates it.
func DecodeScenario(b []byte) (Scenario, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Scenario{}, fmt.Errorf("scenario is not whole JSON: %w", err)
	}
	if head.Schema != ScenarioSchema {
		return Scenario{}, fmt.Errorf("scenario has schema %q; this version reads %q", head.Schema, ScenarioSchema)
	}
	var s Scenario
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Scenario{}, errors.New("scenario: something follows it in the file")
	}
	return s, s.Validate()
}

// Length is how long a run takes in its world's time.
func (s Scenario) Length() time.Duration { return s.end() }
