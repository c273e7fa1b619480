package linearizability

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Params are the facts of a run that a verdict depends on and that are not
// events. The zero value leaves everything unknown: leases never end by
// themselves, and what needs a missing number is n/a.
type Params struct {
	// TTL is the length of a lease. 0: a grant never ends by itself.
	TTL time.Duration
	// MaxClockDriftPPM is the clock rate error that the subject was promised to
	// meet at most, in millionths.
	MaxClockDriftPPM int64
	// Promises are what the lock is held to.
	Promises Promises
	// HealAt and End are true times since the start of the run: from HealAt on
	// no fault is active; at End recording stopped. End 0: the last event.
	HealAt time.Duration
	End    time.Duration
	// LivenessTTLs bounds, in multiples of TTL, how long a wanted lock may go
	// without a grant after HealAt. 0: see Params.livenessBound.
	LivenessTTLs int
	// RoundTrip and PollEvery are the longest healthy round trip to the store
	// and the longest interval between two looks of a waiting contender.
	RoundTrip time.Duration
	PollEvery time.Duration
	// NoticeSlack is how long after the end of its lease a running holder may
	// stay uninformed.
	NoticeSlack time.Duration
	// Clients is how many clients there are. 0: unknown.
	Clients int
	// Faulty lists when clients stood still (paused or suspended) and so could
	// not be told anything.
	Faulty []Interval
	// Stalls are when the host itself stood still, and with it every client and
	// every timer; Lateness is by how much at most it let a timer or a goroutine wait
	// otherwise. What the host lost is taken off every bound.
	Stalls   []Stall
	Lateness time.Duration
	// StoreContractBroken: the run made the store forget or serve what its
	// contract forbids, so every property may fail for any lock.
	StoreContractBroken bool
}

// Interval is a part of the run in which one client stood still: From included,
// To excluded, both true times since the start of the run.
type Interval struct {
	Client   int
	From, To time.Duration
}

// Stall is a part of the run in which the host stood still: From included, To
// excluded, both true times since the start of the run.
type Stall struct {
	From, To time.Duration
}

// nothingToAnswerFor says why no answer of the lock could be a wrong one, or "".
func (p *Params) nothingToAnswerFor() string {
	switch {
	case p.Promises.ShortestLease == 0 && p.TTL == 0:
		return "ttl not given"
	case p.Promises.ShortestLease == 0 && p.Promises.Release != ReleaseProvesHeld && !p.Promises.Tokens:
		return "not promised: neither a shortest lease, nor tokens, nor that a release proves anything"
	}
	return ""
}

// livenessBound is LivenessTTLs leases or, where only the round trip is known,
// the failover bound of the protocol: ttl x (1 + 2 drift) + two round trips + one
// poll. 0 means that there is no bound to check.
func (p *Params) livenessBound() int64 {
	ttl := int64(p.TTL)
	switch {
	case ttl == 0:
		return 0
	case p.LivenessTTLs > 0:
		return ttl * int64(p.LivenessTTLs)
	case p.RoundTrip > 0:
		return ttl + 2*scalePPM(ttl, p.MaxClockDriftPPM) + 2*int64(p.RoundTrip) + int64(p.PollEvery)
	}
	return 0
}

// scalePPM is d x ppm / 1e6, rounded up, without overflow for any sane value.
func scalePPM(d, ppm int64) int64 {
	return d/1e6*ppm + (d%1e6*ppm+1e6-1)/1e6
}

// maxTime bounds every time and duration of a history: about 36 years. Sums of a
// few of them cannot overflow.
const maxTime = int64(1) << 60

func (p *Params) check() error {
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"ttl", p.TTL}, {"heal_at", p.HealAt}, {"end", p.End}, {"round_trip", p.RoundTrip},
		{"poll_every", p.PollEvery}, {"notice_slack", p.NoticeSlack}, {"lateness", p.Lateness},
	} {
		if d.d < 0 || int64(d.d) > maxTime {
			return fmt.Errorf("%s %v is out of range", d.name, d.d)
		}
	}
	switch {
	case p.MaxClockDriftPPM < 0 || p.MaxClockDriftPPM >= 1e6:
		return fmt.Errorf("max_clock_drift_ppm %d must be from 0 to 999999", p.MaxClockDriftPPM)
	case p.LivenessTTLs < 0 || p.LivenessTTLs > 1e6:
		return fmt.Errorf("liveness_ttls %d is out of range", p.LivenessTTLs)
	case p.LivenessTTLs > 0 && int64(p.TTL) > maxTime/int64(p.LivenessTTLs):
		return fmt.Errorf("liveness_ttls %d x ttl %v is out of range", p.LivenessTTLs, p.TTL)
	case p.Clients < 0 || p.Clients > maxClients:
		return fmt.Errorf("clients %d is out of range", p.Clients)
	}
	for _, f := range p.Faulty {
		if f.Client < 0 || f.Client >= maxClients || f.From < 0 || f.To < f.From || int64(f.To) > maxTime {
			return fmt.Errorf("faulty interval of client %d from %v to %v makes no sense", f.Client, f.From, f.To)
		}
	}
	for _, s := range p.Stalls {
		if s.From < 0 || s.To < s.From || int64(s.To) > maxTime {
			return fmt.Errorf("stall from %v to %v makes no sense", s.From, s.To)
		}
	}
	return p.Promises.check()
}

// span is a duration that reads as "10s" in JSON.
type span time.Duration

func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

func (s *span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	*s = span(d)
	return err
}

type intervalJSON struct {
	Client int  `json:"client"`
	From   span `json:"from"`
	To     span `json:"to"`
}

type stallJSON struct {
	From span `json:"from"`
	To   span `json:"to"`
}

// paramsJSON is Params as a header line spells it.
type paramsJSON struct {
	TTL                 span           `json:"ttl,omitzero"`
	MaxClockDriftPPM    int64          `json:"max_clock_drift_ppm,omitempty"`
	HealAt              span           `json:"heal_at,omitzero"`
	End                 span           `json:"end,omitzero"`
	LivenessTTLs        int            `json:"liveness_ttls,omitempty"`
	RoundTrip           span           `json:"round_trip,omitzero"`
	PollEvery           span           `json:"poll_every,omitzero"`
	NoticeSlack         span           `json:"notice_slack,omitzero"`
	Clients             int            `json:"clients,omitempty"`
	Faulty              []intervalJSON `json:"faulty,omitempty"`
	Stalls              []stallJSON    `json:"stalls,omitempty"`
	Lateness            span           `json:"lateness,omitzero"`
	StoreContractBroken bool           `json:"store_contract_broken,omitempty"`
	Promises            *promisesJSON  `json:"promises,omitempty"`
	// What stood in a header before there were promises. It is read, never written.
	PromisesNotice bool `json:"promises_notice,omitempty"`
	Tokens         bool `json:"tokens,omitempty"`
}

func (p Params) toJSON() paramsJSON {
	j := paramsJSON{
		TTL: span(p.TTL), MaxClockDriftPPM: p.MaxClockDriftPPM, HealAt: span(p.HealAt), End: span(p.End),
		LivenessTTLs: p.LivenessTTLs, RoundTrip: span(p.RoundTrip), PollEvery: span(p.PollEvery),
		NoticeSlack: span(p.NoticeSlack), Lateness: span(p.Lateness), Clients: p.Clients,
		StoreContractBroken: p.StoreContractBroken, Promises: p.Promises.toJSON(),
	}
	for _, f := range p.Faulty {
		j.Faulty = append(j.Faulty, intervalJSON{Client: f.Client, From: span(f.From), To: span(f.To)})
	}
	for _, s := range p.Stalls {
		j.Stalls = append(j.Stalls, stallJSON{span(s.From), span(s.To)})
	}
	return j
}

// check refuses a header that says the same thing in the new way and in the old.
func (j *paramsJSON) check() error {
	if j.Promises != nil && (j.PromisesNotice || j.Tokens) {
		return errors.New("promises_notice and tokens belong inside promises")
	}
	return nil
}

func (j paramsJSON) params() Params {
	p := Params{
		TTL: time.Duration(j.TTL), MaxClockDriftPPM: j.MaxClockDriftPPM, HealAt: time.Duration(j.HealAt),
		End: time.Duration(j.End), LivenessTTLs: j.LivenessTTLs, RoundTrip: time.Duration(j.RoundTrip),
		PollEvery: time.Duration(j.PollEvery), NoticeSlack: time.Duration(j.NoticeSlack),
		Lateness: time.Duration(j.Lateness), Clients: j.Clients, StoreContractBroken: j.StoreContractBroken,
	}
	if j.Promises != nil {
		p.Promises = j.Promises.promises()
	} else if j.TTL >= 0 && j.MaxClockDriftPPM >= 0 && j.MaxClockDriftPPM < 1e6 {
		p.Promises = LeasePromises(p.TTL, p.MaxClockDriftPPM)
		p.Promises.LossNotice, p.Promises.Tokens = j.PromisesNotice, j.Tokens
	}
	for _, f := range j.Faulty {
		p.Faulty = append(p.Faulty, Interval{Client: f.Client, From: time.Duration(f.From), To: time.Duration(f.To)})
	}
	for _, s := range j.Stalls {
		p.Stalls = append(p.Stalls, Stall{time.Duration(s.From), time.Duration(s.To)})
	}
	return p
}

// MarshalJSON writes durations as text ("10s") and leaves out what is unset.
func (p Params) MarshalJSON() ([]byte, error) { return json.Marshal(p.toJSON()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Params) UnmarshalJSON(b []byte) error {
	var j paramsJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if err := j.check(); err != nil {
		return err
	}
	*p = j.params()
	return nil
}
