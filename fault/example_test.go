package fault_test

import (
	"fmt"
	"time"

	"github.com/lockproof/lockproof/fault"
)

func ExampleParse() {
	plan, err := fault.Parse(`
		# The holder sleeps past its lease while the other's clock is fast.
		0s    +1m  clock-rate c1 +5%
		12.5s +11s pause c0
		31s   clock-jump c0 -1h
	`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan)
	fmt.Println(fault.Validate(plan, fault.Limits{Clients: 1, End: time.Minute}))

	_, err = fault.Parse("12.5s +11s pause c0\n20s +4s latency c1")
	fmt.Println(err)
	// Output:
	// 0s +1m0s clock-rate c1 +50000ppm
	// 12.5s +11s pause c0
	// 31s clock-jump c0 -1h0m0s
	// fault 1 (0s +1m0s clock-rate c1 +50000ppm): Target: c1 does not exist; the last of 1 clients is c0
	// line 2: fault "20s +4s latency c1": Amount: missing; latency takes 1ns to 24h0m0s
}

func ExampleParseKinds() {
	kinds, err := fault.ParseKinds("process,clock-jump")
	fmt.Println(kinds, err)

	err = fault.CheckInjectable(kinds, fault.LiveProcesses)
	fmt.Println(err)
	// Output:
	// [clock-jump pause suspend crash] <nil>
	// fault suspend cannot be injected in world live-processes: a real machine cannot be put to sleep for one client alone; only the simulator can
}

// mixing is a Chooser of a few lines. The simulator's is seeded, can be replayed
// and can enumerate every choice.
type mixing map[string]uint64

func (m mixing) Choose(stream string, n uint64) uint64 {
	state := m[stream] + uint64(len(stream))
	state = state*6364136223846793005 + 1442695040888963407
	m[stream] = state
	return (state >> 33) % n
}

func ExampleGenerate() {
	plan := fault.Generate(mixing{}, fault.GenerateConfig{
		Kinds:            []fault.Kind{fault.ClockRate, fault.Pause, fault.LoseReply},
		Clients:          3,
		Until:            time.Minute,
		TTL:              10 * time.Second,
		MaxClockDriftPPM: 1000,
	})
	fmt.Print(plan)
	// Output:
	// 0s +1m0s clock-rate c0 -662ppm
	// 0s +1m0s clock-rate c2 +1000ppm
	// 0s +1m0s lose-reply c1 200permille
	// 22.91s +1.825s lose-reply c0 750permille writes
}

func ExampleShrink() {
	plan, err := fault.Parse(`
		3.141s  +27.182s latency c1 1.414s
		7.123s  +17.312s pause c0
		9.876s  +11.111s lose-reply c2 317permille
		44.444s +5.555s  crash c1
	`)
	if err != nil {
		fmt.Println(err)
		return
	}
	// A run that fails when c0 stands still for longer than a lease of 10 s while
	// c2's replies get lost.
	stillFails := func(p fault.Plan) bool {
		paused, lost := false, false
		for _, f := range p {
			paused = paused || f.Kind == fault.Pause && f.Duration > 10*time.Second
			lost = lost || f.Kind == fault.LoseReply
		}
		return paused && lost
	}
	fmt.Print(fault.Shrink(plan, 1000, stillFails))
	// Output:
	// 0s +1ms lose-reply c2 1000permille
	// 0s +10.5s pause c0
}
