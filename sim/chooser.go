package sim

import "math/bits"

// Chooser makes every choice of a run. It is the only source of anything that
// is not fixed by the Config.
type Chooser interface {
	// Choose returns a number in [0, n). The stream names what is chosen, so
	// that the answers to one question do not depend on how often another was
	// asked. It is not asked where n is 0 or 1.
	Choose(stream string, n uint64) uint64
}

// Scheduler is a Chooser that wants to know which tasks it chooses among. Where
// it is implemented, Pick is asked instead of Choose("schedule", len(tasks)).
type Scheduler interface {
	Chooser
	// Pick returns an index into tasks, which holds the ids of the tasks that
	// could run now, in the order in which they became able to. The slice is
	// the caller's.
	Pick(tasks []uint64) int
}

// The streams the world itself draws from.
const (
	streamSchedule  = "schedule"  // which of several ready tasks runs
	streamLatency   = "latency"   // transit time of each message
	streamDeparture = "departure" // time between call and departure
	streamJitter    = "jitter"    // what fault.Jitter adds
	streamLoss      = "loss"      // fault.LoseRequest, fault.LoseReply
	streamDuplicate = "dup"       // fault.DuplicateRequest
	streamThrottle  = "throttle"  // fault.Throttle
	streamFailover  = "failover"  // was a request in a failover applied?
	streamStale     = "stale"     // how old is a stale read?
	streamRefusal   = "refusal"   // fault.Refuse
	streamWatch     = "watch"     // StoreConfig.WatchLag
	streamTamper    = "tamper"    // which record is tampered with?
	streamPreempt   = "preempt"   // Config.PreemptEvery
	streamTimeout   = "timeout"   // which comes first after a pause, answer or timeout?
	streamWake      = "wake"      // lateness of a sleep after a suspend
	streamBoot      = "boot/"     // + node: zero of the node's clock
	streamIDs       = "ids/"      // + node: Runtime.Uint64
)

// hashName is FNV-1a. It is fixed for ever: seeds depend on it.
func hashName(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// scramble is the finalizer of splitmix64 (Steele, Lea, Flood 2014).
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// source is a splitmix64 generator: eight bytes of state, one addition and the
// scramble. It passes BigCrush, which is more than a schedule needs.
type source struct{ state uint64 }

func (s *source) choose(n uint64) uint64 {
	s.state += 0x9e3779b97f4a7c15
	// Lemire's multiplication without its rejection step: the bias is below
	// n / 2^64, and the cost is fixed, whatever n.
	hi, _ := bits.Mul64(scramble(s.state), n)
	return hi
}

// Random is a Chooser that draws from a generator of its own for each stream,
// seeded by the seed and the stream's name. It is not safe for concurrent use.
type Random struct {
	seed    uint64
	streams map[string]*source // looked up, never ranged over
}

// NewRandom returns a Random. Every seed is as good as any other.
func NewRandom(seed uint64) *Random {
	return &Random{seed: seed, streams: make(map[string]*source, 16)}
}

// Choose implements Chooser.
func (r *Random) Choose(stream string, n uint64) uint64 {
	if n <= 1 {
		return 0
	}
	return r.source(stream).choose(n)
}

// source returns the generator of one stream, so that the world may look the
// name up once.
func (r *Random) source(stream string) *source {
	s, ok := r.streams[stream]
	if !ok {
		s = &source{state: scramble(scramble(r.seed) ^ hashName(stream))}
		r.streams[stream] = s
	}
	return s
}

// stream is one resolved stream of the world's Chooser.
type stream struct {
	name    string
	hash    uint64
	source  *source // set for a Random: the fast path
	chooser Chooser
}

func newStream(c Chooser, name string) *stream {
	s := &stream{name: name, hash: hashName(name), chooser: c}
	if r, ok := c.(*Random); ok {
		s.source = r.source(name)
	}
	return s
}

var _ Chooser = (*Random)(nil)
