package fault

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestValidateNamesTheFaultAndTheField(t *testing.T) {
	limits := Limits{Clients: 3, End: time.Minute}
	sec := time.Second
	for name, c := range map[string]struct {
		plan Plan
		want string // Empty if the plan is valid.
	}{
		"no faults":                   {nil, ""},
		"ends exactly at the end":     {Plan{{Pause, 2, 50 * sec, 10 * sec, 0, Aim{}}}, ""},
		"unknown kind":                {Plan{{"weather", 0, 0, sec, 0, Aim{}}}, `fault 1 (0s +1s weather c0): Kind: unknown kind "weather"`},
		"client too high":             {Plan{{Pause, 3, 0, sec, 0, Aim{}}}, "Target: c3 does not exist; the last of 3 clients is c2"},
		"client negative":             {Plan{{Pause, -2, 0, sec, 0, Aim{}}}, "Target: -2 is not a client's index"},
		"client fault at store":       {Plan{{Pause, Store, 0, sec, 0, Aim{}}}, "Target: pause is a fault of a client"},
		"store fault at client":       {Plan{{StoreDown, 0, 0, sec, 0, Aim{}}}, "Target: store-down is a fault of the store"},
		"negative start":              {Plan{{Pause, 0, -1, sec, 0, Aim{}}}, "Start: -1ns is before the run"},
		"start after the end":         {Plan{{ClockJump, 0, 61 * sec, 0, 1, Aim{}}}, "Start: 1m1s is after 1m0s"},
		"ends after the end":          {Plan{{Pause, 0, 50 * sec, 11 * sec, 0, Aim{}}}, "Duration: 11s ends at 1m1s, after 1m0s"},
		"negative duration":           {Plan{{Crash, 0, 0, -1, 0, Aim{}}}, "Duration: -1ns is negative"},
		"zero duration":               {Plan{{Pause, 0, 0, 0, 0, Aim{}}}, "Duration: 0s is refused; pause takes more than 0"},
		"jump with duration":          {Plan{{ClockJump, 0, 0, 1, 1, Aim{}}}, "Duration: 1ns is refused; clock-jump takes 0"},
		"endless duration":            {Plan{{Pause, 0, sec, math.MaxInt64, 0, Aim{}}}, "Duration: 2562047h47m16.854775807s ends later than time"},
		"zero amount":                 {Plan{{Latency, 0, 0, sec, 0, Aim{}}}, "Amount: 0s is refused"},
		"amount too high":             {Plan{{Throttle, Store, 0, sec, 1001, Aim{}}}, "Amount: 1001permille is refused; throttle takes 1permille to 1000permille"},
		"amount not asked for":        {Plan{{Pause, 0, 0, sec, 7, Aim{}}}, "Amount: 7 is refused; pause takes none"},
		"second fault is wrong":       {Plan{{Pause, 0, 0, sec, 0, Aim{}}, {Pause, 9, sec, sec, 0, Aim{}}}, "fault 2 (1s +1s pause c9): Target"},
		"unsorted":                    {Plan{{Pause, 0, 2, sec, 0, Aim{}}, {Pause, 1, 1, sec, 0, Aim{}}}, "fault 2 (1ns +1s pause c1): Start: 1ns is before 2ns"},
		"overlap":                     {Plan{{Pause, 0, 0, sec, 0, Aim{}}, {Crash, 0, 1, 1, 0, Aim{}}, {Pause, 0, sec - 1, 1, 0, Aim{}}}, "fault 3 (999.999999ms +1ns pause c0): Start: 999.999999ms overlaps fault 1"},
		"two crashes at once":         {Plan{{Crash, 0, 5, 0, 0, Aim{}}, {Crash, 0, 5, 0, 0, Aim{}}}, "fault 2 (5ns crash c0): Start: 5ns overlaps fault 1"},
		"requests of a whole fault":   {Plan{{Pause, 0, 0, sec, 0, Aim{Ops: Writes}}}, "Ops: \"writes\" is refused; pause concerns every request"},
		"unknown requests":            {Plan{{Latency, 0, 0, sec, 1, Aim{Ops: "locks"}}}, "Ops: \"locks\" is none of reads, writes or waits"},
		"some requests":               {Plan{{Latency, 0, 0, sec, 1, Aim{Ops: Reads}}}, ""},
		"moment not asked for":        {Plan{{Pause, 0, 0, sec, 0, Aim{Moment: Sent, Nth: 1}}}, "Moment: sent:1 is refused; pause begins at its start"},
		"no moment":                   {Plan{{AimedPause, 0, 0, sec, 0, Aim{}}}, "Moment: missing; aimed-pause takes before, sent, applied or answered"},
		"wrong moment":                {Plan{{AimedLoseReply, 0, 0, 0, 0, Aim{Moment: Before, Nth: 1}}}, "Moment: \"before\" is refused; aimed-lose-reply takes applied"},
		"no request":                  {Plan{{AimedCrash, 0, 0, 0, 0, Aim{Moment: Before}}}, "Nth: 0 is refused"},
		"aimed":                       {Plan{{AimedCrash, 0, 0, 0, 0, Aim{Moment: Before, Nth: 1}}}, ""},
		"touching":                    {Plan{{Pause, 0, 0, sec, 0, Aim{}}, {Pause, 0, sec, sec, 0, Aim{}}}, ""},
		"crashes one after the other": {Plan{{Crash, 0, 5, 0, 0, Aim{}}, {Crash, 0, 6, 0, 0, Aim{}}}, ""},
		"other target":                {Plan{{Pause, 0, 0, sec, 0, Aim{}}, {Pause, 1, 0, sec, 0, Aim{}}}, ""},
		"other kind":                  {Plan{{Pause, 0, 0, sec, 0, Aim{}}, {Suspend, 0, 0, sec, 0, Aim{}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := Validate(c.plan, limits)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestWithoutLimitsNoClientExists(t *testing.T) {
	err := Validate(Plan{{Pause, 0, 0, 1, 0, Aim{}}}, Limits{})
	if err == nil || !strings.Contains(err.Error(), "there are no clients") {
		t.Error(err)
	}
}

func TestSortDependsOnNothingButTheFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var plan Plan
		for range rapid.IntRange(0, 8).Draw(t, "faults") {
			f := drawFault(t)
			f.Start %= 3
			f.Target %= 2
			plan = append(plan, f)
		}
		shuffled := append(Plan(nil), plan...)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 0))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		Sort(plan)
		Sort(shuffled)
		if diff := cmp.Diff(plan, shuffled); diff != "" {
			t.Fatal(diff)
		}
		for i := 1; i < len(plan); i++ {
			if plan[i].Start < plan[i-1].Start {
				t.Fatalf("not in the order of starts:\n%s", plan)
			}
		}
	})
}
