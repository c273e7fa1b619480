package linearizability

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func readTestdata(t testing.TB, file string) (Params, History) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, h, err := Read(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return p, h
}

func testdataNamed(t testing.TB, prefix string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/" + prefix + "-*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s histories: %v", prefix, err)
	}
	named := map[string]string{}
	for _, file := range files {
		named[strings.TrimSuffix(filepath.Base(file), ".jsonl")] = file
	}
	return named
}

// violations names the properties that are violated, in order.
func violations(v Verdict) []string {
	var names []string
	for _, p := range v.Properties {
		if p.Verdict == Violation {
			names = append(names, p.Name)
		}
	}
	return names
}

func TestKnownGoodHistoriesPass(t *testing.T) {
	for name, file := range testdataNamed(t, "good") {
		p, h := readTestdata(t, file)
		v := Check(context.Background(), p, h)
		for _, property := range v.Properties {
			// Whoever writes a good history is not asked to end it in a liveness phase.
			bad := property.Verdict == Violation && !property.Informational ||
				property.Verdict == Unknown && property.Name != Liveness
			if bad {
				t.Errorf("%s: %s is %v: %s", name, property.Name, property.Verdict, property.Detail)
			}
		}
		if strings.HasPrefix(name, "good-liveness") && v.Verdict != OK {
			t.Errorf("%s: verdict %v", name, v.Verdict)
		}
	}
}

// badHistories says what is found in each known-bad history: the properties that
// are violated, all others being not, and what the first one says.
var badHistories = map[string]struct {
	violated []string
	says     string
}{
	"bad-mutual-exclusion-by-one-nanosecond": {[]string{MutualExclusion},
		"c0 believed in grant 1 of lock a from 1s to 5s; c1 was granted it (grant 2) at 4.999999999s: overlap 1ns"},
	"bad-mutual-exclusion-holder-outlives-lease": {[]string{MutualExclusion},
		"c0 believed in grant 1 of lock a from 100ms to 20s; c1 was granted it (grant 2) at 10.5s: overlap 1.5s"},
	"bad-mutual-exclusion-reader-and-writer": {[]string{MutualExclusion},
		"c0 believed in grant 1 of lock a (shared) from 1s to 6s; c1 was granted it (grant 2) at 4s: overlap 1s"},
	"bad-lock-linearizability-lost-release": {[]string{LockLinearizability},
		"c1 was told between 2s and 2.1s that c0 holds lock a, which it cannot have held then: it released grant 1 at 1s"},
	"bad-lock-linearizability-held-by-nobody": {[]string{LockLinearizability},
		"c0 was told between 1s and 1.1s that c2 holds lock a"},
	"bad-lock-linearizability-lease-cut-short": {[]string{LockLinearizability},
		"c1 was granted lock a at 5s (grant 2), but c0's grant 1 was in force: last renewed at 3s, it could not end before 13s"},
	"bad-lock-linearizability-foreign-release": {[]string{LockLinearizability},
		"c0's grant 1 was in force: it was released at 11s"},
	"bad-lock-linearizability-renewed-after-takeover": {[]string{LockLinearizability},
		"c0's grant 1 was in force: last renewed at 11s"},
	"bad-lock-linearizability-named-one-that-never-was": {[]string{LockLinearizability},
		"c1 was told between 2s and 2.1s that c0 holds lock a"},
	"bad-token-order-falls": {[]string{LockLinearizability, TokenOrder},
		"c1 was granted lock a at 2.1s (grant 2) with token 6, where token 7 had been given out before"},
	"bad-token-order-duplicate": {[]string{LockLinearizability, TokenOrder},
		"c1 was granted lock a at 2.1s (grant 2) with token 7, where token 7 had been given out before"},
	"bad-token-order-reader-shares-with-writer": {[]string{LockLinearizability, TokenOrder},
		"c1 was granted lock a (shared) at 2.1s (grant 2) with token 7"},
	"bad-protected-effect-fenced-guard-on-writes-alone": {[]string{ProtectedEffectFenced},
		"1 lost update, 1 stale write, 0 stale reads"},
	"bad-protected-effect-fenced-stale-read": {[]string{ProtectedEffectFenced},
		"c0's read under grant 1 of lock a was let through at 11.5s, after grant 2 of c1 at 11s"},
	"bad-loss-notice-late": {[]string{LossNotice},
		"c0 held grant 1 of lock a; its lease ended by its own clock at 10s, it was to be told by 10.5s and was told at 12s, 1.5s late"},
	"bad-loss-notice-never": {[]string{LossNotice},
		"was to be told by 10.5s and was never told"},
	"bad-loss-notice-after-pause": {[]string{LossNotice},
		"was told at 11.6s, 100ms late"},
	"bad-liveness-never-granted": {[]string{Liveness},
		"lock a was wanted from 20s on and nobody held it, yet it was not granted by 60s: 40s, where 10s is the bound"},
	"bad-liveness-every-try-refused": {[]string{Liveness},
		"lock a was wanted from 21s on"},
}

func TestKnownBadHistoriesFailInTheirPropertyAlone(t *testing.T) {
	files := testdataNamed(t, "bad")
	for name := range badHistories {
		if files[name] == "" {
			t.Errorf("%s: no such file", name)
		}
	}
	for name, file := range files {
		want, known := badHistories[name]
		if !known {
			t.Errorf("%s: nobody says what is wrong with it", name)
			continue
		}
		p, h := readTestdata(t, file)
		v := Check(context.Background(), p, h)
		if v.Verdict != Violation || v.Malformed != "" {
			t.Errorf("%s: verdict %v %s", name, v.Verdict, v.Malformed)
		}
		if got := violations(v); !slices.Equal(got, want.violated) {
			t.Errorf("%s: violated %v, want %v", name, got, want.violated)
		}
		property, _ := v.Property(want.violated[0])
		if !strings.Contains(property.Detail, want.says) {
			t.Errorf("%s says\n  %s\nwant\n  %s", name, property.Detail, want.says)
		}
		checkWitness(t, name, property, h)
	}
}

// checkWitness: events that exist, in order, on the lock that is named.
func checkWitness(t *testing.T, name string, p Property, h History) {
	t.Helper()
	if len(p.Events) == 0 || !slices.IsSorted(p.Events) || p.Lock == "" {
		t.Errorf("%s: witness %v on lock %q", name, p.Events, p.Lock)
	}
	for _, i := range p.Events {
		if i < 0 || i >= len(h) || h[i].Lock != p.Lock && h[i].Op != OpCrash {
			t.Errorf("%s: witness %d is not an event of lock %s", name, i, p.Lock)
		}
	}
}

func TestUnfencedLossIsForInformationOnly(t *testing.T) {
	for _, name := range []string{"info-protected-effect-unfenced-lost-update", "good-paused-holder-unfenced-loses"} {
		p, h := readTestdata(t, "testdata/"+name+".jsonl")
		v := Check(context.Background(), p, h)
		if got := violations(v); !slices.Equal(got, []string{ProtectedEffectUnfenced}) || v.Verdict == Violation {
			t.Errorf("%s: violated %v, verdict %v", name, got, v.Verdict)
		}
		property, _ := v.Property(ProtectedEffectUnfenced)
		if !property.Informational || property.Count != 2 {
			t.Errorf("%s: %+v", name, property)
		}
	}
}

func TestLivenessThatCannotBeJudgedIsUnknown(t *testing.T) {
	for name, file := range testdataNamed(t, "unknown-liveness") {
		p, h := readTestdata(t, file)
		v := Check(context.Background(), p, h)
		if property, _ := v.Property(Liveness); property.Verdict != Unknown || v.Verdict != Unknown {
			t.Errorf("%s: %v, verdict %v: %s", name, property.Verdict, v.Verdict, property.Detail)
		}
	}
}

func TestMalformedHistoriesAreRefusedWithTheirReason(t *testing.T) {
	reasons := map[string]string{
		"malformed-time-runs-backwards":      "event 1 (line 3 of its file: 4s c0 acquire ok): time runs backwards: the event before is at 5s",
		"malformed-ok-without-invoke":        "process 0 has no acquire of lock a open",
		"malformed-two-open-acquires":        "process 0 has an acquire of lock a open",
		"malformed-grant-made-twice":         "grant 1 was made before",
		"malformed-unknown-grant":            "grant 2 is unknown",
		"malformed-grant-of-another-client":  "grant 1 belongs to c0",
		"malformed-grant-of-another-lock":    "grant 1 is of lock a",
		"malformed-after-crash":              "process 0 has crashed",
		"malformed-after-indefinite-acquire": "process 0 ended with an info",
		"malformed-process-of-two-clients":   "process 0 belongs to c0",
		"malformed-release-while-acquiring":  "process 0 has an acquire of lock a open",
		"malformed-released-twice":           "grant 1 was released before",
		"malformed-too-many-clients":         "there are only 4 clients",
		"malformed-renew-without-invoke":     "no renew of grant 1 is open",
	}
	for name, file := range testdataNamed(t, "malformed") {
		p, h := readTestdata(t, file)
		v := Check(context.Background(), p, h)
		if reasons[name] == "" || !strings.Contains(v.Malformed, reasons[name]) {
			t.Errorf("%s: %q, want %q", name, v.Malformed, reasons[name])
		}
		if v.Verdict != Unknown || len(v.Properties) != propertyCount {
			t.Errorf("%s: verdict %v on %d properties", name, v.Verdict, len(v.Properties))
		}
		if err := Validate(h); err == nil && name != "malformed-too-many-clients" {
			t.Errorf("%s: Validate accepts it", name)
		}
	}
}
