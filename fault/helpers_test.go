package fault

import (
	"hash/fnv"
	"time"

	"pgregory.net/rapid"
)

// seeded is a Chooser whose streams are independent of each other: each has a
// state of its own, that of splitmix64.
type seeded struct {
	seed   uint64
	states map[string]uint64
}

func newSeeded(seed uint64) *seeded { return &seeded{seed, make(map[string]uint64)} }

func (s *seeded) Choose(stream string, n uint64) uint64 {
	if n == 0 {
		panic("a choice of nothing")
	}
	state, ok := s.states[stream]
	if !ok {
		h := fnv.New64a()
		h.Write([]byte(stream))
		state = h.Sum64() ^ (s.seed * 0x9e3779b97f4a7c15)
	}
	state += 0x9e3779b97f4a7c15
	s.states[stream] = state
	z := state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return (z ^ z>>31) % n
}

// drawn is a Chooser of which rapid draws the answers, the least ones included.
type drawn struct{ t *rapid.T }

func (d drawn) Choose(stream string, n uint64) uint64 {
	return rapid.Uint64Range(0, n-1).Draw(d.t, stream)
}

// drawFault draws any fault that is valid by itself.
func drawFault(t *rapid.T) Fault {
	info := Describe(rapid.SampledFrom(Kinds()).Draw(t, "kind"))
	f := Fault{Kind: info.Kind, Target: Store}
	if !info.OnStore {
		f.Target = rapid.IntMin(0).Draw(t, "target")
	}
	f.Start = time.Duration(rapid.Int64Min(0).Draw(t, "start"))
	room := int64(1<<63-1) - int64(f.Start)
	switch info.Duration {
	case Lasting:
		if room == 0 {
			f.Start--
			room++
		}
		f.Duration = time.Duration(rapid.Int64Range(1, room).Draw(t, "duration"))
	case Outage:
		f.Duration = time.Duration(rapid.Int64Range(0, room).Draw(t, "duration"))
	}
	if info.Unit != NoUnit {
		f.Amount = rapid.Int64Range(info.MinAmount, info.MaxAmount).
			Filter(func(n int64) bool { return n != 0 || info.MinAmount == 0 }).Draw(t, "amount")
	}
	if info.ByOps {
		f.Aim.Ops = rapid.SampledFrom(append(someOps(), AllOps)).Draw(t, "ops")
	}
	if len(info.Moments) > 0 {
		f.Aim.Moment = rapid.SampledFrom(info.Moments).Draw(t, "moment")
		f.Aim.Nth = rapid.IntRange(1, maxNth).Draw(t, "nth")
	}
	return f
}

// sound is a configuration from which every kind can be drawn.
func sound() GenerateConfig {
	return GenerateConfig{
		Kinds:            Kinds(),
		Clients:          5,
		Until:            2 * time.Minute,
		TTL:              10 * time.Second,
		RequestTimeout:   10 * time.Second / 6,
		MaxClockDriftPPM: 1000,
	}
}
