package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Profile is what clients suffer from: their network, and what stops them. It
// is an assumption about the place where a lock will run, and a figure that was
// predicted with it is as good as that.
type Profile struct {
	// Name is shown. It has no spaces, slashes or commas.
	Name string
	// RTT is the time of a round trip, evenly between its two bounds. If it is
	// zero, the measured latency of the backend is used instead.
	RTT Span
	// LossPPM is how many requests in a million get lost, and as many replies:
	// not packets, which a transport sends again, but requests that are never
	// answered.
	LossPPM int64
	// Partition cuts one client off from the store, both ways.
	Partition Episodes
	// Pause stops one client's process while its clock runs: a collector of
	// garbage, a virtual machine that is moved, a disk that hangs.
	Pause Episodes
	// Suspend puts one client's machine to sleep.
	Suspend Episodes
	// DriftPPM bounds by how many parts per million each client's clock is fast
	// or slow; each keeps a rate of its own, evenly drawn between the bounds.
	DriftPPM int64
}

// Span is a range of times, both ends included.
type Span struct{ Low, High time.Duration }

// Episodes come to each client at random instants.
type Episodes struct {
	// Every is the mean time from one to the next; 0: there are none.
	Every time.Duration
	// Length is how long they are: as likely between one and two seconds as
	// between two and four, within the bounds.
	Length Span
}

// maxPartsPerMillion is certainty.
const maxPartsPerMillion = 1_000_000

// ProfileInfo is a named profile and what it stands for.
type ProfileInfo struct {
	Profile Profile
	Summary string
}

// Profiles lists the named profiles. But for the latency of those without an
// RTT they are assumptions, round numbers to start from, and not measurements
// of anybody's network.
func Profiles() []ProfileInfo {
	return []ProfileInfo{
		{Profile{Name: "calm"}, "the measured latency and nothing else: what can be compared with a live measurement"},
		{Profile{
			Name: "lan", LossPPM: 10, DriftPPM: 50,
			Partition: Episodes{7 * 24 * time.Hour, Span{500 * time.Millisecond, 20 * time.Second}},
			Pause:     Episodes{24 * time.Hour, Span{100 * time.Millisecond, 5 * time.Second}},
		}, "the measured latency; a client is cut off once a week and stands still once a day"},
		{Profile{
			Name: "wan", RTT: Span{60 * time.Millisecond, 180 * time.Millisecond}, LossPPM: 1000, DriftPPM: 50,
			Partition: Episodes{24 * time.Hour, Span{500 * time.Millisecond, 60 * time.Second}},
			Pause:     Episodes{24 * time.Hour, Span{100 * time.Millisecond, 5 * time.Second}},
		}, "a store on another continent, cut off once a day"},
		{Profile{
			Name: "rough", LossPPM: 5000, DriftPPM: 200,
			Partition: Episodes{4 * time.Hour, Span{500 * time.Millisecond, 30 * time.Second}},
			Pause:     Episodes{2 * time.Hour, Span{100 * time.Millisecond, 10 * time.Second}},
		}, "the measured latency on crowded machines and a bad network"},
		{Profile{
			Name: "laptop", DriftPPM: 100,
			Suspend: Episodes{4 * time.Hour, Span{10 * time.Second, time.Hour}},
		}, "the measured latency; the machine sleeps every four hours"},
	}
}

// Faultless reports whether nothing ever goes wrong in p.
func (p Profile) Faultless() bool {
	return p.LossPPM == 0 && p.DriftPPM == 0 && p.Partition.Every == 0 && p.Pause.Every == 0 && p.Suspend.Every == 0
}

// ParseProfile reads what String wrote: the name of a profile, changes to it, or
// both, separated by commas:
//
//	lan
//	lan,pause=6h:1s-20s,loss=0.1%
//	rtt=2ms-5ms,drift=50ppm,name=ours
//
// An episode is "mean time between two : length of one"; "none" takes away what
// the named profile has. Without a name at the front the profile begins calm.
func ParseProfile(text string) (Profile, error) {
	parts := strings.Split(text, ",")
	p, named, err := startProfile(parts[0])
	if err != nil {
		return p, fmt.Errorf("profile %q: %w", text, err)
	}
	given := ""
	if !named {
		p.Name = ""
	} else if parts = parts[1:]; len(parts) == 0 {
		return p, nil
	}
	for _, part := range parts {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return p, fmt.Errorf("profile %q: %q is not of the form key=value", text, part)
		}
		if key == "name" {
			given = value
			continue
		}
		if err := p.set(key, value); err != nil {
			return p, fmt.Errorf("profile %q: %s: %w", text, key, err)
		}
	}
	p.Name = given
	if p.Name == "" {
		p.Name = strings.ReplaceAll(text, ",", "+")
	}
	if err := p.validate(); err != nil {
		return p, fmt.Errorf("profile %q: %w", text, err)
	}
	return p, nil
}

// startProfile looks whether the first part names a profile.
func startProfile(part string) (p Profile, named bool, err error) {
	if strings.Contains(part, "=") {
		return Profile{}, false, nil
	}
	var names []string
	for _, info := range Profiles() {
		if info.Profile.Name == part {
			return info.Profile, true, nil
		}
		names = append(names, info.Profile.Name)
	}
	return Profile{}, false, fmt.Errorf("there is no profile %q; there are %s", part, strings.Join(names, ", "))
}

func (p *Profile) set(key, value string) (err error) {
	switch key {
	case "rtt":
		p.RTT, err = parseSpan(value)
	case "loss":
		p.LossPPM, err = parseParts(value)
	case "drift":
		p.DriftPPM, err = parseParts(value)
	case "partition":
		p.Partition, err = parseEpisodes(value)
	case "pause":
		p.Pause, err = parseEpisodes(value)
	case "suspend":
		p.Suspend, err = parseEpisodes(value)
	default:
		err = errors.New("there is no such key; there are rtt, loss, partition, pause, suspend, drift and name")
	}
	return err
}

// String returns what ParseProfile reads: the whole profile, but for the latency
// that is measured.
func (p Profile) String() string {
	for _, info := range Profiles() {
		if info.Profile == p {
			return p.Name
		}
	}
	var parts []string
	add := func(key, value string) { parts = append(parts, key+"="+value) }
	if p.RTT != (Span{}) {
		add("rtt", p.RTT.String())
	}
	if p.LossPPM > 0 {
		add("loss", fmt.Sprint(p.LossPPM, "ppm"))
	}
	for _, e := range []struct {
		key      string
		episodes Episodes
	}{{"partition", p.Partition}, {"pause", p.Pause}, {"suspend", p.Suspend}} {
		if e.episodes.Every > 0 {
			add(e.key, e.episodes.Every.String()+":"+e.episodes.Length.String())
		}
	}
	if p.DriftPPM > 0 {
		add("drift", fmt.Sprint(p.DriftPPM, "ppm"))
	}
	add("name", p.Name)
	return strings.Join(parts, ",")
}

// assumes says in words what p assumes.
func (p Profile) assumes() string {
	parts := []string{"round trips as measured"}
	if p.RTT != (Span{}) {
		parts[0] = "round trips of " + p.RTT.words()
	}
	if p.LossPPM > 0 {
		parts = append(parts, figure(float64(p.LossPPM))+" requests in a million lost, and as many replies")
	}
	for _, e := range []struct {
		does string
		Episodes
	}{{"cut off", p.Partition}, {"standing still", p.Pause}, {"asleep", p.Suspend}} {
		if e.Every > 0 {
			parts = append(parts, fmt.Sprintf("%s %s for %s", e.does, Rate(1/e.Every.Hours()).times(), e.Length.words()))
		}
	}
	return strings.Join(parts, "; ")
}

// words is a span as people say it.
func (s Span) words() string {
	if s.Low == s.High {
		return seconds(s.Low)
	}
	return seconds(s.Low) + " to " + seconds(s.High)
}

// String returns "low-high", or one time where the two are the same.
func (s Span) String() string {
	if s.Low == s.High {
		return s.Low.String()
	}
	return s.Low.String() + "-" + s.High.String()
}

func parseSpan(text string) (s Span, err error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	if s.Low, err = time.ParseDuration(low); err != nil {
		return s, err
	}
	if s.High, err = time.ParseDuration(high); err != nil {
		return s, err
	}
	if s.Low <= 0 || s.High < s.Low {
		return s, fmt.Errorf("%q must go from more than 0 to as much or more", text)
	}
	return s, nil
}

func parseEpisodes(text string) (e Episodes, err error) {
	if text == "none" {
		return e, nil
	}
	every, length, ok := strings.Cut(text, ":")
	if !ok {
		return e, fmt.Errorf("%q is not of the form every:length, such as 6h:1s-20s", text)
	}
	if e.Every, err = time.ParseDuration(every); err != nil {
		return e, err
	}
	if e.Length, err = parseSpan(length); err != nil {
		return e, err
	}
	if e.Every <= 0 {
		return e, fmt.Errorf("every %s must be more than 0", e.Every)
	}
	return e, nil
}

// parseParts reads a share, as 0.1% or 1000ppm.
func parseParts(text string) (int64, error) {
	if text == "none" {
		return 0, nil
	}
	number, unit := strings.TrimSuffix(text, "%"), 10_000.0
	if number == text {
		number, unit = strings.TrimSuffix(text, "ppm"), 1
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || number == text {
		return 0, fmt.Errorf("%q is not of the form 0.1%% or 1000ppm", text)
	}
	if f = f*unit + 0.5; !(f >= 0.5 && f < maxPartsPerMillion) {
		return 0, fmt.Errorf("%q must be from 0 to under 100%%", text)
	}
	return int64(f), nil
}

func (p Profile) validate() error {
	if p.Name == "" || strings.ContainsAny(p.Name, " /,\t\n") {
		return fmt.Errorf("name %q must not be empty nor contain spaces, slashes or commas", p.Name)
	}
	for _, e := range []Episodes{p.Partition, p.Pause, p.Suspend} {
		if e.Every > 0 && e.Length.High >= e.Every {
			return fmt.Errorf("an episode of up to %s every %s leaves no time in between", e.Length.High, e.Every)
		}
	}
	if most := int64(maxDriftPPM); p.DriftPPM > most {
		return fmt.Errorf("drift %dppm is beyond what the lock allows for, %dppm: it would promise nothing", p.DriftPPM, most)
	}
	return nil
}

// maxDriftPPM is the lock's default.
const maxDriftPPM = 10_000
