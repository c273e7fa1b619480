package fault

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheTableOfKindsIsComplete(t *testing.T) {
	seen := make(map[Kind]bool)
	groups := make(map[Group]bool)
	for _, g := range Groups() {
		groups[g] = true
	}
	for _, k := range Kinds() {
		info := Describe(k)
		if info.Kind != k || seen[k] {
			t.Errorf("%s: described as %q, seen before: %v", k, info.Kind, seen[k])
		}
		seen[k] = true
		if !groups[info.Group] {
			t.Errorf("%s: unknown group %q", k, info.Group)
		}
		if info.Summary == "" || strings.ContainsAny(info.Summary, "\n") || strings.HasSuffix(info.Summary, ".") {
			t.Errorf("%s: summary %q is not one line without a full stop", k, info.Summary)
		}
		if info.OnStore != (info.Group == StoreSide) {
			t.Errorf("%s: OnStore %v in group %s", k, info.OnStore, info.Group)
		}
		if (info.Group == Aimed) != (len(info.Moments) > 0) {
			t.Errorf("%s: moments %v in group %s", k, info.Moments, info.Group)
		}
		if len(info.Moments) > 0 && !info.ByOps {
			t.Errorf("%s: strikes at a request that cannot be named", k)
		}
		if (info.Unit == NoUnit) != (info.MaxAmount == 0) || info.MinAmount > info.MaxAmount {
			t.Errorf("%s: unit %q with amounts from %d to %d", k, info.Unit, info.MinAmount, info.MaxAmount)
		}
	}
	if len(seen) != 33 {
		t.Errorf("%d kinds, want 33", len(seen))
	}
	if diff := cmp.Diff(Info{}, Describe("weather")); diff != "" {
		t.Errorf("a kind that does not exist is described:\n%s", diff)
	}
}

func TestOnlyBrokenStoresBrokenClocksAndOperatorsLieBeyondThePromises(t *testing.T) {
	var beyond []Kind
	for _, k := range Kinds() {
		if !Describe(k).Covered {
			beyond = append(beyond, k)
		}
	}
	if diff := cmp.Diff([]Kind{ClockStop, ClockBack, StaleRead, LostWrite, ForeignRecord, RemoveRecord, RestoreRecord}, beyond); diff != "" {
		t.Errorf("kinds that are not covered (-want +got):\n%s", diff)
	}
	plan := Plan{
		{Kind: ClockRate, Duration: 1, Amount: 1000},
		{Kind: ClockRate, Duration: 1, Amount: -1000},
		{Kind: ClockRate, Duration: 1, Amount: 1001},
		{Kind: ClockRate, Duration: 1, Amount: -1001},
		{Kind: ClockJump, Amount: maxShift},
		{Kind: LostWrite, Target: Store, Amount: 1},
	}
	want := Plan{plan[2], plan[3], plan[5]}
	if diff := cmp.Diff(want, plan.Uncovered(1000)); diff != "" {
		t.Errorf("faults that are not covered (-want +got):\n%s", diff)
	}
}

func TestEachWorldRefusesWhatItCannotInject(t *testing.T) {
	refused := map[World][]Kind{
		Sim: nil,
		LiveOneProcess: append([]Kind{ClockStop, ClockBack, Pause, Suspend, StaleRead, LostWrite,
			ForeignRecord, RemoveRecord, RestoreRecord}, aimed()...),
		LiveProcesses: append([]Kind{ClockStop, ClockBack, Suspend, LostWrite,
			ForeignRecord, RemoveRecord, RestoreRecord}, aimed()...),
	}
	for _, w := range Worlds() {
		var got []Kind
		for _, k := range Kinds() {
			ok, reason := Injectable(k, w)
			if ok != (reason == "") {
				t.Errorf("%s in %s: ok %v with reason %q", k, w, ok, reason)
			}
			if !ok {
				got = append(got, k)
			}
		}
		if diff := cmp.Diff(refused[w], got); diff != "" {
			t.Errorf("refused in %s (-want +got):\n%s", w, diff)
		}
	}
	for _, c := range []struct {
		kind  Kind
		world World
		want  string
	}{
		{"weather", Sim, `no fault "weather"`},
		{Latency, "moon", `no world "moon"`},
	} {
		if ok, reason := Injectable(c.kind, c.world); ok || !strings.Contains(reason, c.want) {
			t.Errorf("Injectable(%q, %q) = %v, %q", c.kind, c.world, ok, reason)
		}
	}
}

func TestCheckInjectableNamesEveryRefusedKind(t *testing.T) {
	if err := CheckInjectable(Kinds(), Sim); err != nil {
		t.Errorf("the simulator refuses: %v", err)
	}
	err := CheckInjectable([]Kind{Latency, Pause, Suspend}, LiveOneProcess)
	if err == nil {
		t.Fatal("not refused")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "pause") || !strings.Contains(lines[1], "suspend") {
		t.Errorf("want one line for pause and one for suspend, got:\n%v", err)
	}
}

func TestPlanKindsAreInTableOrder(t *testing.T) {
	plan := Plan{{Kind: Throttle}, {Kind: Pause}, {Kind: "weather"}, {Kind: Throttle}, {Kind: ClockRate}}
	if diff := cmp.Diff([]Kind{ClockRate, Pause, Throttle}, plan.Kinds()); diff != "" {
		t.Error(diff)
	}
}

func aimed() []Kind {
	return []Kind{AimedPause, AimedCrash, AimedPartition, AimedDelay, AimedLoseRequest, AimedLoseReply}
}

func TestParseKinds(t *testing.T) {
	var covered []Kind
	for _, k := range Kinds() {
		if Describe(k).Covered {
			covered = append(covered, k)
		}
	}
	for _, c := range []struct {
		given string
		want  []Kind
	}{
		{"none", nil},
		{"all", covered},
		{" pause , latency,pause ", []Kind{Latency, Pause}},
		{"clock", []Kind{ClockOffset, ClockRate, ClockJump}},
		{"process,clock-rate", []Kind{ClockRate, Pause, Suspend, Crash}},
		{"store", []Kind{StoreDown, StoreRestart, StoreFailover, Throttle, Refuse}},
		{"store,stale-read", []Kind{StoreDown, StoreRestart, StoreFailover, Throttle, Refuse, StaleRead}},
		{"aimed", aimed()},
		{"clock,clock-stop", []Kind{ClockOffset, ClockRate, ClockJump, ClockStop}},
		{"all,stale-read,lost-write,clock-stop,clock-back,foreign-record,remove-record,restore-record", Kinds()},
	} {
		got, err := ParseKinds(c.given)
		if err != nil {
			t.Errorf("ParseKinds(%q): %v", c.given, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("ParseKinds(%q) (-want +got):\n%s", c.given, diff)
		}
	}
}

func TestParseKindsSaysWhatWasGivenAndWhatIsAccepted(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"latancy", `unknown fault "latancy"; did you mean "latency"? (accepted: all, none, clock,`},
		{"pause,clock-skew", `unknown fault "clock-skew"; did you mean "clock-`},
		{"partitions", `did you mean "partition"?`},
		{"xyzzy", `unknown fault "xyzzy" (accepted:`},
		{"", `unknown fault "" (accepted:`},
		{"pause,,latency", `unknown fault "" (accepted:`},
		{"pause,none", `"none" stands alone`},
		{strings.Repeat("a", 100_000), `(accepted:`},
	} {
		_, err := ParseKinds(c.given)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ParseKinds(%.20q): %v, want one line with %s", c.given, err, c.want)
		}
	}
}
