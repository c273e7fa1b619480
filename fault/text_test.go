package fault

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const readable = `12.5s +3s clock-rate c2 +50000ppm
20s +4s latency c1 80ms
31s clock-jump c0 -1h0m0s
40s +2s store-down store
41s +9s lose-reply c3 300permille
1m30s crash c4
2m0s +1.5s crash c4
2m5s lost-write store 10s
2m6s +9s latency c0 80ms writes
2m7s +1s throttle store 300permille reads
2m8s +12s aimed-pause c3 writes before:2
2m9s +5s aimed-partition c3 9.89s writes answered:1
2m10s aimed-crash c3 sent:10
2m11s aimed-lose-reply c3 writes applied:1
2m12s +2s aimed-delay c1 waits sent:3
`

var readablePlan = Plan{
	{ClockRate, 2, 12500 * time.Millisecond, 3 * time.Second, 50_000, Aim{}},
	{Latency, 1, 20 * time.Second, 4 * time.Second, int64(80 * time.Millisecond), Aim{}},
	{ClockJump, 0, 31 * time.Second, 0, -int64(time.Hour), Aim{}},
	{StoreDown, Store, 40 * time.Second, 2 * time.Second, 0, Aim{}},
	{LoseReply, 3, 41 * time.Second, 9 * time.Second, 300, Aim{}},
	{Crash, 4, 90 * time.Second, 0, 0, Aim{}},
	{Crash, 4, 2 * time.Minute, 1500 * time.Millisecond, 0, Aim{}},
	{LostWrite, Store, 125 * time.Second, 0, int64(10 * time.Second), Aim{}},
	{Latency, 0, 126 * time.Second, 9 * time.Second, int64(80 * time.Millisecond), Aim{Ops: Writes}},
	{Throttle, Store, 127 * time.Second, time.Second, 300, Aim{Ops: Reads}},
	{AimedPause, 3, 128 * time.Second, 12 * time.Second, 0, Aim{Writes, Before, 2}},
	{AimedPartition, 3, 129 * time.Second, 5 * time.Second, int64(9890 * time.Millisecond), Aim{Writes, Answered, 1}},
	{AimedCrash, 3, 130 * time.Second, 0, 0, Aim{AllOps, Sent, 10}},
	{AimedLoseReply, 3, 131 * time.Second, 0, 0, Aim{Writes, Applied, 1}},
	{AimedDelay, 1, 132 * time.Second, 2 * time.Second, 0, Aim{Waits, Sent, 3}},
}

func TestPlansAreWrittenAndReadAsText(t *testing.T) {
	if diff := cmp.Diff(readable, readablePlan.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	got, err := Parse(readable)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(readablePlan, got); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
}

func TestParseTakesWhatPeopleWrite(t *testing.T) {
	const text = "# a plan\r\n\n  20s\t+4s latency c1 0.08s # slow\n\n0 +1m clock-rate c0 -5%\n1us +1us throttle store 30%\n0s +0s crash c0"
	want := Plan{
		{Latency, 1, 20 * time.Second, 4 * time.Second, int64(80 * time.Millisecond), Aim{}},
		{ClockRate, 0, 0, time.Minute, -50_000, Aim{}},
		{Throttle, Store, time.Microsecond, time.Microsecond, 300, Aim{}},
		{Crash, 0, 0, 0, 0, Aim{}},
	}
	got, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
}

func TestParseRefusesWithLineAndField(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"5s", "want START"},
		{"5s +1s latency", "want START"},
		{"5s +1s latency c1 80ms 3", "want START"},
		{"soon +1s latency c1 80ms", `Start: "soon" is not a time`},
		{"-5s +1s latency c1 80ms", `Start: "-5s" has a sign too many`},
		{"5s +-1s latency c1 80ms", `Duration: "-1s" has a sign too many`},
		{"5s ++1s latency c1 80ms", `Duration: "+1s" has a sign too many`},
		{"5s latency c1 80ms", "Duration: 0s is refused; latency takes more than 0"},
		{"5s +1s clock-jump c1 80ms", "Duration: 1s is refused; clock-jump takes 0"},
		{"2562047h +2562047h pause c1", "Duration: 2562047h0m0s ends later"},
		{"5s +1s latancy c1 80ms", `unknown kind "latancy"; did you mean "latency"?`},
		{"5s +1s all c1 80ms", `unknown kind "all"`},
		{"5s +1s latency 1 80ms", `Target: "1" is neither`},
		{"5s +1s latency c-1 80ms", `Target: "c-1" is neither`},
		{"5s +1s latency c+1 80ms", `Target: "c+1" is neither`},
		{"5s +1s latency store 80ms", "Target: latency is a fault of a client"},
		{"5s +1s store-down c1", "Target: store-down is a fault of the store, not of c1"},
		{"5s +1s latency c1", "Amount: missing; latency takes 1ns to 24h0m0s"},
		{"5s +1s latency c1 -80ms", "Amount: -80ms is refused"},
		{"5s +1s latency c1 80", `Amount: "80" is not a time`},
		{"5s +1s pause c1 80ms", "Amount: pause takes none"},
		{"5s +1s clock-rate c1 0ppm", "Amount: 0ppm is refused; clock-rate takes -990000ppm to +10000000ppm, but not 0"},
		{"5s +1s clock-rate c1 -100%", "out of range"},
		{"5s +1s clock-rate c1 5", "Amount: \"5\" is not a whole or decimal number"},
		{"5s +1s throttle store 1001permille", "Amount: 1001permille is refused"},
		{"5s +1s throttle store 0.01%", "finer than the unit, permille"},
		{"5s +1s latency c1 80ms deletes", "want START"},
		{"5s +1s pause c1 writes", `Ops: "writes" is refused; pause concerns every request`},
		{"5s +1s latency c1 80ms writes sent:1", "Moment: sent:1 is refused; latency begins at its start"},
		{"5s +1s latency c1 writes", "Amount: missing; latency takes"},
		{"5s +1s aimed-pause c1 writes", "Moment: missing; aimed-pause takes before, sent, applied or answered, as in before:1"},
		{"5s +1s aimed-pause c1 writes never:1", `Moment: "never" is none of before, sent, applied or answered`},
		{"5s +1s aimed-pause c1 sent:0", `Nth: "0" is not a number from 1 on`},
		{"5s +1s aimed-pause c1 sent:1000001", "Nth: 1000001 is refused; it must be from 1 to 1000000"},
		{"5s +1s aimed-pause c1 sent:99999999999", `Nth: "99999999999" is not a number`},
		{"5s +1s aimed-delay c1 before:1", `Moment: "before" is refused; aimed-delay takes sent or applied`},
		{"5s +1s aimed-pause c1 -1s sent:1", "Amount: -1s is refused"},
		{"5s +1s aimed-pause c1 sent:1 writes", `Amount: "sent:1" is not a time`},
	} {
		_, err := Parse("\n# comment\n" + c.line + "\n")
		if err == nil || !strings.HasPrefix(err.Error(), "line 3: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want line 3 and %s", c.line, err, c.want)
		}
	}
}

func TestEveryValidFaultReadsBackAsItWasPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var plan Plan
		for range rapid.IntRange(0, 5).Draw(t, "faults") {
			plan = append(plan, drawFault(t))
		}
		got, err := Parse(plan.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, plan)
		}
		if diff := cmp.Diff(plan, got); diff != "" {
			t.Fatalf("(-printed +parsed):\n%s", diff)
		}
	})
}

func TestAPlanInJSONIsAListOfLines(t *testing.T) {
	out, err := json.Marshal(readablePlan[:2])
	if err != nil {
		t.Fatal(err)
	}
	const want = `["12.5s +3s clock-rate c2 +50000ppm","20s +4s latency c1 80ms"]`
	if string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
	var back Plan
	if err := json.Unmarshal(out, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(readablePlan[:2], back); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`["5s latency"]`), &back); err == nil {
		t.Error("half a fault was read")
	}
	if out, err := json.Marshal(Plan{{Kind: "weather"}}); err == nil {
		t.Errorf("a fault that cannot be read back was written: %s", out)
	}
}

func TestInvalidFaultsCanBePrinted(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{Fault{}, "0s  c0"},
		{Fault{Kind: "weather", Target: -7, Start: -1, Amount: 3}, "-1ns weather c-7 3"},
		{Fault{Kind: Pause, Duration: 1, Amount: -3}, "0s +1ns pause c0 -3"},
		{Fault{ClockJump, math.MinInt, math.MinInt64, math.MinInt64, math.MinInt64, Aim{}}, ""},
	} {
		if got := c.fault.String(); c.want != "" && got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		given string
		want  int64
	}{
		{"+5%", 50_000},
		{"5%", 50_000},
		{"-5%", -50_000},
		{"-200ppm", -200},
		{"+0.02%", 200},
		{"-0.5%", -5_000},
		{"1.2345%", 12_345},
		{"1.23450000%", 12_345},
		{"3.0ppm", 3},
		{"0ppm", 0},
		{"1000%", 10_000_000},
		{"-99%", -990_000},
	} {
		if got, err := ParseRate(c.given); err != nil || got != c.want {
			t.Errorf("ParseRate(%q) = %d, %v, want %d", c.given, got, err, c.want)
		}
	}
	for _, given := range []string{
		"", "5", "%", "ppm", "+%", "-ppm", ".5%", "5.%", "5 %", "five%", "1.23456%", "1.5ppm", "--5%", "+-5%",
		"5.-1%", "1_0%", "1e2%", "1000.1%", "-99.1%", "99999999999999999999%", "0x5%", "5.1.1%", "5%%", "5.5",
	} {
		if got, err := ParseRate(given); err == nil {
			t.Errorf("ParseRate(%q) = %d, want an error", given, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(readable)
	f.Add("0s +1.000000001s clock-rate c0 -0.0001%\n# comment\n\n1ns crash c9")
	f.Add("5s ++ latency store 80ms")
	f.Add("1m5s +9.9s aimed-pause c12 3.3s writes answered:7\n0s aimed-crash c0 before:1\n1s +1s jitter c1 5ms reads")
	f.Fuzz(func(t *testing.T, text string) {
		plan, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(plan.String())
		if err != nil {
			t.Fatalf("what was printed is refused: %v\n%s", err, plan)
		}
		if diff := cmp.Diff(plan, again); diff != "" {
			t.Fatalf("(-parsed +parsed again):\n%s", diff)
		}
	})
}
