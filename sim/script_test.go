package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/lockproof/lockproof/fault"
	"github.com/lockproof/lockproof/lock"
	"github.com/lockproof/lockproof/sim"
)

// TestScripts runs the golden scripts in testdata: a plan, what the nodes do,
// and what comes of it, each line with its true time. Every message takes 1 ms
// and departs 1 ns after its call, unless a script says otherwise.
//
//	run [clients=2] [until=100ms] [min=1ms] [max=1ms] [depart=1ns] [ttl=0] [watch] [current]
//	    [perkey] [retry=0] [lag=0] [trace]
//	fault 10ms +5ms partition c0
//	n0 10ms get k
//	n0 10ms timeout=3ms cas k "" v      # "" means: no revision
//	n0 10ms sleep 5ms
//
// Commands of a node with one time are tasks of their own.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s := newScript(t, d)
			run(t, s.w, s.until)
			s.printf("counters %s", nonZero(s.w.Counters()))
			s.w.Close()
			return s.out.String()
		})
	})
}

type script struct {
	w     *sim.World
	out   strings.Builder
	until time.Duration
}

func (s *script) printf(format string, args ...any) {
	fmt.Fprintf(&s.out, "%-12v %s\n", s.w.Now(), fmt.Sprintf(format, args...))
}

func newScript(t *testing.T, d *datadriven.TestData) *script {
	c := sim.Config{Chooser: sim.NewRandom(1), Clients: 2}
	c.Latency = sim.LatencyConfig{Min: time.Millisecond, Max: time.Millisecond, Departure: 1}
	s := &script{until: 100 * time.Millisecond}
	trace := false
	for _, a := range d.CmdArgs {
		value := strings.Join(a.Vals, "")
		switch a.Key {
		case "clients":
			_, _ = fmt.Sscan(value, &c.Clients)
		case "until":
			s.until = duration(t, value)
		case "min":
			c.Latency.Min = duration(t, value)
		case "max":
			c.Latency.Max = duration(t, value)
		case "depart":
			c.Latency.Departure = duration(t, value)
		case "ttl":
			c.Store.BucketTTL = duration(t, value)
		case "watch":
			c.Store.Watch = true
		case "current":
			c.Store.ConflictReturnsCurrent = true
		case "perkey":
			c.Store.RevisionsPerKey = true
		case "retry":
			c.Store.Retry = duration(t, value)
		case "lag":
			c.Store.WatchLag = duration(t, value)
		case "trace":
			trace = true
		default:
			d.Fatalf(t, "unknown argument %q", a.Key)
		}
	}
	var commands [][]string
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		if words[0] != "fault" {
			commands = append(commands, words)
			continue
		}
		f, err := fault.ParseFault(strings.Join(words[1:], " "))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		c.Plan = append(c.Plan, f)
	}
	w, err := sim.New(c)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	s.w = w
	w.OnTamper(func(x sim.Tamper) { s.printf("tampered with %s", x.Key) })
	if trace {
		w.SetTrace(func(_ time.Duration, line string) { s.printf("  %s", line) })
	}
	for _, words := range commands {
		s.command(t, words)
	}
	return s
}

func (s *script) command(t *testing.T, words []string) {
	var i int
	if _, err := fmt.Sscanf(words[0], "n%d", &i); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	n, at, rest := s.w.Node(i), duration(t, words[1]), words[2:]
	var timeout time.Duration
	if v, ok := strings.CutPrefix(rest[0], "timeout="); ok {
		timeout, rest = duration(t, v), rest[1:]
	}
	s.w.At(at, func() {
		n.Go(func() {
			ctx := context.Background()
			if timeout > 0 {
				var cancel context.CancelCauseFunc
				ctx, cancel = context.WithCancelCause(ctx)
				n.AtLocal(n.Runtime().Now()+timeout, func() { cancel(errors.New("timeout")) })
			}
			s.printf("%s %s: %s", n, strings.Join(rest, " "), execute(ctx, t, n, rest))
		})
	})
}

func execute(ctx context.Context, t *testing.T, n *sim.Node, words []string) string {
	store := n.Store()
	arg := func(i int) string {
		if words[i] == `""` {
			return ""
		}
		return words[i]
	}
	began := n.Runtime().Now()
	var r lock.Record
	var err error
	switch words[0] {
	case "get":
		r, err = store.Get(ctx, arg(1))
	case "cas":
		r.Revision, err = store.CompareAndSwap(ctx, arg(1), lock.Revision(arg(2)), []byte(arg(3)))
	case "put":
		r.Revision, err = store.Put(ctx, arg(1), []byte(arg(2)))
	case "delete":
		err = store.Delete(ctx, arg(1), lock.Revision(arg(2)))
	case "remove":
		err = store.Remove(ctx, arg(1))
	case "wait":
		r, err = store.Wait(ctx, arg(1), lock.Revision(arg(2)))
	case "trip":
		err = n.RoundTrip(ctx, func() {})
	case "sleep":
		err = n.Runtime().Sleep(ctx, duration(t, words[1]))
		if err == nil {
			return fmt.Sprintf("woke, Now +%v", n.Runtime().Now()-began)
		}
	case "clocks":
		return fmt.Sprintf("Wall %v, Now %v, Monotonic %v", n.Wall()-sim.Epoch, n.Runtime().Now()-boot(n), n.Monotonic()-boot(n))
	default:
		t.Fatalf("unknown command %q", words)
	}
	return describe(r, err)
}

// boot is the zero of the node's clock, which scripts leave out: it is drawn.
// The only jump-free clock that shows it is a node's first reading.
func boot(n *sim.Node) time.Duration { return sim.BootOf(n) }

func describe(r lock.Record, err error) string {
	var conflict *lock.ConflictError
	switch {
	case errors.As(err, &conflict):
		return "definite: " + conflict.Error()
	case err != nil && lock.Definite(err):
		return "definite: " + err.Error()
	case err != nil:
		return "indefinite: " + err.Error()
	case r.Revision == "":
		return "ok"
	case r.Value == nil:
		return fmt.Sprintf("ok r%s", r.Revision)
	}
	return fmt.Sprintf("ok r%s %q", r.Revision, r.Value)
}

func nonZero(c sim.Counters) string {
	var out []string
	for _, field := range strings.Fields(strings.Trim(fmt.Sprintf("%+v", c), "{}")) {
		name, value, _ := strings.Cut(field, ":")
		switch name {
		case "Events", "Switches", "Tasks", "Choices":
			continue
		}
		if value != "0" {
			out = append(out, field)
		}
	}
	return strings.Join(out, " ")
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	v, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
